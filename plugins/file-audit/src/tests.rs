//! What the plugin promises, near misses included.
use vespid_plugin::ChangeOp;
use vespid_plugin::errno::{EACCES, ENOENT};
use vespid_plugin::testing::{BatchBuilder, ChangeRow, Harness, OpenRow, SECOND};

use super::*;

const O_WRONLY: u32 = 1;
const O_RDWR: u32 = 2;
const O_CREAT: u32 = 0o100;
const O_PATH: u32 = 0o10_000_000;

mod changes;
mod shipped;

fn start(config: &str) -> Harness<FileAudit> {
    Harness::start(config).expect("a configuration")
}

/// `key rule` of the verdicts on one open.
fn judge(config: &str, exe: &str, path: &str, change: impl FnOnce(&mut OpenRow)) -> Vec<String> {
    let mut batch = BatchBuilder::new();
    let process = batch.process(exe).id();
    change(batch.open(process, path));
    let outcome = start(config).batch(&batch);
    outcome
        .verdicts
        .iter()
        .map(|verdict| format!("{} {}", verdict.key, verdict.rule))
        .collect()
}

fn reads(exe: &str, path: &str) -> Vec<String> {
    judge("{}", exe, path, |_| {})
}

fn writes(exe: &str, path: &str) -> Vec<String> {
    judge("{}", exe, path, |open| {
        open.flags(O_WRONLY | O_CREAT);
    })
}

#[test]
fn reading_password_hashes_is_a_verdict_with_the_key() {
    let mut batch = BatchBuilder::new();
    let cat = batch.process("/usr/bin/cat").id();
    batch.open(cat, "/etc/shadow").typed("../../etc/shadow");
    let mut plugin = start("{}");
    let outcome = plugin.batch(&batch);
    assert_eq!(
        outcome.lines(),
        ["warning file-read: cat (pid 1000, uid 0) read /etc/shadow"]
    );
    assert_eq!(outcome.verdicts[0].key, "shadow");
    assert_eq!(outcome.verdicts[0].tags, ["T1003.008"]);
    assert_eq!(plugin.value("accesses", ["shadow", "r", "ok", "host"]), Some(1.0));
}

#[test]
fn the_programs_that_may_are_excepted_by_path_and_not_by_name() {
    let mut batch = BatchBuilder::new();
    let sudo = batch.process("/usr/bin/sudo").id();
    batch.open(sudo, "/etc/shadow");
    let mut plugin = start("{}");
    assert_eq!(plugin.batch(&batch).lines(), [""; 0]);
    assert_eq!(plugin.value("excepted", ["shadow"]), Some(1.0));
    for program in [
        "/usr/sbin/sshd",
        "/usr/sbin/unix_chkpwd",
        "/usr/bin/passwd",
        "/usr/lib/systemd/systemd",
        "/bin/su",
    ] {
        assert_eq!(reads(program, "/etc/shadow"), [""; 0], "{program}");
    }
    assert_eq!(reads("/tmp/sudo", "/etc/shadow"), ["shadow file-read"]);
}

#[test]
fn a_rule_is_about_the_access_it_names() {
    assert_eq!(reads("/bin/cat", "/etc/passwd"), [""; 0]);
    assert_eq!(writes("/bin/vi", "/etc/passwd"), ["accounts file-write"]);
    assert_eq!(writes("/usr/sbin/useradd", "/etc/passwd"), [""; 0]);
    assert_eq!(
        judge("{}", "/bin/x", "/etc/shadow", |open| open.flags = O_PATH),
        [""; 0]
    );
    assert_eq!(
        judge("{}", "/bin/x", "/etc/shadow", |open| open.flags = O_RDWR),
        ["shadow file-write"]
    );
}

#[test]
fn the_shipped_rules_see_what_attackers_go_for() {
    let read = [
        ("/root/.ssh/id_ed25519", "ssh-private-keys"),
        ("/home/eve/.ssh/id_rsa", "ssh-private-keys"),
        ("/etc/ssh/ssh_host_rsa_key", "ssh-private-keys"),
        ("/etc/sudoers.d/90-cloud", "sudoers"),
        ("/etc/kubernetes/admin.conf", "kubernetes"),
        ("/root/.kube/config", "kubernetes"),
        (
            "/run/secrets/kubernetes.io/serviceaccount/token",
            "service-account-tokens",
        ),
        ("/home/eve/.aws/credentials", "credentials"),
    ];
    for (path, key) in read {
        assert_eq!(reads("/usr/bin/cat", path), [format!("{key} file-read")], "{path}");
    }
    let written = [
        ("/root/.ssh/authorized_keys", "ssh-authorized-keys"),
        ("/etc/cron.d/job", "cron"),
        ("/var/spool/cron/crontabs/root", "cron"),
        ("/etc/systemd/system/x.service", "systemd-units"),
        ("/home/eve/.config/systemd/user/x.service", "systemd-units"),
        ("/etc/ld.so.preload", "ld-preload"),
        ("/etc/pam.d/sshd", "pam"),
        ("/usr/lib/x86_64-linux-gnu/security/pam_unix.so", "pam"),
        ("/lib64/security/pam_unix.so", "pam"),
        ("/root/.bashrc", "shell-profiles"),
        ("/etc/containerd/config.toml", "container-runtime"),
        ("/sys/fs/cgroup/rdma/release_agent", "container-escape"),
        ("/proc/77/mem", "process-memory"),
    ];
    for (path, key) in written {
        assert_eq!(writes("/usr/bin/tee", path), [format!("{key} file-write")], "{path}");
    }
}

#[test]
fn the_shipped_rules_leave_ordinary_work_alone() {
    assert_eq!(reads("/usr/bin/cat", "/home/eve/.ssh/id_rsa.pub"), [""; 0]);
    assert_eq!(reads("/usr/bin/ssh", "/home/eve/.ssh/id_rsa"), [""; 0]);
    assert_eq!(reads("/usr/bin/cat", "/etc/cron.d/job"), [""; 0]);
    assert_eq!(
        reads("/app/controller", "/run/secrets/kubernetes.io/serviceaccount/token"),
        [""; 0]
    );
    assert_eq!(reads("/lib/systemd/systemd", "/etc/pam.d/login"), [""; 0]);
    assert_eq!(writes("/usr/bin/dpkg", "/etc/cron.d/job"), [""; 0]);
    assert_eq!(writes("/usr/bin/vi", "/home/eve/notes"), [""; 0]);
    assert_eq!(reads("/usr/bin/cat", "/etc/shadow.d/x"), [""; 0]);
}

#[test]
fn a_failed_open_is_matched_by_what_was_typed_too() {
    let mut batch = BatchBuilder::new();
    let cat = batch.process("/usr/bin/cat").id();
    batch
        .open(cat, "/var/chroot/etc/shadow")
        .typed("/etc/shadow")
        .fails(EACCES);
    let outcome = start("{}").batch(&batch);
    assert_eq!(
        outcome.lines(),
        ["warning file-read: cat (pid 1000, uid 0) tried to read /var/chroot/etc/shadow: EACCES"]
    );
    let resolved = judge("{}", "/bin/cat", "/x", |open| {
        open.typed("/etc/shadow");
    });
    assert_eq!(
        resolved, [""; 0],
        "what was typed does not count once the kernel has resolved it"
    );
}

#[test]
fn a_rule_can_be_about_failures_or_successes_alone() {
    let rule = |results: &str| format!(r#"{{"rules": [{{"key": "k", "path": "/x", "results": "{results}"}}]}}"#);
    let count = |results: &str, errno: u32| {
        judge(&rule(results), "/bin/cat", "/x", |open| {
            if errno != 0 {
                open.fails(errno);
            }
        })
        .len()
    };
    assert_eq!([count("success", 0), count("success", ENOENT)], [1, 0]);
    assert_eq!([count("failed", 0), count("failed", ENOENT)], [0, 1]);
    assert_eq!([count("both", 0), count("both", ENOENT)], [1, 1]);
}

#[test]
fn execution_is_an_access() {
    let mut batch = BatchBuilder::new();
    let sh = batch.process("/usr/bin/dash").id();
    batch.exec(sh).filename("/opt/tool/run.sh");
    batch.exec(sh).filename("./run.sh");
    batch.open(sh, "/opt/tool/run.sh");
    let rule = r#"{"rules": [{"key": "tool", "prefix": "/opt/tool/", "access": "x", "severity": "info"}]}"#;
    assert_eq!(
        start(rule).batch(&batch).lines(),
        ["info file-exec: dash (pid 1000, uid 0) executed /opt/tool/run.sh"]
    );
}

#[test]
fn repetitions_become_a_count() {
    let mut plugin = start("{}");
    let mut batch = BatchBuilder::new();
    let cat = batch.process("/usr/bin/cat").id();
    for second in 0..10 {
        batch.at(second * SECOND).open(cat, "/etc/shadow");
    }
    let other = batch.process("/usr/bin/cat").id();
    batch.open(other, "/etc/shadow");
    batch.open(other, "/etc/gshadow");
    assert_eq!(plugin.batch(&batch).verdicts.len(), 3);
    assert_eq!(plugin.tick(59 * SECOND).lines(), [""; 0]);
    assert_eq!(
        plugin.tick(60 * SECOND).lines(),
        ["warning file-read-repeated: 9 more times in 60 s: cat (pid 1000, uid 0) read /etc/shadow"]
    );
    assert_eq!(plugin.value("accesses", ["shadow", "r", "ok", "host"]), Some(12.0));
}

#[test]
fn an_executable_counts_under_whatever_name_and_in_whatever_container() {
    let mut batch = BatchBuilder::new();
    let container = batch.container("0123456789abcdef", "shop");
    let tool = batch.process("/opt/tool/run").container(container).id();
    batch.exec(tool).filename("./run");
    let mut plugin = start(r#"{"rules": [{"key": "tool", "prefix": "/opt/tool/", "access": "x"}]}"#);
    assert_eq!(
        plugin.batch(&batch).lines(),
        ["warning file-exec: run (pid 1000, uid 0) executed /opt/tool/run"]
    );
    assert_eq!(plugin.value("accesses", ["tool", "x", "ok", "0123456789ab"]), Some(1.0));
}

#[test]
fn what_was_done_or_tried_is_said_and_counted() {
    let rule = r#"{"rules": [{"key": "k", "path": "/x", "access": "rwx"}]}"#;
    let mut plugin = start(rule);
    let mut batch = BatchBuilder::new();
    let sh = batch.process("/bin/sh").id();
    for _ in 0..2 {
        batch.open(sh, "/x").flags(O_WRONLY);
        batch.open(sh, "/x").flags(O_WRONLY).fails(EACCES);
    }
    let lines = [
        "warning file-write: sh (pid 1000, uid 0) opened for writing /x",
        "warning file-write: sh (pid 1000, uid 0) tried to write /x: EACCES",
    ];
    assert_eq!(plugin.batch(&batch).lines(), lines);
    assert_eq!(plugin.tick(60 * SECOND).rules(), ["file-write-repeated"; 2]);

    let mut plugin = start(rule);
    let mut batch = BatchBuilder::new();
    let x = batch.process("/x").id();
    for _ in 0..2 {
        batch.exec(x).filename("/x");
        batch.exec(x).filename("/x").fails(EACCES);
    }
    batch.exec(x).filename("/y").fails(EACCES);
    let lines = [
        "warning file-exec: x (pid 1000, uid 0) executed /x",
        "warning file-exec: x (pid 1000, uid 0) tried to execute /x: EACCES",
    ];
    assert_eq!(
        plugin.batch(&batch).lines(),
        lines,
        "a call that failed executed nothing"
    );
    assert_eq!(plugin.tick(60 * SECOND).rules(), ["file-exec-repeated"; 2]);
}

#[test]
fn groups_and_extra_rules_add_to_what_is_shipped() {
    let config = r#"{
        "groups": {"vaults": ["/opt/vault/*"]},
        "extra_rules": [{"key": "vault", "glob": ["/srv/**/secret"], "except": ["@vaults", "@package-tools"]}]
    }"#;
    let judge = |exe, path| judge(config, exe, path, |_| {});
    assert_eq!(judge("/bin/cat", "/srv/a/b/secret"), ["vault file-read"]);
    assert_eq!(judge("/opt/vault/agent", "/srv/a/b/secret"), [""; 0]);
    assert_eq!(judge("/bin/cat", "/etc/shadow"), ["shadow file-read"]);
}

#[test]
fn the_shipped_configuration_is_the_default() {
    let shipped: Config = toml::from_str(include_str!("../file-audit.toml")).expect("a configuration");
    assert_eq!(shipped, Config::default());
}

#[test]
fn a_wrong_configuration_says_what_is_wrong() {
    let refusal = |config: &str| Harness::<FileAudit>::start(config).err().expect("a refusal");
    let rule = |rule: &str| refusal(&format!(r#"{{"rules": [{rule}]}}"#));
    assert_eq!(
        rule(r#"{"acess": "r"}"#),
        "unknown key `rules[0].acess`; did you mean `access`?"
    );
    assert_eq!(
        rule(r#"{"key": "k", "path": "/x", "access": "rq"}"#),
        "`rules[0].access`: `rq` is not one or more of the letters `r`, `w`, `x`, `a`, `l`, `s` and `d`"
    );
    assert_eq!(
        rule(r#"{"key": "k", "path": 5}"#),
        "`rules[0].path`: invalid type: integer `5`, expected a text or a list of texts"
    );
    assert_eq!(
        rule(r#"{"key": "k"}"#),
        "rule `k`: it has no `path`, `prefix` or `glob`"
    );
    assert_eq!(
        rule(r#"{"key": "k", "path": "etc/x"}"#),
        "rule `k`: `etc/x` is no absolute path"
    );
    assert_eq!(
        rule(r#"{"key": "k", "path": "/x", "except": ["@package-tool"]}"#),
        "rule `k`: unknown group `@package-tool`; did you mean `package-tools`?"
    );
}

/// Verdicts on one change by a program on the host, or in a container.
fn changes(
    in_container: bool,
    exe: &str,
    op: ChangeOp,
    path: &str,
    change: impl FnOnce(&mut ChangeRow),
) -> Vec<String> {
    let mut batch = BatchBuilder::new();
    let container = batch.container("0123456789abcdef", "shop");
    let process = batch.process(exe);
    if in_container {
        process.container(container);
    }
    let process = process.id();
    change(batch.change(process, op, path));
    start("{}").batch(&batch).lines()
}

#[test]
fn a_secret_under_another_name_and_a_file_in_place_of_a_watched_one() {
    let linked = changes(false, "/usr/bin/ln", ChangeOp::Symlink, "/etc/shadow", |change| {
        change.target("/tmp/notes");
    });
    assert_eq!(
        linked,
        ["warning file-link: ln (pid 1000, uid 0) made a symbolic link to /etc/shadow as /tmp/notes"]
    );
    let renamed = changes(false, "/usr/bin/mv", ChangeOp::Rename, "/tmp/x", |change| {
        change.target("/etc/sudoers").fails(EACCES);
    });
    assert_eq!(
        renamed,
        ["warning file-write: mv (pid 1000, uid 0) tried to rename /tmp/x to /etc/sudoers: EACCES"]
    );
    let may = changes(false, "/usr/sbin/useradd", ChangeOp::Rename, "/etc/shadow+", |change| {
        change.target("/etc/shadow");
    });
    assert_eq!(may, [""; 0]);
}

#[test]
fn a_set_user_id_bit_matters_in_a_container_and_where_people_write() {
    let made = |in_container, path, mode| {
        changes(in_container, "/usr/bin/chmod", ChangeOp::Mode, path, |change| {
            change.mode(mode);
        })
        .len()
    };
    assert_eq!(made(false, "/tmp/sh", 0o4755), 1);
    assert_eq!(made(true, "/tmp/sh", 0o4755), 1);
    assert_eq!(made(true, "/usr/bin/sh", 0o4755), 1);
    assert_eq!(made(false, "/usr/bin/sh", 0o4755), 0);
    assert_eq!(made(true, "/usr/bin/sh", 0o2755), 0);
}

#[test]
fn a_log_is_cut_by_an_open_as_well_unless_it_is_new() {
    const O_TRUNC: u32 = 0o1000;
    let opens = |flags, created| {
        judge("{}", "/bin/sh", "/var/log/auth.log", |open| {
            open.flags(O_WRONLY | flags);
            if created {
                open.traits = 1;
            }
        })
    };
    assert_eq!(opens(O_TRUNC, false), ["logs file-write"]);
    assert_eq!(opens(O_CREAT | O_TRUNC, true), [""; 0]);
    assert_eq!(opens(0, false), [""; 0]);
}
