//! The flight recorder, and hunts in what it has kept.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use support::{Daemon, is_live, plugins, vespid};
use vespid::enrich::{Nothing, Options, ProcessTable};
use vespid::event::{Body, Event, Exit, Subject};
use vespid::recording::{Header, Line, Reader, RecordingError, Rotation, Segments, Tape, VERSION, WhenFull};

/// A daemon with one plugin, which does not look for what the test does.
fn daemon(more: &str) -> Daemon {
    let home = Arc::new(tempfile::tempdir().expect("a folder"));
    prepare(&home);
    Daemon::start_in(home.clone(), &settings(&home.path().join("flight"), more), &[])
}

fn prepare(home: &tempfile::TempDir) {
    let folder = home.path().join("plugins");
    fs::create_dir(&folder).expect("a folder");
    fs::copy(plugins().join("tcp-stats.wasm"), folder.join("tcp-stats.wasm")).expect("a copy");
}

fn settings(folder: &Path, more: &str) -> String {
    format!("flight_recorder.enabled = true\nflight_recorder.directory = {folder:?}\n{more}\n")
}

/// Runs a program from a temporary folder; returns its path.
fn run_from_tmp() -> PathBuf {
    let folder = tempfile::Builder::new()
        .prefix("hunted")
        .tempdir_in("/tmp")
        .expect("a folder");
    let program = folder.path().join("program");
    fs::copy("/bin/true", &program).expect("a copy");
    assert!(Command::new(&program).status().expect("it runs").success());
    program
}

/// Verdicts of a hunt, and what it said.
fn hunt(folder: &Path) -> (Vec<Value>, String) {
    let done = vespid()
        .arg("hunt")
        .arg(plugins().join("exec-anomaly.wasm"))
        .args(["--last", "1h", "--json", "--in"])
        .arg(folder)
        .output()
        .expect("vespid runs");
    let said = String::from_utf8(done.stderr).expect("text");
    assert!(done.status.success(), "{said}");
    let out = String::from_utf8(done.stdout).expect("text");
    (
        out.lines()
            .map(|line| serde_json::from_str(line).expect(line))
            .collect(),
        said,
    )
}

fn found(folder: &Path, program: &Path) -> bool {
    hunt(folder)
        .0
        .iter()
        .any(|verdict| verdict["rule"] == "run-from-tmp" && verdict["process"]["exe"] == program.display().to_string())
}

#[test]
fn a_plugin_that_did_not_run_finds_what_happened_before() {
    if !is_live() {
        return;
    }
    let mut running = daemon("flight_recorder.kinds = [\"exec\"]");
    let folder = running.directory.path().join("flight");
    let home = running.directory.clone();
    // The daemon writes, and the hunt reads beside it.
    let program = run_from_tmp();
    running.wait_for("the event to be on disk", |_| {
        (folder.exists() && found(&folder, &program)).then_some(())
    });
    let metrics = running.metrics();
    let kept = metrics.sum("vespid_flight_recorder_bytes", &[]);
    let limit = metrics.sum("vespid_flight_recorder_limit_bytes", &[]);
    assert!(kept > 0.0 && kept < limit, "{kept} of {limit}");
    let other = run_from_tmp();
    let (code, log, _) = running.stop();
    assert_eq!(code, 0, "{log}");
    assert!(found(&folder, &program) && found(&folder, &other));
    assert!(log.contains("flight_recorder"), "{log}");

    // Killed, and started again: the recorder goes on beside what is there.
    let mut killed = Daemon::start_in(
        home.clone(),
        &settings(&folder, "flight_recorder.kinds = [\"exec\"]"),
        &[],
    );
    let third = run_from_tmp();
    killed.wait_for("the event to be on disk", |_| found(&folder, &third).then_some(()));
    killed.signal(Signal::KILL);
    drop(killed);
    let last = Daemon::start_in(
        home.clone(),
        &settings(&folder, "flight_recorder.kinds = [\"exec\"]"),
        &[],
    );
    let (code, log, _) = last.stop();
    assert_eq!(code, 0, "{log}");
    assert!([&program, &other, &third].iter().all(|program| found(&folder, program)));
    let said = hunt(&folder).1;
    assert!(said.contains("gap: nothing is recorded for"), "{said}");
}

#[test]
fn a_full_disk_costs_counted_events_and_nothing_else() {
    if !is_live() {
        return;
    }
    let home = Arc::new(tempfile::tempdir().expect("a folder"));
    prepare(&home);
    let folder = home.path().join("flight");
    fs::create_dir(&folder).expect("a folder");
    // A file system of its own, as small as can be, in a mount namespace of its own.
    let mut program = Command::new("unshare");
    let script = "mount -t tmpfs -o size=64k,mode=700 none \"$0\" && exec \"$@\"";
    program.args(["--mount", "--propagation", "private", "sh", "-c", script]);
    program.arg(&folder).arg(vespid().get_program());
    if !Command::new("unshare")
        .args(["--mount", "true"])
        .status()
        .is_ok_and(|status| status.success())
    {
        println!("SKIPPED: no mount namespaces here");
        return;
    }
    let more = settings(&folder, "flight_recorder.kinds = [\"open\"]");
    let mut daemon = Daemon::start_program(program, home.clone(), &more, &[]);
    daemon.wait_for("the disk to be full", |daemon| {
        for number in 0..2_000_u64 {
            // Names that do not compress.
            let name = format!("/tmp/{:x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            drop(fs::File::open(name));
        }
        let labels = ["stage=\"flight_recorder\"", "reason=\"disk_full\""];
        (daemon.metrics().sum("vespid_events_dropped_total", &labels) > 0.0).then_some(())
    });
    let stage = ["stage=\"flight_recorder\""];
    let metrics = daemon.metrics();
    let sum = |family| metrics.sum(family, &stage);
    assert_eq!(
        sum("vespid_events_in_total"),
        sum("vespid_events_out_total") + sum("vespid_events_dropped_total")
    );
    let (code, log, _) = daemon.stop();
    assert_eq!(code, 0, "{log}");
    assert!(log.contains("what cannot be recorded is counted"), "{log}");
}

const FILE: &str = "VESPID_TEST_RECORDS_TO";

/// Not a test: what the next one runs and kills. Says how many events are written.
#[test]
fn child_that_records() {
    let Some(file) = std::env::var_os(FILE) else { return };
    let rotation = Rotation {
        segment_bytes: 20_000,
        segment_age: Duration::MAX,
        total_bytes: u64::MAX,
        files: usize::MAX,
    };
    let header = Header {
        version: VERSION,
        node: "n1".into(),
        boot_id: String::new(),
        kernel: String::new(),
        created: 0,
        namespaces: vespid::enrich::namespaces::FIXED,
        kinds: Vec::new(),
    };
    let (mut tape, reel) = Tape::new(header, "recorder", WhenFull::Wait);
    let _writer = reel.start(Segments::open(Path::new(&file), rotation).expect("files"));
    let mut table = ProcessTable::new(Options::default(), Box::new(Nothing));
    let mut said = 0;
    for time in 1_u64.. {
        let pid = u32::try_from(time % 1_000 + 1).expect("small");
        let subject = Subject {
            pid,
            tid: pid,
            start: 5,
            uid: 0,
            gid: 0,
            cgroup: 0,
        };
        let event = Event {
            time,
            subject,
            body: Body::Exit(Exit { code: 0, signal: 0 }),
            namespaces: [0; 8],
        };
        table.observe(&event);
        tape.take(&event, Vec::new());
        tape.pass_time(time, &table, 0);
        let written = tape.books().stage().left.iter().sum::<u64>();
        if written > said {
            said = written;
            println!("written {written}");
        }
    }
}

#[test]
fn whatever_was_reported_as_written_is_readable_after_a_kill_at_any_moment() {
    for moment in [1, 2, 5, 9, 17, 40] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "child_that_records", "--nocapture"])
            .env(FILE, folder.path().join("r.jsonl.zst"))
            .stdout(Stdio::piped())
            .spawn()
            .expect("a child");
        let out = BufReader::new(child.stdout.take().expect("its output"));
        let counts = out
            .lines()
            .filter_map(|line| line.ok()?.strip_prefix("written ")?.parse::<u64>().ok());
        let written = counts.take(moment).last().expect("a count");
        child.kill().expect("killed");
        child.wait().expect("a child");

        let entries = fs::read_dir(folder.path()).expect("a folder");
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
        files.sort();
        let mut times = Vec::new();
        for file in &files {
            let mut reader = match Reader::open(file) {
                Ok(reader) => reader,
                // Killed before its first line was written.
                Err(RecordingError::NotARecording { .. }) if Some(file) == files.last() => continue,
                Err(error) => panic!("{error}"),
            };
            loop {
                match reader.next() {
                    Ok(Some(Line::Event(event))) => times.push(event.time),
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(RecordingError::Truncated { .. }) => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
        assert!(times.len() as u64 >= written, "{} of {written}", times.len());
        assert!(times.iter().copied().eq(1..=times.len() as u64));
    }
}
