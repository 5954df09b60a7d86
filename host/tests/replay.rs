//! Recordings through the whole pipeline and the built components, without privileges.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "tests")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use support::{plugins, vespid};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures")
}

/// The verdicts, with each plugin's digest made equal: a component's bytes depend on the compiler that made it.
fn verdicts(recording: &Path) -> String {
    let done = vespid()
        .arg("replay")
        .arg(recording)
        .args(["--log", "warn", "--plugins"])
        .arg(plugins())
        .output()
        .expect("vespid runs");
    let said = String::from_utf8(done.stderr).expect("text");
    assert!(done.status.success(), "{}: {said}", recording.display());
    let lines = String::from_utf8(done.stdout).expect("text");
    lines
        .lines()
        .map(|line| format!("{}\n", without_digest(line)))
        .collect()
}

fn without_digest(line: &str) -> String {
    let Some((before, rest)) = line.split_once("\"digest\":\"") else {
        return line.to_owned();
    };
    let (_, after) = rest.split_once('"').expect("a digest ends");
    format!("{before}\"digest\":\"\"{after}")
}

/// Two replays give the same bytes, and the bytes that `NAME.verdicts.jsonl` has. `VESPID_ACCEPT=1` writes that file.
#[track_caller]
fn check(name: &str) {
    let recording = fixtures().join(format!("{name}.jsonl.zst"));
    let (first, second) = (verdicts(&recording), verdicts(&recording));
    assert_eq!(first, second, "two replays of {name} differ");
    let golden = fixtures().join(format!("{name}.verdicts.jsonl"));
    if std::env::var_os("VESPID_ACCEPT").is_some() {
        fs::write(&golden, &first).expect("written");
    }
    let expected = fs::read_to_string(&golden).expect("the expected verdicts");
    assert_eq!(
        first, expected,
        "verdicts on {name} changed; if that is right, VESPID_ACCEPT=1 accepts them"
    );
}

#[test]
fn ordinary_work_draws_no_verdict() {
    check("ordinary-work");
}

#[test]
fn a_connection_mix_draws_no_verdict() {
    check("connections");
}

#[test]
fn a_burst_of_programs_is_reported_when_it_begins_and_when_it_ends() {
    check("exec-burst");
}

#[test]
fn a_password_file_read_through_a_link_is_reported() {
    check("sensitive-read");
}

#[test]
fn a_shell_below_a_web_server_is_reported() {
    check("web-shell");
}

#[test]
fn the_demo_has_all_of_it() {
    check("demo");
}

#[test]
fn connections_of_a_recording_become_metrics() {
    let metrics = tempfile::NamedTempFile::new().expect("a file");
    let done = vespid()
        .arg("replay")
        .arg(fixtures().join("connections.jsonl.zst"))
        .args(["--log", "warn", "--plugins"])
        .arg(plugins())
        .arg("--metrics")
        .arg(metrics.path())
        .output()
        .expect("vespid runs");
    assert!(done.status.success());
    let metrics = support::Metrics(fs::read_to_string(metrics.path()).expect("metrics"));
    let sum = |family: &str, labels: &[&str]| metrics.sum(family, labels).round();
    assert_eq!(sum("tcp_stats_opened_total", &[]), 2.0);
    assert_eq!(sum("tcp_stats_accepted_total", &[]), 2.0);
    assert_eq!(sum("tcp_stats_failed_total", &["reason=\"refused\""]), 1.0);
    let outbound = "direction=\"outbound\"";
    assert_eq!(
        sum("tcp_stats_payload_bytes_total", &[outbound, "flow=\"sent\""]),
        2_000.0
    );
    assert_eq!(
        sum("tcp_stats_payload_bytes_total", &[outbound, "flow=\"received\""]),
        4_000.0
    );
}

#[test]
fn a_damaged_recording_is_named_after_what_was_whole_has_been_replayed() {
    let text = zstd::decode_all(fs::File::open(fixtures().join("sensitive-read.jsonl.zst")).expect("a fixture"));
    let text = text.expect("zstd");
    let folder = tempfile::tempdir().expect("a folder");
    let replay = |name: &str, bytes: &[u8]| {
        let file = folder.path().join(name);
        fs::write(&file, bytes).expect("written");
        let done = vespid()
            .arg("replay")
            .arg(&file)
            .args(["--plugins"])
            .arg(plugins())
            .output()
            .expect("vespid runs");
        (
            done.status.code(),
            String::from_utf8(done.stdout).expect("text"),
            String::from_utf8(done.stderr).expect("text"),
        )
    };
    let end = text.len() - 40;
    let (code, verdicts, said) = replay("cut", &text[..end]);
    assert_eq!(code, Some(6), "{said}");
    assert!(said.contains("cut:") && said.contains("cut off"), "{said}");
    assert_eq!(verdicts.lines().count(), 3, "{said}");

    let newer = String::from_utf8(text)
        .expect("text")
        .replacen("\"vespid_recording\":1", "\"vespid_recording\":3", 1);
    let (code, _, said) = replay("newer", newer.as_bytes());
    assert_eq!(code, Some(6), "{said}");
    assert!(said.contains("made by a newer Vespid (format 3)"), "{said}");

    let (code, _, said) = replay("other", b"hello\n");
    assert_eq!(code, Some(6), "{said}");
    assert!(said.contains("not a recording"), "{said}");
}

#[test]
fn a_component_that_is_none_is_refused_and_the_others_run() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["exec-anomaly.wasm", "file-audit.wasm", "tcp-stats.wasm"] {
        fs::copy(plugins().join(name), folder.path().join(name)).expect("a copy");
    }
    fs::write(folder.path().join("broken.wasm"), "no component").expect("written");
    fs::write(folder.path().join("tcp-stats.toml"), "max_containrs = 3").expect("written");
    let recording = fixtures().join("sensitive-read.jsonl.zst");
    let done = vespid()
        .arg("replay")
        .arg(recording)
        .arg("--plugins")
        .arg(folder.path())
        .output()
        .expect("vespid runs");
    let said = String::from_utf8(done.stderr).expect("text");
    assert!(done.status.success(), "{said}");
    assert!(said.contains("broken.wasm"), "{said}");
    assert!(
        said.contains("max_containrs") && said.contains("max_containers"),
        "{said}"
    );
    assert_eq!(
        done.stdout
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .count(),
        3,
        "{said}"
    );
}
