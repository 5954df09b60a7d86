//! One look-back.
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context;
use crossbeam_channel::{after, select, tick};

use super::{Books, Job, Newcomer, Outcome, lock};
use crate::hunt::{self, Counter, Next, NoTapes, Span};
use crate::recording::Reader;
use crate::trial::Trial;
use crate::verdict::Record;

/// How often somebody who waits looks whether he should go on.
const LOOK: Duration = Duration::from_millis(100);

pub(super) fn run(directory: &Path, job: Job, settle: Duration, books: &Mutex<Books>) -> anyhow::Result<Outcome> {
    let Job {
        newcomer,
        span,
        should_stop,
    } = job;
    let is_stopped = || should_stop.load(Ordering::Relaxed);
    if !wait(settle, is_stopped) {
        return Ok(Outcome::Stopped);
    }
    let Newcomer {
        plugin,
        config,
        options,
        mut out,
        ..
    } = newcomer;
    let name = plugin.identity.name.clone();
    let tapes = match hunt::select(&[directory.to_owned()], span, |error| tracing::warn!("{error}")) {
        Ok(tapes) => tapes,
        // The flight recorder has just begun.
        Err(NoTapes::None(_)) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let Some(first) = tapes.first() else {
        tracing::info!(
            plugin = name,
            "nothing is recorded yet that the plugin could look back on"
        );
        return Ok(Outcome::Completed);
    };
    let header = Reader::open(&first.file)?.header().clone();
    let mut trial = Trial::start(plugin.apart(), config, &options, &header).context("the plugin does not start")?;
    let mut found = 0_u64;
    let mut put = |records: Vec<Record>| {
        for record in records.into_iter().filter(|record| counts(record, span)) {
            found += 1;
            lock(books).verdicts += 1;
            out.put(record);
        }
    };
    let account = hunt::follow(&tapes, span, &Counter::default(), |line| {
        if trial.take(line) {
            put(trial.verdicts());
        }
        if is_stopped() { Next::Stop } else { Next::On }
    });
    lock(books).events += account.events;
    if is_stopped() {
        tracing::info!(plugin = name, events = account.events, "the look-back was stopped");
        return Ok(Outcome::Stopped);
    }
    let outcome = trial.finish();
    put(outcome.verdicts);
    tracing::info!(
        plugin = name,
        events = account.events,
        verdicts = found,
        gaps = account.gaps.len(),
        damaged = account.damaged.len(),
        "the plugin has looked back"
    );
    match outcome.faults.first() {
        None => Ok(Outcome::Completed),
        Some(fault) => {
            let count = outcome.faults.len();
            tracing::warn!(
                plugin = name,
                "the plugin failed {count} times in its look-back: {}",
                fault.text
            );
            Ok(Outcome::Failed)
        }
    }
}

/// What comes before the span is there for the plugin to learn from.
fn counts(record: &Record, span: Span) -> bool {
    record.summary.time >= span.from
}

/// Whether the whole time has passed.
fn wait(time: Duration, is_stopped: impl Fn() -> bool) -> bool {
    let (over, look) = (after(time), tick(LOOK));
    while !is_stopped() {
        select! {
            recv(over) -> _ => return !is_stopped(),
            recv(look) -> _ => {}
        }
    }
    false
}
