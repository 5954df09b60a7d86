//! A new plugin looks back on what the flight recorder has kept.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use serde_json::Value;
use support::{Daemon, is_live, plugins, vespid, zoo};
use tempfile::TempDir;

/// The zoo, as a plugin that wants to look back.
fn looking_back() -> Vec<u8> {
    let (word, other) = (&b"describe:as-it-should-be"[..], &b"describe:looks-back-here"[..]);
    let mut bytes = fs::read(zoo()).expect("the zoo");
    let at = bytes.windows(word.len()).position(|window| window == word);
    let at = at.expect("the zoo says how it is described");
    bytes[at..at + word.len()].copy_from_slice(other);
    bytes
}

fn put(home: &TempDir, config: &str) {
    let folder = home.path().join("plugins");
    fs::write(folder.join("zoo.toml"), config).expect("a configuration");
    fs::write(folder.join("zoo.part"), looking_back()).expect("a component");
    fs::rename(folder.join("zoo.part"), folder.join("zoo.wasm")).expect("a component");
}

fn start(home: &Arc<TempDir>, more: &str) -> Daemon {
    let folder = home.path().join("plugins");
    if !folder.exists() {
        fs::create_dir(&folder).expect("a folder");
        fs::copy(plugins().join("tcp-stats.wasm"), folder.join("tcp-stats.wasm")).expect("a copy");
    }
    Daemon::start_in(home.clone(), more, &[])
}

fn recording(home: &TempDir) -> String {
    let folder = home.path().join("flight");
    format!(
        "flight_recorder.enabled = true\nflight_recorder.directory = {folder:?}\nflight_recorder.kinds = [\"exec\"]\n"
    )
}

/// Runs a program, and waits until that is on disk.
fn run_and_record(daemon: &mut Daemon, flight: &Path) {
    assert!(Command::new("/bin/true").status().expect("it runs").success());
    daemon.wait_for("the execution to be on disk", |_| {
        let out = vespid()
            .arg("hunt")
            .arg(plugins().join("exec-anomaly.wasm"))
            .args(["--last", "1h", "--json", "--in"])
            .arg(flight)
            .output()
            .expect("vespid runs");
        let said = String::from_utf8(out.stderr).expect("text");
        said.contains(" events from ").then_some(())
    });
}

fn ended(daemon: &Daemon, outcome: &str) -> f64 {
    let outcome = format!("outcome=\"{outcome}\"");
    daemon.metrics().sum("vespid_look_backs_total", &[&outcome])
}

fn is_retro(verdict: &Value) -> bool {
    verdict["plugin"]["name"] == "zoo" && verdict["retro"] == true
}

#[test]
fn what_happened_before_a_plugin_came_is_shown_to_it_once() {
    if !is_live() {
        return;
    }
    let home = Arc::new(tempfile::tempdir().expect("a folder"));
    let settings = recording(&home);
    let mut daemon = start(&home, &settings);
    run_and_record(&mut daemon, &home.path().join("flight"));
    put(&home, "batch = 'verdict'");
    let verdict = daemon.verdict("a verdict on the past", is_retro);
    assert!(verdict["process"]["exe"].is_string(), "{verdict}");
    daemon.wait_for("the look-back to end", |daemon| {
        (ended(daemon, "completed") == 1.0).then_some(())
    });
    assert!(daemon.metrics().sum("vespid_look_back_events_total", &[]) > 0.0);
    // The instance that runs is another one, and its verdicts are not marked.
    assert!(Command::new("/bin/true").status().expect("it runs").success());
    let live = daemon.verdict("a verdict on the present", |verdict| {
        verdict["plugin"]["name"] == "zoo" && verdict["retro"].is_null()
    });
    assert!(live["time"].as_str() > verdict["time"].as_str(), "{live} {verdict}");
    // Another configuration is not another component.
    fs::write(home.path().join("plugins/zoo.toml"), "batch = 'verdict'\nat = 1").expect("a configuration");
    daemon.wait_for("the swap", |daemon| {
        daemon.log().contains("a new version took over").then_some(())
    });
    let (code, log, _) = daemon.stop();
    assert_eq!(code, 0, "{log}");
    assert_eq!(log.matches("the plugin has looked back").count(), 1, "{log}");

    // Nor is another start of the daemon a first time.
    let again = start(&home, &settings);
    assert_eq!(ended(&again, "completed") + ended(&again, "failed"), 0.0);
    let (code, log, _) = again.stop();
    assert_eq!(code, 0, "{log}");
    assert!(!log.contains("looked back"), "{log}");
}

#[test]
fn a_plugin_that_fails_on_the_past_is_counted_and_the_daemon_goes_on() {
    if !is_live() {
        return;
    }
    let home = Arc::new(tempfile::tempdir().expect("a folder"));
    let mut daemon = start(&home, &recording(&home));
    run_and_record(&mut daemon, &home.path().join("flight"));
    put(&home, "batch = 'trap'");
    daemon.wait_for("the look-back to fail", |daemon| {
        (ended(daemon, "failed") == 1.0).then_some(())
    });
    assert!(daemon.log().contains("times in its look-back"), "{}", daemon.log());
    let (code, log, _) = daemon.stop();
    assert_eq!(code, 0, "{log}");
}

#[test]
fn without_a_flight_recorder_it_is_said_and_counted() {
    if !is_live() {
        return;
    }
    let home = Arc::new(tempfile::tempdir().expect("a folder"));
    let mut daemon = start(&home, "");
    put(&home, "");
    daemon.wait_for("it to be said", |daemon| {
        daemon.log().contains("there is no flight recorder").then_some(())
    });
    assert_eq!(ended(&daemon, "skipped"), 1.0);
    let (code, log, _) = daemon.stop();
    assert_eq!(code, 0, "{log}");
}
