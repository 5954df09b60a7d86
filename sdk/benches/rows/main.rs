//! Row views beside the bare columns: the same question asked both ways, in turns, and the ratio of the fastest rounds.
//! `cargo bench -p vespid-plugin --bench rows`
//!
//! A benchmark framework would print two times of two moments; what matters is the ratio within one.
#![allow(clippy::print_stdout, reason = "a benchmark's report")]
use std::hint::black_box;
use std::time::{Duration, Instant};

use vespid_plugin::bindings::vespid::plugin::events;
use vespid_plugin::testing::BatchBuilder;

mod questions;

use questions::{QUESTIONS, Question};

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
    for (name, by_row, by_column) in QUESTIONS {
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
