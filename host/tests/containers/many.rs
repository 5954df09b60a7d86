//! Many short containers of runc at once: each execution is in the container that it was in, and memory stays what it is.
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use vespid::enrich::{Nothing, Options, ProcessTable};
use vespid::event::Body;
use vespid::recording::{Line, Reader};

use crate::runc::specify;
use crate::support::{Daemon, is_live, vespid};
use crate::tools::runc;

/// How many, unless `VESPID_TEST_CONTAINERS` says otherwise.
const CONTAINERS: usize = 100;
/// How much more memory may be in use at the end than after a third of the way.
const GROWTH_KIB: u64 = 16 * 1024;

/// A bundle for each container, in a folder named by its number; all share one root. In each runs a shell with the
/// number for a name, which runs a program.
pub(crate) fn bundles(folder: &Path, path: &str, count: usize) {
    let mut spec = specify(folder, path, &["sh", "true"]).expect("runc");
    for number in 0..count {
        spec["process"]["args"] = json!(["/bin/sh", "-c", "/bin/true $0; :", format!("number-{number}")]);
        let bundle = folder.join(number.to_string());
        fs::create_dir(&bundle).expect("a folder");
        fs::write(bundle.join("config.json"), spec.to_string()).expect("a file");
    }
}

/// Resident memory of a process in KiB; none once it has ended.
fn resident(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Runs it to its end, and notes the memory of some processes now and then; what each had at most in the middle third of
/// the time, and in the last.
fn watched(command: &mut Command, with: &[u32]) -> Vec<(u64, u64)> {
    let mut child = command.spawn().expect("vespid runs");
    let pids: Vec<u32> = std::iter::once(child.id()).chain(with.iter().copied()).collect();
    let mut noted: Vec<Vec<u64>> = vec![Vec::new(); pids.len()];
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child") {
            break status;
        }
        for (pid, noted) in pids.iter().zip(&mut noted) {
            noted.extend(resident(*pid));
        }
        std::thread::park_timeout(Duration::from_millis(50));
    };
    assert!(status.success());
    let most = |part: &[u64]| part.iter().copied().max().unwrap_or_default();
    let thirds = noted.iter().map(|noted| noted.split_at(noted.len() * 2 / 3));
    thirds
        .map(|(before, last)| (most(&before[before.len() / 2..]), most(last)))
        .collect()
}

#[test]
fn every_execution_in_many_short_containers_is_in_its_own() {
    if !is_live() {
        return;
    }
    let count = std::env::var("VESPID_TEST_CONTAINERS").map_or(CONTAINERS, |count| count.parse().expect("a number"));
    let Some(path) = runc() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    bundles(folder.path(), &path, count);
    let prefix = format!("vespid-{}-", std::process::id());
    let run = format!(
        "seq 0 {last} | xargs -P 4 -I {{}} runc run --bundle {folder}/{{}} {prefix}{{}}",
        last = count - 1,
        folder = folder.path().display(),
    );
    let file = folder.path().join("containers.jsonl.zst");
    // Beside it the daemon with the shipped plugins, which sees the same.
    let daemon = Daemon::start(&[]);
    let begun = Instant::now();
    let mut record = vespid();
    record
        .args(["record", "--output"])
        .arg(&file)
        .args(["--", "sh", "-c", &run]);
    let memory = watched(record.env("PATH", path).stdin(Stdio::null()), &[daemon.pid()]);
    eprintln!(
        "{count} containers in {:.1} s; resident KiB in the second and the last third: {memory:?} (recorder, daemon)",
        begun.elapsed().as_secs_f64()
    );
    for (before, last) in memory {
        assert!(last < before + GROWTH_KIB, "{before} KiB, then {last} KiB");
    }
    let lost = daemon.metrics().sum("vespid_events_dropped_total", &[]);
    assert!(lost < 1.0, "{lost} events were dropped");
    drop(daemon);

    let mut table = ProcessTable::new(Options::default(), Box::new(Nothing));
    let mut reader = Reader::open(&file).expect("a recording");
    // By the number among a process's arguments, the containers that were told.
    let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut most = 0;
    while let Some(line) = reader.next().expect("a line") {
        match line {
            Line::Known(known) => table.learn(&known),
            Line::Container(container) => table.learn_container(&container),
            Line::Account(account) => table.learn_account(&account),
            Line::Event(event) => {
                let process = table.observe(&event).process;
                let Body::Exec(exec) = &event.body else { continue };
                let args = exec.image.args.as_slice().split(|&byte| byte == 0);
                let mut number = args.filter_map(|arg| str::from_utf8(arg).ok()?.strip_prefix("number-"));
                let Some(number) = number.next_back() else { continue };
                let container = process.and_then(|id| table.get(id)?.container());
                let container = container.and_then(|id| table.containers().get(id));
                let id = container.map_or("", |container| str::from_utf8(&container.id).expect("text"));
                told.entry(number.to_owned()).or_default().push(id.to_owned());
                most = most.max(table.containers().len());
            }
            _ => {}
        }
    }
    assert_eq!(told.len(), count);
    for (number, containers) in told {
        let own = format!("{prefix}{number}");
        assert_eq!(containers, [own.clone(), own], "the shell and its program");
    }
    assert!(most <= count, "{most}");
}
