//! Files: secrets, logs, links, ways out.
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::container::Bundle;
use super::stage::Stage;
use super::{in_container, is_by, number, text};

const CAP_SYS_ADMIN: u64 = 1 << 21;
const SECOND: u64 = 1_000_000_000;

#[test]
fn a_path_that_climbs_to_a_secret() {
    let Some(mut stage) = Stage::new() else { return };
    let (read, failed) = (
        "../../../../../../../../etc/shadow",
        "../../../../../../../../etc/no-such-secret",
    );
    let folder = tempfile::tempdir().expect("a folder");
    stage.run(
        Command::new("cat")
            .args([read, failed])
            .current_dir(&folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
    );
    let row = stage.row("the way up", |row| text(row, "/event/typed") == read);
    assert_eq!(text(&row, "/event/path"), "/etc/shadow");
    let row = stage.row("the attempt", |row| text(row, "/event/typed") == failed);
    assert_eq!(row["event"]["result"], -libc::ENOENT);
    assert_eq!(text(&row, "/event/path"), "/etc/no-such-secret");
}

/// It was there before the daemon: when it was started is told by /proc.
#[test]
fn a_server_that_reads_a_secret_long_after_its_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let nginx = folder.path().join("nginx");
    std::fs::copy("/bin/sh", &nginx).expect("a copy");
    let started = Instant::now();
    let mut server = Command::new(&nginx)
        .arg0("sh")
        .args(["-c", "read request; read secret < /etc/shadow"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("a server");
    let Some(mut stage) = Stage::new() else {
        server.kill().expect("a child");
        server.wait().expect("its end");
        return;
    };
    while started.elapsed() < Duration::from_secs(6) {
        stage.collect();
    }
    drop(server.stdin.take());
    let pid = stage.finish(server);
    let row = stage.row("the open", |row| {
        text(row, "/event/path") == "/etc/shadow" && number(row, "/process/pid") == u64::from(pid)
    });
    assert_eq!(text(&row, "/process/exe"), nginx.to_str().expect("text"));
    let age = number(&row, "/columns/time") - number(&row, "/columns/start");
    assert!(age > 5 * SECOND, "{age}");
}

#[test]
fn a_program_that_has_no_business_with_passwords_reads_them() {
    let row = in_container("the open", Bundle::new("/bin/cat /etc/shadow"), |row| {
        is_by(row, "open", "/bin/cat") && text(row, "/event/path") == "/etc/shadow"
    });
    let Some(row) = row else { return };
    assert!(
        row["event"]["result"].as_i64().is_some_and(|result| result > 2),
        "{row}"
    );
}

#[test]
fn a_log_is_emptied() {
    let row = in_container("the open", Bundle::new(": > /var/log/auth.log"), |row| {
        is_by(row, "open", "/bin/sh") && text(row, "/event/path") == "/var/log/auth.log"
    });
    let Some(row) = row else { return };
    let truncates = u64::from(libc::O_TRUNC.unsigned_abs());
    assert_ne!(number(&row, "/event/flags") & truncates, 0, "{row}");
    assert!(
        !row["event"]["created"].as_bool().expect("a truth"),
        "there was something to lose"
    );
}

#[test]
fn a_symbolic_link_to_a_secret() {
    let row = in_container("the link", Bundle::new("/bin/ln -s /etc/shadow /tmp/alias"), |row| {
        is_by(row, "change", "/bin/ln") && text(row, "/event/op") == "symlink"
    });
    let Some(row) = row else { return };
    assert_eq!(
        (text(&row, "/event/path"), text(&row, "/event/target")),
        ("/etc/shadow", "/tmp/alias")
    );
}

#[test]
fn a_hard_link_to_a_secret() {
    let row = in_container("the link", Bundle::new("/bin/ln /etc/shadow /tmp/alias"), |row| {
        is_by(row, "change", "/bin/ln") && text(row, "/event/op") == "link"
    });
    let Some(row) = row else { return };
    assert_eq!(
        (text(&row, "/event/path"), text(&row, "/event/target")),
        ("/etc/shadow", "/tmp/alias")
    );
}

/// In a hierarchy of its own, which goes when it is unmounted: no group of the machine's gets an agent.
#[test]
fn a_way_out_through_release_agent() {
    let script = "mkdir /tmp/cgroup && mount -t cgroup -o none,name=vespid-yardstick none /tmp/cgroup; \
                  echo /tmp/agent > /tmp/cgroup/release_agent; umount /tmp/cgroup";
    let bundle = Bundle::new(script).map(|bundle| bundle.grant(["CAP_SYS_ADMIN"]).share("cgroup"));
    let row = in_container("the open", bundle, |row| {
        text(row, "/event/kind") == "open" && text(row, "/event/path") == "/tmp/cgroup/release_agent"
    });
    let Some(row) = row else { return };
    let writes = u64::from((libc::O_WRONLY | libc::O_RDWR).unsigned_abs());
    assert_ne!(number(&row, "/event/flags") & writes, 0, "{row}");
    assert_ne!(number(&row, "/columns/capabilities") & CAP_SYS_ADMIN, 0, "{row}");
}
