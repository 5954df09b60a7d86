//! What the shipped rules are for, in examples: files and programs as they are called on real systems. Written down
//! apart from the list, for it is what the list is held against.

use vespid_plugin::prelude::Severity;

use super::programs::{ACCOUNTS, LOGINS, PACKAGES, READERS};

/// Whose accesses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    Everybody,
    Host,
    Containers,
}

/// What is reported under a key. Programs that may have what is to be left alone; all others are reported, or those
/// in `only`.
pub(super) struct Expected {
    pub(super) key: &'static str,
    pub(super) access: &'static str,
    pub(super) severity: Severity,
    pub(super) tags: &'static [&'static str],
    pub(super) whose: Whose,
    /// Just these: the same name with something behind it is another file.
    pub(super) files: &'static [&'static str],
    /// Everything below.
    pub(super) folders: &'static [&'static str],
    /// Whatever else is called like these.
    pub(super) beginnings: &'static [&'static str],
    /// Files that look alike, and are none of it.
    pub(super) others: &'static [&'static str],
    pub(super) may: &'static [&'static [&'static str]],
    pub(super) only: &'static [&'static str],
}

const RULE: Expected = Expected {
    key: "",
    access: "w",
    severity: Severity::Warning,
    tags: &[],
    whose: Whose::Everybody,
    files: &[],
    folders: &[],
    beginnings: &[],
    others: &[],
    may: &[],
    only: &[],
};

pub(super) const EXPECTED: &[Expected] = &[
    Expected {
        key: "shadow",
        access: "rwl",
        tags: &["T1003.008"],
        files: &[
            "/etc/shadow",
            "/etc/shadow-",
            "/etc/gshadow",
            "/etc/gshadow-",
            "/etc/security/opasswd",
        ],
        may: &[LOGINS, ACCOUNTS, PACKAGES],
        ..RULE
    },
    Expected {
        key: "accounts",
        tags: &["T1136.001", "T1098"],
        files: &["/etc/passwd", "/etc/group", "/etc/subuid", "/etc/subgid"],
        may: &[ACCOUNTS, PACKAGES],
        ..RULE
    },
    Expected {
        key: "sudoers",
        access: "rwl",
        tags: &["T1548.003"],
        files: &["/etc/sudoers"],
        folders: &["/etc/sudoers.d/"],
        may: &[&["/usr/bin/sudo", "/usr/bin/cvtsudoers", "/usr/sbin/visudo"], PACKAGES],
        ..RULE
    },
    Expected {
        key: "ssh-private-keys",
        access: "rwl",
        tags: &["T1552.004"],
        files: &[
            "/root/.ssh/id_rsa",
            "/home/eve/.ssh/id_dsa",
            "/home/eve/.ssh/id_ecdsa",
            "/home/eve/.ssh/id_ed25519",
            "/home/eve/.ssh/id_ecdsa_sk",
            "/home/eve/.ssh/id_ed25519_sk",
            "/etc/ssh/ssh_host_rsa_key",
        ],
        others: &[
            "/home/eve/.ssh/id_rsa.pub",
            "/etc/ssh/ssh_host_rsa_key.pub",
            "/home/eve/.ssh/known_hosts",
        ],
        may: &[&[
            "/usr/bin/ssh",
            "/usr/bin/ssh-add",
            "/usr/bin/ssh-agent",
            "/usr/bin/ssh-keygen",
            "/usr/sbin/sshd",
            "/usr/lib/openssh/sshd-session",
            "/usr/libexec/openssh/sshd-auth",
            "/usr/lib/ssh/ssh-keysign",
        ]],
        ..RULE
    },
    Expected {
        key: "ssh-authorized-keys",
        tags: &["T1098.004"],
        beginnings: &["/root/.ssh/authorized_keys", "/home/eve/.ssh/authorized_keys2"],
        files: &[],
        folders: &[],
        others: &["/home/eve/.ssh/config"],
        ..RULE
    },
    Expected {
        key: "ssh-server",
        tags: &["T1556"],
        files: &["/etc/ssh/sshd_config"],
        folders: &["/etc/ssh/sshd_config.d/"],
        others: &["/etc/ssh/ssh_config"],
        may: &[PACKAGES],
        ..RULE
    },
    Expected {
        key: "cron",
        tags: &["T1053.003"],
        files: &["/etc/crontab", "/etc/anacrontab", "/etc/cron.allow", "/etc/cron.deny"],
        folders: &[
            "/etc/cron.d/",
            "/etc/cron.hourly/",
            "/etc/cron.daily/",
            "/etc/cron.weekly/",
            "/etc/cron.monthly/",
            "/var/spool/cron/",
        ],
        may: &[
            &[
                "/usr/bin/crontab",
                "/usr/sbin/cron",
                "/usr/sbin/crond",
                "/usr/sbin/anacron",
                "/usr/sbin/atd",
            ],
            PACKAGES,
        ],
        ..RULE
    },
    Expected {
        key: "systemd-units",
        tags: &["T1543.002", "T1053.006"],
        folders: &[
            "/etc/systemd/",
            "/usr/lib/systemd/",
            "/lib/systemd/",
            "/usr/local/lib/systemd/",
            "/run/systemd/system/",
            "/root/.config/systemd/user/",
            "/home/eve/.config/systemd/user/",
        ],
        others: &["/run/systemd/private", "/home/eve/.config/systemd/other"],
        may: &[
            &[
                "/usr/bin/systemctl",
                "/usr/bin/deb-systemd-helper",
                "/usr/bin/systemd-run",
                "/usr/lib/systemd/systemd",
                "/lib/systemd/systemd",
            ],
            PACKAGES,
        ],
        ..RULE
    },
    Expected {
        key: "ld-preload",
        severity: Severity::Critical,
        tags: &["T1574.006"],
        files: &["/etc/ld.so.preload"],
        ..RULE
    },
    Expected {
        key: "ld-config",
        tags: &["T1574.006"],
        files: &["/etc/ld.so.conf"],
        folders: &["/etc/ld.so.conf.d/"],
        others: &["/etc/ld.so.cache"],
        may: &[PACKAGES],
        ..RULE
    },
    Expected {
        key: "pam",
        tags: &["T1556.003"],
        files: &[
            "/etc/pam.conf",
            "/usr/lib/x86_64-linux-gnu/security/pam_unix.so",
            "/lib/security/pam_unix.so",
            "/usr/lib64/security/pam_env.so",
        ],
        folders: &["/etc/pam.d/", "/etc/security/"],
        others: &["/usr/lib/x86_64-linux-gnu/security/other.so"],
        may: &[ACCOUNTS, PACKAGES],
        ..RULE
    },
    Expected {
        key: "shell-profiles",
        severity: Severity::Notice,
        tags: &["T1546.004"],
        files: &[
            "/etc/profile",
            "/etc/bash.bashrc",
            "/etc/bashrc",
            "/etc/environment",
            "/root/.bashrc",
            "/home/eve/.bash_profile",
            "/home/eve/.bash_login",
            "/home/eve/.profile",
            "/home/eve/.zshrc",
            "/home/eve/.zprofile",
        ],
        folders: &["/etc/profile.d/"],
        others: &["/home/eve/.bash_history"],
        may: &[ACCOUNTS, PACKAGES],
        ..RULE
    },
    Expected {
        key: "kubernetes",
        access: "rw",
        tags: &["T1552.001"],
        files: &["/root/.kube/config", "/home/eve/.kube/config"],
        folders: &["/etc/kubernetes/", "/var/lib/kubelet/pki/"],
        beginnings: &["/var/lib/kubelet/kubeconfig", "/var/lib/kubelet/kubeconfig-bootstrap"],
        others: &["/home/eve/.kube/cache/discovery"],
        may: &[&[
            "/usr/bin/kubelet",
            "/usr/local/bin/kubeadm",
            "/usr/bin/kubectl",
            "/usr/local/bin/helm",
            "/usr/local/bin/k9s",
            "/usr/local/bin/kube-apiserver",
            "/usr/local/bin/k3s",
            "/usr/bin/crictl",
            "/opt/rke2/bin/kubelet",
            "/var/lib/rancher/rke2/data/v1.30/bin/kube-proxy",
            "/var/lib/rancher/k3s/data/a1b2/bin/k3s",
            "/usr/lib/google-cloud-sdk/bin/kubectl",
        ]],
        ..RULE
    },
    Expected {
        key: "service-account-tokens",
        access: "r",
        tags: &["T1528"],
        folders: &[
            "/run/secrets/kubernetes.io/serviceaccount/",
            "/var/run/secrets/kubernetes.io/serviceaccount/",
        ],
        others: &["/run/secrets/other/token"],
        only: READERS,
        ..RULE
    },
    Expected {
        key: "pod-volumes",
        access: "rw",
        tags: &["T1528", "T1552.007"],
        folders: &[
            "/var/lib/kubelet/pods/1f2e/volumes/kubernetes.io~projected/",
            "/var/lib/kubelet/pods/1f2e/volumes/kubernetes.io~secret/",
        ],
        others: &["/var/lib/kubelet/pods/1f2e/volumes/kubernetes.io~empty-dir/cache/a"],
        may: &[&["/usr/bin/kubelet", "/usr/local/bin/kubelet"]],
        ..RULE
    },
    Expected {
        key: "container-runtime",
        tags: &["T1525"],
        files: &["/etc/docker/daemon.json", "/etc/containers/policy.json"],
        folders: &["/etc/containerd/", "/etc/crio/", "/etc/cni/net.d/"],
        may: &[PACKAGES],
        ..RULE
    },
    Expected {
        key: "credentials",
        access: "r",
        tags: &["T1552.001"],
        files: &[
            "/root/.docker/config.json",
            "/home/eve/.docker/config.json",
            "/root/.aws/credentials",
            "/home/eve/.aws/credentials",
            "/root/.netrc",
            "/home/eve/.netrc",
            "/home/eve/.pgpass",
            "/home/eve/.git-credentials",
        ],
        folders: &[
            "/root/.config/gcloud/",
            "/home/eve/.config/gcloud/",
            "/root/.azure/",
            "/home/eve/.azure/",
        ],
        others: &["/home/eve/.aws/config", "/home/eve/.gitconfig"],
        only: READERS,
        ..RULE
    },
    Expected {
        key: "container-escape",
        severity: Severity::Critical,
        tags: &["T1611"],
        files: &[
            "/proc/sys/kernel/core_pattern",
            "/proc/sys/kernel/modprobe",
            "/proc/sysrq-trigger",
            "/sys/fs/cgroup/rdma/release_agent",
            "/tmp/cgrp/release_agent",
        ],
        others: &[
            "/sys/fs/cgroup/rdma/notify_on_release",
            "/proc/sys/kernel/core_uses_pid",
        ],
        may: &[&[
            "/usr/lib/systemd/systemd",
            "/lib/systemd/systemd-sysctl",
            "/usr/lib/systemd/systemd-coredump",
            "/usr/sbin/sysctl",
            "/sbin/sysctl",
        ]],
        ..RULE
    },
    Expected {
        key: "process-memory",
        tags: &["T1055.009"],
        files: &["/proc/77/mem", "/proc/77/task/78/mem"],
        others: &["/proc/77/maps"],
        may: &[&[
            "/usr/bin/gdb",
            "/usr/bin/gdbserver",
            "/usr/bin/lldb-server",
            "/usr/bin/strace",
            "/usr/bin/ltrace",
            "/usr/bin/rr",
            "/usr/bin/perf",
        ]],
        ..RULE
    },
    // On the host, where people write; the system's own programs may have the bit.
    Expected {
        key: "set-user-id",
        access: "s",
        tags: &["T1548.001"],
        whose: Whose::Host,
        folders: &["/tmp/", "/var/tmp/", "/dev/shm/", "/home/", "/root/"],
        others: &["/usr/bin/sudo"],
        ..RULE
    },
    Expected {
        key: "set-user-id",
        access: "s",
        tags: &["T1548.001"],
        whose: Whose::Containers,
        beginnings: &["/tmp/a", "/usr/bin/sudo", "/app/run"],
        may: &[PACKAGES],
        ..RULE
    },
    Expected {
        key: "logs",
        access: "d",
        tags: &["T1070.002"],
        files: &[
            "/var/log/wtmp",
            "/var/log/btmp",
            "/var/log/lastlog",
            "/var/log/faillog",
            "/var/log/auth.log",
            "/var/log/secure",
            "/var/log/syslog",
            "/var/log/messages",
            "/var/log/kern.log",
        ],
        folders: &["/var/log/audit/", "/var/log/journal/"],
        others: &["/var/log/auth.log.1", "/var/log/nginx/access.log"],
        may: &[
            &[
                "/usr/sbin/logrotate",
                "/usr/sbin/rsyslogd",
                "/usr/sbin/auditd",
                "/usr/lib/systemd/systemd-journald",
                "/lib/systemd/systemd-journald",
                "/usr/bin/journalctl",
            ],
            PACKAGES,
        ],
        ..RULE
    },
];
