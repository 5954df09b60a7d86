//! The whole daemon on a live kernel: real programs do real things, and the event, the metric and the verdict are found.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "tests")]

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::process::Command;
use std::sync::Arc;

use serde_json::Value;
use support::{Daemon, is_live, plugins, vespid};

fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

#[test]
fn a_program_run_from_tmp_is_reported_with_its_ancestors() {
    if !is_live() {
        return;
    }
    let mut daemon = Daemon::start(&[]);
    let program = tempfile::Builder::new()
        .prefix("surprise")
        .tempdir_in("/tmp")
        .expect("a folder")
        .keep();
    let program = program.join("program");
    fs::copy("/bin/true", &program).expect("a copy");
    let ran = Command::new("/bin/sh")
        .arg("-c")
        .arg(format!("{} --flag; true", program.display()))
        .status();
    assert!(ran.expect("sh runs").success());

    let path = program.display().to_string();
    let verdict = daemon.verdict("the verdict run-from-tmp", |verdict| {
        text(verdict, "/rule") == "run-from-tmp" && text(verdict, "/process/exe") == path
    });
    assert_eq!(text(&verdict, "/plugin/name"), "exec-anomaly");
    assert_eq!(text(&verdict, "/event/kind"), "exec");
    assert_eq!(verdict["process"]["cmdline"], serde_json::json!([path, "--flag"]));
    let ancestors = verdict["ancestors"].as_array().expect("ancestors");
    assert!(text(&ancestors[0], "/comm").contains("sh"), "{verdict:#}");
    assert_eq!(
        ancestors[1]["pid"],
        std::process::id(),
        "this test started the shell: {verdict:#}"
    );
    assert_eq!(
        ancestors.last().expect("an ancestor")["pid"],
        1,
        "ancestry goes up to init: {verdict:#}"
    );
    fs::remove_dir_all(program.parent().expect("a folder")).expect("removed");
}

#[test]
fn a_watched_file_is_found_through_a_symbolic_link_and_in_another_mount_namespace() {
    if !is_live() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let watched = folder.path().join("secret");
    fs::write(&watched, "x").expect("written");
    symlink(&watched, folder.path().join("innocent")).expect("a link");
    let home = tempfile::tempdir().expect("a plugin directory");
    fs::copy(plugins().join("file-audit.wasm"), home.path().join("file-audit.wasm")).expect("a copy");
    // Plain paths name what the kernel opened, so both ways of opening it trip one rule.
    let rules = format!(
        "[[rules]]\nkey = \"secret\"\npath = \"{}\"\naccess = \"r\"\n",
        watched.display()
    );
    fs::write(home.path().join("file-audit.toml"), rules).expect("written");
    let mut daemon = Daemon::start_with(home.path(), &[]);

    let is_secret = |verdict: &Value, typed: &str| {
        text(verdict, "/key") == "secret"
            && text(verdict, "/event/path") == watched.display().to_string()
            && text(verdict, "/event/typed") == typed
    };
    let link = folder.path().join("innocent").display().to_string();
    assert!(
        Command::new("cat")
            .arg(&link)
            .output()
            .expect("cat runs")
            .status
            .success()
    );
    let verdict = daemon.verdict("the read through the link", |verdict| is_secret(verdict, &link));
    assert_eq!(text(&verdict, "/process/comm"), "cat");
    assert_eq!(verdict["process"]["cmdline"], serde_json::json!(["cat", link]));

    let relative = format!("../../..{}", watched.display());
    let inside = Command::new("unshare")
        .args(["--mount", "head", "-c1", &relative])
        .current_dir("/usr/lib")
        .output();
    assert!(inside.expect("unshare runs").status.success());
    let verdict = daemon.verdict("the read in another mount namespace", |verdict| {
        is_secret(verdict, &relative)
    });
    assert_eq!(text(&verdict, "/process/comm"), "head");
}

fn exchange(listener: &TcpListener) {
    let address = listener.local_addr().expect("an address");
    let mut client = TcpStream::connect(address).expect("connected");
    let (mut server, _) = listener.accept().expect("accepted");
    client.write_all(&[1; 3_000]).expect("sent");
    drop(client.shutdown(std::net::Shutdown::Write));
    let mut got = Vec::new();
    server.read_to_end(&mut got).expect("received");
    server.write_all(&[2; 500]).expect("sent");
    drop(server);
    client.read_to_end(&mut got).expect("received");
    assert_eq!(got.len(), 3_500);
}

#[test]
fn connections_are_counted_with_bytes_both_ways_on_both_families() {
    if !is_live() {
        return;
    }
    let mut daemon = Daemon::start(&[]);
    for listener in [
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)),
        TcpListener::bind((Ipv6Addr::LOCALHOST, 0)),
    ] {
        exchange(&listener.expect("a free port"));
    }
    let refused = support::free_address();
    assert!(TcpStream::connect(refused).is_err());

    // The test runs as `daemon-<hash>`, cut to 15 bytes by the kernel, in a thread named after the test.
    let metrics = daemon.wait_for("both connections to be closed", |daemon| {
        let metrics = daemon.metrics();
        let done = metrics.sum("tcp_stats_payload_bytes_total", &[]) >= 7_000.0
            && metrics.sum("tcp_stats_failed_total", &["reason=\"refused\""]) >= 1.0;
        done.then_some(metrics)
    });
    let outbound = ["direction=\"outbound\""];
    assert!(metrics.sum("tcp_stats_opened_total", &[]) >= 2.0, "{}", metrics.0);
    assert!(metrics.sum("tcp_stats_accepted_total", &[]) >= 2.0, "{}", metrics.0);
    assert!(
        metrics.sum("tcp_stats_payload_bytes_total", &outbound) >= 7_000.0,
        "{}",
        metrics.0
    );
}

#[test]
fn the_ledger_closes_at_every_scrape_and_when_the_daemon_ends() {
    if !is_live() {
        return;
    }
    let mut daemon = Daemon::start(&[]);
    for _ in 0..20 {
        for _ in 0..200 {
            // One that a plugin wants, and one that none does.
            drop(fs::File::open("/etc/shadow"));
            drop(fs::File::open("/etc/hostname"));
        }
        let metrics = daemon.metrics();
        for stage in ["kernel", "decode", "enrich", "plugin"] {
            let stage = format!("stage=\"{stage}\"");
            let entered = metrics.sum("vespid_events_in_total", &[&stage]);
            let left = metrics.sum("vespid_events_out_total", &[&stage]);
            let dropped = metrics.sum("vespid_events_dropped_total", &[&stage]);
            assert!(
                (entered - left - dropped).abs() < 0.5,
                "{stage}: {entered} in, {left} out, {dropped} dropped"
            );
        }
    }
    daemon.wait_for("what was left out to be counted", |daemon| {
        let left_out = daemon.metrics().sum("vespid_calls_filtered_total", &["kind=\"open\""]);
        (left_out >= 4_000.0).then_some(())
    });
    // The others came as few rows, since nobody asks for each.
    let merged = daemon.metrics().sum("vespid_calls_merged_total", &["kind=\"open\""]);
    let (code, log, _) = daemon.stop();
    assert_eq!(code, 0, "{log}");
    let row = |name: &str| -> Vec<u64> {
        let line = log
            .lines()
            .find(|line| line.trim_start().starts_with(&format!("{name} ")))
            .expect(name);
        line.split_whitespace()
            .skip(1)
            .map_while(|cell| cell.parse().ok())
            .collect()
    };
    let (kernel, enrich) = (row("kernel"), row("enrich"));
    assert!(
        merged + f64::from(u32::try_from(kernel[0]).expect("few")) >= 4_000.0,
        "{log}"
    );
    assert_eq!(
        kernel[1], enrich[1],
        "everything the kernel delivered was taken in: {log}"
    );
    assert_eq!(row("file-audit")[2], 0, "nothing was dropped: {log}");
}

#[test]
fn vespids_own_activity_is_not_reported() {
    if !is_live() {
        return;
    }
    // Under a name of its own: other tests have daemons of theirs, whose connections are reported as they should be.
    let folder = Arc::new(tempfile::tempdir().expect("a folder"));
    let program = folder.path().join("vespid-alone");
    symlink(env!("CARGO_BIN_EXE_vespid"), &program).expect("a link");
    let plugins = plugins();
    let args = ["--plugins", plugins.to_str().expect("a name")];
    let daemon = Daemon::start_program(Command::new(program), folder, "", &args);
    for _ in 0..50 {
        daemon.metrics();
    }
    let metrics = daemon.metrics();
    let own = ["process=\"vespid-alone\""];
    assert!(metrics.sum("tcp_stats_accepted_total", &own) < 0.5, "{}", metrics.0);
}

#[test]
fn what_cannot_be_had_is_one_clear_message_and_a_code() {
    if !is_live() {
        return;
    }
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = taken
        .local_addr()
        .map(|address| (taken, address.to_string()))
        .expect("an address");
    let plugins = plugins();
    let plugins = plugins.to_str().expect("a name");
    let free = support::free_address().to_string();
    let broken = tempfile::NamedTempFile::new().expect("a file");
    fs::write(broken.path(), "[plugins]\ndirektory = \"x\"").expect("written");
    let broken = broken.path().to_str().expect("a name");
    let cases: [(&[&str], i32, &str); 5] = [
        (
            &["--plugins", plugins, "--listen", &taken.1, "--verdicts", "/dev/null"],
            5,
            "cannot listen on",
        ),
        (
            &[
                "--plugins",
                plugins,
                "--listen",
                &free,
                "--verdicts",
                "/nowhere/v.jsonl",
            ],
            5,
            "cannot write verdicts to",
        ),
        (&["--plugins", "/nowhere", "--listen", &free], 4, "does not exist"),
        (&["--config", broken], 2, "did you mean `plugins.directory`?"),
        (&["--listen", "here"], 2, "invalid socket address"),
    ];
    for (args, code, message) in cases {
        let done = vespid()
            .args(["run", "--no-screen"])
            .args(args)
            .output()
            .expect("vespid runs");
        let said = String::from_utf8(done.stderr).expect("text");
        assert_eq!(done.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(message), "{args:?}: {said}");
    }
}

#[test]
fn without_privileges_it_says_which_are_missing() {
    let done = Command::new("setpriv")
        .args([
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "--bounding-set=-all",
            "--inh-caps=-all",
        ])
        .arg(env!("CARGO_BIN_EXE_vespid"))
        .args(["run", "--no-screen", "--verdicts", "/dev/null", "--plugins"])
        .arg(plugins())
        .output()
        .expect("setpriv runs");
    let said = String::from_utf8(done.stderr).expect("text");
    if said.contains("Permission denied") || said.contains("failed") && !said.contains("CAP_") {
        eprintln!("SKIPPED: the program cannot be reached without privileges here: {said}");
        return;
    }
    assert_eq!(done.status.code(), Some(3), "{said}");
    assert!(said.contains("CAP_BPF") && said.contains("CAP_PERFMON"), "{said}");
}

#[test]
fn only_the_collectors_thread_keeps_privileges() {
    if !is_live() {
        return;
    }
    let daemon = Daemon::start(&[]);
    let tasks = fs::read_dir(format!("/proc/{}/task", daemon.pid())).expect("its threads");
    let privileged: Vec<String> = tasks
        .filter_map(|task| {
            let task = task.ok()?.path();
            let status = fs::read_to_string(task.join("status")).ok()?;
            let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
            let name = fs::read_to_string(task.join("comm")).ok()?;
            (effective.trim() != "0000000000000000").then(|| name.trim().to_owned())
        })
        .collect();
    assert_eq!(privileged, ["collector"]);
}
