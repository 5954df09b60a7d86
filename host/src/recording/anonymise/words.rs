//! What every node has, and so tells nothing of one.
use std::collections::HashSet;
use std::sync::LazyLock;

pub(super) type Words = LazyLock<HashSet<&'static [u8]>>;

/// Below these, names come from the distribution or from the kernel.
const SYSTEM: [&[u8]; 17] = [
    b"/bin/",
    b"/sbin/",
    b"/lib/",
    b"/lib32/",
    b"/lib64/",
    b"/usr/bin/",
    b"/usr/sbin/",
    b"/usr/lib/",
    b"/usr/lib32/",
    b"/usr/lib64/",
    b"/usr/libexec/",
    b"/usr/share/",
    b"/proc/",
    b"/sys/",
    b"/dev/",
    b"/usr/include/",
    b"/boot/",
];

/// Names that tell nothing of a node.
pub(super) static COMMON: Words = LazyLock::new(|| {
    words(
        "\
    bin sbin lib lib32 lib64 libexec usr etc var tmp run root home opt srv mnt media boot proc sys dev shm pts local \
    share cache log spool www html mail backups passwd passwd- shadow shadow- group group- gshadow gshadow- sudoers \
    sudoers.d hosts hostname resolv.conf nsswitch.conf ld.so.cache ld.so.preload ld.so.conf profile profile.d bashrc \
    bash.bashrc environment locale.alias localtime crontab cron.d cron.daily cron.hourly crontabs pam.d security ssl \
    certs private ssh sshd_config ssh_config systemd system init.d rc.local fstab mtab machine-id os-release .ssh \
    authorized_keys known_hosts id_rsa id_ed25519 id_ecdsa .bashrc .bash_history .bash_profile .profile .zshrc .config \
    .cache .aws credentials .kube config .docker .git .gnupg .local .npmrc .netrc .env docker docker.sock containerd \
    kubelet kubepods kubernetes serviceaccount secrets token namespace ca.crt lock utmp wtmp btmp lastlog auth.log \
    syslog messages apt dpkg system.slice user.slice init.scope libpod_parent k8s.io default machine.slice",
    )
});

/// Programs that every node may have.
pub(super) static PROGRAMS: Words = LazyLock::new(|| {
    words(
        "\
    systemd init bash sh dash zsh ksh fish sshd ssh scp sftp sudo su login cron crond atd dbus-daemon journald rsyslogd \
    python python2 python3 perl ruby node php java lua gcc cc ld make cmake cargo rustc go git docker dockerd containerd \
    containerd-shim runc crun podman conmon kubelet kube-proxy nginx apache2 httpd haproxy mysqld mariadbd postgres redis-server \
    mongod memcached curl wget nc ncat netcat socat nmap tcpdump telnet ftp rsync tar gzip gunzip xz zip unzip cat ls cp mv rm ln \
    mkdir rmdir touch chmod chown find grep egrep sed awk gawk mawk head tail sort uniq cut tr wc tee xargs env id whoami uname \
    hostname ps top kill pkill sleep date echo printf test true false mount umount ip ifconfig iptables nft ss netstat ping dig \
    base64 openssl http.server vim vi nano less more man apt apt-get dpkg yum dnf rpm pip pip3 npm useradd usermod passwd crontab systemctl \
    journalctl modprobe insmod strace gdb mktemp dd timeout nohup setsid screen tmux busybox kthreadd nslookup stat readlink",
    )
});

/// Endings that stay.
pub(super) static ENDINGS: Words = LazyLock::new(|| {
    words(
        "so py sh pl rb js ts php conf cfg log txt json toml yaml yml xml html htm db sql gz zst xz zip tar pem key \
    crt pub c h rs go java class jar service scope slice sock socket pid lock tmp wasm exe elf bin o a rlib",
    )
});

/// Keys of labels that Kubernetes and its usual tools set, or advise to set.
pub(super) static LABELS: Words = LazyLock::new(|| {
    words(
        "\
    app name component tier role version release chart heritage env environment k8s-app app.kubernetes.io/name \
    app.kubernetes.io/instance app.kubernetes.io/version app.kubernetes.io/component app.kubernetes.io/part-of \
    app.kubernetes.io/managed-by helm.sh/chart pod-template-hash rollouts-pod-template-hash controller-revision-hash \
    pod-template-generation statefulset.kubernetes.io/pod-name apps.kubernetes.io/pod-index job-name controller-uid \
    batch.kubernetes.io/job-name batch.kubernetes.io/controller-uid batch.kubernetes.io/job-completion-index",
    )
});

pub(super) fn words(list: &'static str) -> HashSet<&'static [u8]> {
    list.split_ascii_whitespace().map(str::as_bytes).collect()
}

/// Whether a path is the distribution's or the kernel's.
pub(super) fn is_system(path: &[u8]) -> bool {
    SYSTEM.iter().any(|directory| path.starts_with(directory))
}
