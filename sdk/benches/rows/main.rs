//! Row views beside the bare columns: the same question asked both ways, in turns, and the ratio of the fastest rounds.
//! `cargo bench -p vespid-plugin --bench rows`
//!
//! A benchmark framework would print two times of two moments; what matters is the ratio within one.
#![allow(clippy::print_stdout, reason = "a benchmark's report")]
use std::hint::black_box;
use std::time::{Duration, Instant};

use vespid_plugin::bindings::vespid::plugin::events;
use vespid_plugin::testing::BatchBuilder;
use vespid_plugin::{Batch, basename};

const EVENTS: u32 = 4096;
const PROCESSES: u32 = 64;
const ROUNDS: u32 = 4000;
const TRIES: u32 = 3;
const LARGEST_RATIO: f64 = 1.10;

/// `O_WRONLY | O_CREAT`
const WRITE: u32 = 0o101;

fn batch() -> events::Batch {
    let mut batch = BatchBuilder::new();
    for i in 0..PROCESSES {
        let parent = batch.process("/usr/bin/bash").id();
        batch.process(&format!("/usr/bin/program-{i}")).parent(parent);
    }
    for i in 0..EVENTS {
        let process = 2 * (i * 7 % PROCESSES) + 1;
        let path = format!("/{}/folder/file-{}", ["etc", "home", "var"][i as usize % 3], i % 200);
        batch.open(process, &path).flags(if i % 4 == 0 { WRITE } else { 0 });
        batch.exec(process);
    }
    batch.columns()
}

/// Writes below /etc by programs whose parent is a bash: their number and the lengths of their paths.
fn opens_by_row(batch: &events::Batch) -> (u64, usize) {
    let mut found = (0, 0);
    for open in Batch::new(batch).opens() {
        if open.writes() && !open.failed() && open.path().starts_with(b"/etc/") {
            let parent = open.process().and_then(|process| process.parent());
            if parent.is_some_and(|parent| parent.comm() == b"bash") {
                found.0 += 1;
                found.1 += open.path().len();
            }
        }
    }
    found
}

fn opens_by_column(batch: &events::Batch) -> (u64, usize) {
    let Some(opens) = &batch.opens else { return (0, 0) };
    let mut found = (0, 0);
    for (row, path) in opens.path.iter().enumerate() {
        let flags = opens.flags[row];
        let writes = flags & 0o10_000_000 == 0 && (matches!(flags & 3, 1 | 2) || flags & 0o20_001_100 != 0);
        if writes && opens.result[row] >= 0 && string(batch, *path).starts_with(b"/etc/") {
            let Some(parent) = batch.processes.parent.get(opens.process[row] as usize) else {
                continue;
            };
            let Some(comm) = batch.processes.comm.get(*parent as usize) else {
                continue;
            };
            if string(batch, *comm) == b"bash" {
                found.0 += 1;
                found.1 += string(batch, *path).len();
            }
        }
    }
    found
}

/// What the executables' names are made of, and when the last ran.
fn execs_by_row(batch: &events::Batch) -> (u64, usize) {
    let mut found = (0, 0);
    for exec in Batch::new(batch).execs() {
        if let Some(process) = exec.process().filter(|_| !exec.failed()) {
            found.0 = exec.time().max(found.0) ^ u64::from(process.uid());
            found.1 += basename(process.exe()).len() + exec.filename().len();
        }
    }
    found
}

fn execs_by_column(batch: &events::Batch) -> (u64, usize) {
    let Some(execs) = &batch.execs else { return (0, 0) };
    let mut found = (0, 0);
    for (row, process) in execs.process.iter().enumerate() {
        let process = *process as usize;
        if execs.errno[row] == 0 && process < batch.processes.pid.len() {
            found.0 = execs.time[row].max(found.0) ^ u64::from(batch.processes.uid[process]);
            found.1 += basename(string(batch, batch.processes.exe[process])).len();
            found.1 += string(batch, execs.filename[row]).len();
        }
    }
    found
}

fn string(batch: &events::Batch, id: u32) -> &[u8] {
    let ends = &batch.strings.ends;
    let start = id.checked_sub(1).map_or(0, |before| ends[before as usize]);
    &batch.strings.blob[start as usize..ends[id as usize] as usize]
}

type Question = fn(&events::Batch) -> (u64, usize);

fn time(question: Question, batch: &events::Batch) -> Duration {
    let start = Instant::now();
    black_box(question(black_box(batch)));
    start.elapsed()
}

fn ratio(batch: &events::Batch, name: &str, by_row: Question, by_column: Question) -> f64 {
    assert_eq!(by_row(batch), by_column(batch), "both find the same");
    let mut fastest = [Duration::MAX; 2];
    for _ in 0..ROUNDS {
        for (fastest, question) in fastest.iter_mut().zip([by_row, by_column]) {
            *fastest = time(question, batch).min(*fastest);
        }
    }
    let [rows, columns] = fastest.map(|time| time.as_secs_f64() * 1e9 / f64::from(EVENTS));
    let ratio = rows / columns;
    println!("{name}: rows {rows:.2} ns, columns {columns:.2} ns an event, ratio {ratio:.3}");
    ratio
}

fn main() {
    let batch = batch();
    let questions: [(&str, Question, Question); 2] = [
        ("opens", opens_by_row, opens_by_column),
        ("execs", execs_by_row, execs_by_column),
    ];
    for (name, by_row, by_column) in questions {
        // A busy machine may spoil a try, but it makes none better.
        let best = (0..TRIES)
            .map(|_| ratio(&batch, name, by_row, by_column))
            .fold(f64::INFINITY, f64::min);
        assert!(
            best <= LARGEST_RATIO,
            "row views of {name} cost {best:.3} times as much as columns"
        );
    }
}
