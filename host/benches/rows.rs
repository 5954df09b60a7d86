//! Row views beside the bare columns, inside WebAssembly: both ways in one component, asked in turns, and the ratio of the
//! medians. `cargo xtask build && cargo bench -p vespid --bench rows`
//!
//! `cargo bench -p vespid-plugin --bench rows` asks the same questions natively.
#![allow(clippy::expect_used, clippy::print_stdout, reason = "a benchmark's report")]
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;
use vespid::filter::Subscription;
use vespid::interface::vespid::plugin::describe::Kinds;
use vespid::interface::vespid::plugin::events::{Batch, Lost};
use vespid::plugin::{Engine, Instance, Limits, Plugin};
use vespid::recording::Reader;
use vespid::trial::{Call, Calls, Options};

const ROUNDS: usize = 201;
/// How often the guest asks a question of one batch.
const TIMES: f64 = 100.0;
const NO_LOSS: Lost = Lost {
    kernel: 0,
    decode: 0,
    queue: 0,
};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

/// The shipped recording as one batch.
fn batch() -> Batch {
    let mut options = Options::default();
    options.batch.max_events = usize::MAX;
    options.batch.max_age_ms = u64::MAX;
    let mut recording = Reader::open(&file("fixtures/demo.jsonl.zst")).expect("the shipped recording");
    let mut calls = Calls::new(
        &Subscription::whole(Kinds::EXECS | Kinds::OPENS),
        &options,
        recording.header(),
    );
    let mut batches = Vec::new();
    let mut keep = |call: Call<'_>| {
        if let Call::Batch(batch) = call {
            batches.push(batch.clone());
        }
    };
    while let Some(line) = recording.next().expect("the recording is whole") {
        calls.take(&line, &mut keep);
    }
    calls.finish(keep);
    let largest = batches
        .into_iter()
        .max_by_key(|batch| batch.header.last - batch.header.first);
    largest.expect("it has events")
}

fn time(instance: &mut Instance, batch: &Batch) -> (Duration, Vec<f64>) {
    let start = Instant::now();
    let report = instance.on_batch(batch, NO_LOSS);
    (start.elapsed(), report.expect("it answers").values)
}

fn main() {
    let batch = batch();
    let component = std::env::var_os("VESPID_ZOO").map_or_else(|| file("target/zoo/zoo.wasm"), PathBuf::from);
    let engine = Engine::new().expect("an engine");
    let limits = Limits {
        call_time: Duration::from_secs(60),
        ..Limits::default()
    };
    let guest = Plugin::load(&engine, &component, &limits).expect("`cargo xtask build` has built the guest");
    let opens = batch.opens.as_ref().map_or(0, |table| table.seq.len());
    let execs = batch.execs.as_ref().map_or(0, |table| table.seq.len());
    println!("{opens} opens, {execs} execs");
    for (table, events) in [("opens", opens), ("execs", execs)] {
        let mut sides = ["rows", "columns"].map(|side| {
            let config = json!({"batch": format!("{side} of {table}")});
            (
                guest.start(&config, None).expect("it starts"),
                Vec::with_capacity(ROUNDS),
            )
        });
        for _ in 0..ROUNDS {
            let answers = sides.each_mut().map(|(instance, times)| {
                let (taken, answer) = time(instance, &batch);
                times.push(taken.as_secs_f64() * 1e9 / TIMES / events as f64);
                answer
            });
            assert_eq!(answers[0], answers[1], "both find the same");
        }
        let [rows, columns] = sides.map(|(_, mut times)| {
            times.sort_unstable_by(f64::total_cmp);
            times[ROUNDS / 2]
        });
        let ratio = rows / columns;
        println!("{table}: rows {rows:.2} ns, columns {columns:.2} ns an event, ratio {ratio:.3}");
    }
}
