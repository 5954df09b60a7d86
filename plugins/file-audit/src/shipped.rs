//! The shipped rules. `file-audit.toml` spells them out for people, and a test keeps the two equal.
use std::collections::BTreeMap;

use crate::access::Access;
use crate::one_or_many::OneOrMany;
use crate::rule_config::{Processes, Results, RuleConfig, SeverityConfig};

/// Programs that change the files of other programs for a living.
const GROUPS: [(&str, &[&str]); 4] = [
    (
        "package-tools",
        &[
            "/usr/bin/{dpkg,dpkg-divert,dpkg-statoverride,rpm,dnf5,microdnf,zypper,pacman,snap}",
            "/{sbin,usr/bin,usr/sbin}/apk",
            "/usr/lib/snapd/snapd",
        ],
    ),
    (
        "account-tools",
        &[
            "/{usr/bin,usr/sbin,bin,sbin}/{passwd,chpasswd,chgpasswd,chage,chfn,chsh,gpasswd,newusers,vipw,pwck,grpck}",
            "/{usr/bin,usr/sbin,bin,sbin}/{useradd,userdel,usermod,groupadd,groupdel,groupmod,pwconv,grpconv}",
            "/{usr/,}lib/systemd/{systemd-sysusers,systemd-homed,systemd-homework,systemd-firstboot}",
            "/usr/bin/systemd-sysusers",
        ],
    ),
    (
        "login-programs",
        &[
            "/{usr/bin,usr/sbin,bin,sbin}/{sshd,sudo,su,login,runuser,unix_chkpwd,unix_update,cron,crond,atd,agetty,expiry}",
            "/usr/lib*/{openssh,ssh}/{sshd-session,sshd-auth}",
            "/{usr/,}lib/systemd/{systemd,systemd-executor,systemd-logind,systemd-userdbd,systemd-userwork}",
            "/usr/lib*/{polkit-1/,policykit-1/,}polkit-agent-helper-1",
            "/usr/sbin/{lightdm,gdm3,gdm,sssd,nscd}",
            "/usr/lib*/{sssd/,}sssd_*",
            "/usr/lib*/dovecot/auth",
        ],
    ),
    (
        "reading-tools",
        &[
            "/{usr/bin,bin}/{sh,bash,dash,zsh,busybox,cat,tac,head,tail,less,more,cp,mv,tar,dd,base64,xxd,od,strings}",
            "/{usr/bin,bin}/{grep,sed,gawk,mawk,awk,cut,sort,find,curl,wget,nc,ncat,socat,scp,rsync,python*,perl*,ruby*}",
        ],
    ),
];

pub(crate) fn groups() -> BTreeMap<String, Vec<String>> {
    GROUPS
        .iter()
        .map(|(name, patterns)| ((*name).to_owned(), owned(patterns)))
        .collect()
}

fn owned(list: &[&str]) -> Vec<String> {
    list.iter().map(|item| (*item).to_owned()).collect()
}

#[derive(Clone, Copy)]
struct Shipped {
    key: &'static str,
    path: &'static [&'static str],
    prefix: &'static [&'static str],
    glob: &'static [&'static str],
    access: &'static str,
    severity: SeverityConfig,
    results: Results,
    processes: Processes,
    except: &'static [&'static str],
    only: &'static [&'static str],
    tags: &'static [&'static str],
}

const RULE: Shipped = Shipped {
    key: "",
    path: &[],
    prefix: &[],
    glob: &[],
    access: "rw",
    severity: SeverityConfig::Warning,
    results: Results::Both,
    processes: Processes::Both,
    except: &[],
    only: &[],
    tags: &[],
};

const RULES: [Shipped; 22] = [
    Shipped {
        key: "shadow",
        path: &[
            "/etc/shadow",
            "/etc/shadow-",
            "/etc/gshadow",
            "/etc/gshadow-",
            "/etc/security/opasswd",
        ],
        access: "rwl",
        except: &["@login-programs", "@account-tools", "@package-tools"],
        tags: &["T1003.008"],
        ..RULE
    },
    Shipped {
        key: "accounts",
        path: &["/etc/passwd", "/etc/group", "/etc/subuid", "/etc/subgid"],
        access: "w",
        except: &["@account-tools", "@package-tools"],
        tags: &["T1136.001", "T1098"],
        ..RULE
    },
    Shipped {
        key: "sudoers",
        path: &["/etc/sudoers"],
        prefix: &["/etc/sudoers.d/"],
        access: "rwl",
        except: &["/usr/bin/{sudo,cvtsudoers}", "/usr/sbin/visudo", "@package-tools"],
        tags: &["T1548.003"],
        ..RULE
    },
    Shipped {
        key: "ssh-private-keys",
        glob: &[
            "{/root,/home/*}/.ssh/id_{rsa,dsa,ecdsa,ed25519,ecdsa_sk,ed25519_sk}",
            "/etc/ssh/ssh_host_*_key",
        ],
        access: "rwl",
        except: &[
            "/usr/bin/{ssh,ssh-add,ssh-agent,ssh-keygen}",
            "/usr/sbin/sshd",
            "/usr/lib*/{openssh,ssh}/{sshd-session,sshd-auth,ssh-keysign}",
        ],
        tags: &["T1552.004"],
        ..RULE
    },
    Shipped {
        key: "ssh-authorized-keys",
        glob: &["{/root,/home/*}/.ssh/authorized_keys*"],
        access: "w",
        tags: &["T1098.004"],
        ..RULE
    },
    Shipped {
        key: "ssh-server",
        path: &["/etc/ssh/sshd_config"],
        prefix: &["/etc/ssh/sshd_config.d/"],
        access: "w",
        except: &["@package-tools"],
        tags: &["T1556"],
        ..RULE
    },
    Shipped {
        key: "cron",
        path: &["/etc/crontab", "/etc/anacrontab", "/etc/cron.allow", "/etc/cron.deny"],
        prefix: &[
            "/etc/cron.d/",
            "/etc/cron.hourly/",
            "/etc/cron.daily/",
            "/etc/cron.weekly/",
            "/etc/cron.monthly/",
            "/var/spool/cron/",
        ],
        access: "w",
        except: &[
            "/usr/bin/crontab",
            "/usr/sbin/{cron,crond,anacron,atd}",
            "@package-tools",
        ],
        tags: &["T1053.003"],
        ..RULE
    },
    Shipped {
        key: "systemd-units",
        prefix: &[
            "/etc/systemd/",
            "/usr/lib/systemd/",
            "/lib/systemd/",
            "/usr/local/lib/systemd/",
            "/run/systemd/system/",
            "/root/.config/systemd/user/",
        ],
        glob: &["/home/*/.config/systemd/user/**"],
        access: "w",
        except: &[
            "/usr/bin/{systemctl,deb-systemd-helper,systemd-run}",
            "/{usr/,}lib/systemd/systemd",
            "@package-tools",
        ],
        tags: &["T1543.002", "T1053.006"],
        ..RULE
    },
    Shipped {
        key: "ld-preload",
        path: &["/etc/ld.so.preload"],
        access: "w",
        severity: SeverityConfig::Critical,
        tags: &["T1574.006"],
        ..RULE
    },
    Shipped {
        key: "ld-config",
        path: &["/etc/ld.so.conf"],
        prefix: &["/etc/ld.so.conf.d/"],
        access: "w",
        except: &["@package-tools"],
        tags: &["T1574.006"],
        ..RULE
    },
    Shipped {
        key: "pam",
        path: &["/etc/pam.conf"],
        prefix: &["/etc/pam.d/", "/etc/security/"],
        glob: &["{/usr,}/lib*/{*/,}security/pam_*.so"],
        access: "w",
        except: &["@account-tools", "@package-tools"],
        tags: &["T1556.003"],
        ..RULE
    },
    Shipped {
        key: "shell-profiles",
        path: &["/etc/profile", "/etc/bash.bashrc", "/etc/bashrc", "/etc/environment"],
        prefix: &["/etc/profile.d/"],
        glob: &["{/root,/home/*}/.{bashrc,bash_profile,bash_login,profile,zshrc,zprofile}"],
        access: "w",
        severity: SeverityConfig::Notice,
        except: &["@account-tools", "@package-tools"],
        tags: &["T1546.004"],
        ..RULE
    },
    Shipped {
        key: "kubernetes",
        prefix: &[
            "/etc/kubernetes/",
            "/var/lib/kubelet/pki/",
            "/var/lib/kubelet/kubeconfig",
        ],
        glob: &["{/root,/home/*}/.kube/config"],
        except: &[
            "/usr/{local/,}bin/{kubelet,kubeadm,kubectl,helm,k9s,kube-*,k3s,crictl}",
            "/{opt,var/lib}/**/bin/{kubelet,kube-*,k3s}",
            "/usr/lib/google-cloud-sdk/bin/kubectl",
        ],
        tags: &["T1552.001"],
        ..RULE
    },
    Shipped {
        key: "service-account-tokens",
        prefix: &[
            "/run/secrets/kubernetes.io/serviceaccount/",
            "/var/run/secrets/kubernetes.io/serviceaccount/",
        ],
        access: "r",
        only: &["@reading-tools"],
        tags: &["T1528"],
        ..RULE
    },
    Shipped {
        key: "pod-volumes",
        glob: &["/var/lib/kubelet/pods/*/volumes/kubernetes.io~{projected,secret}/**"],
        except: &["/usr/{local/,}bin/kubelet"],
        tags: &["T1528", "T1552.007"],
        ..RULE
    },
    Shipped {
        key: "container-runtime",
        path: &["/etc/docker/daemon.json", "/etc/containers/policy.json"],
        prefix: &["/etc/containerd/", "/etc/crio/", "/etc/cni/net.d/"],
        access: "w",
        except: &["@package-tools"],
        tags: &["T1525"],
        ..RULE
    },
    Shipped {
        key: "credentials",
        glob: &[
            "{/root,/home/*}/.docker/config.json",
            "{/root,/home/*}/.aws/credentials",
            "{/root,/home/*}/.config/gcloud/**",
            "{/root,/home/*}/.azure/**",
            "{/root,/home/*}/.{netrc,pgpass,git-credentials}",
        ],
        access: "r",
        only: &["@reading-tools"],
        tags: &["T1552.001"],
        ..RULE
    },
    Shipped {
        key: "container-escape",
        path: &[
            "/proc/sys/kernel/core_pattern",
            "/proc/sys/kernel/modprobe",
            "/proc/sysrq-trigger",
        ],
        glob: &["/**/release_agent"],
        access: "w",
        severity: SeverityConfig::Critical,
        except: &[
            "/{usr/,}lib/systemd/{systemd,systemd-sysctl,systemd-coredump}",
            "/{usr/,}sbin/sysctl",
        ],
        tags: &["T1611"],
        ..RULE
    },
    Shipped {
        key: "process-memory",
        glob: &["/proc/*/mem", "/proc/*/task/*/mem"],
        access: "w",
        except: &["/usr/bin/{gdb,gdbserver,lldb-server,strace,ltrace,rr,perf}"],
        tags: &["T1055.009"],
        ..RULE
    },
    Shipped {
        key: "set-user-id",
        glob: &["{/tmp,/var/tmp,/dev/shm,/home,/root}/**"],
        access: "s",
        processes: Processes::Host,
        tags: &["T1548.001"],
        ..RULE
    },
    Shipped {
        key: "set-user-id",
        prefix: &["/"],
        access: "s",
        processes: Processes::Container,
        except: &["@package-tools"],
        tags: &["T1548.001"],
        ..RULE
    },
    Shipped {
        key: "logs",
        path: &["/var/log/wtmp", "/var/log/btmp", "/var/log/lastlog", "/var/log/faillog"],
        prefix: &["/var/log/audit/", "/var/log/journal/"],
        glob: &["/var/log/{auth.log,secure,syslog,messages,kern.log}"],
        access: "d",
        except: &[
            "/usr/sbin/{logrotate,rsyslogd,auditd}",
            "/{usr/,}lib/systemd/systemd-journald",
            "/usr/bin/journalctl",
            "@package-tools",
        ],
        tags: &["T1070.002"],
        ..RULE
    },
];

pub(crate) fn rules() -> Vec<RuleConfig> {
    let rule = |rule: &Shipped| RuleConfig {
        key: rule.key.to_owned(),
        path: OneOrMany(owned(rule.path)),
        prefix: OneOrMany(owned(rule.prefix)),
        glob: OneOrMany(owned(rule.glob)),
        access: Access::parse(rule.access).unwrap_or_default(),
        severity: rule.severity,
        results: rule.results,
        processes: rule.processes,
        except: owned(rule.except),
        only: owned(rule.only),
        tags: owned(rule.tags),
    };
    RULES.iter().map(rule).collect()
}
