//! A test case, run: with the built component, from its recording to what is compared.
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use serde_json::{Value, json};
use vespid_cases::{Case, Observed, Sample};

use super::order::OutOfOrder;
use super::{Bill, Call, Calls, Fault, Options, Outcome, Trial};
use crate::bytes::Bytes;
use crate::plugin::Plugin;
use crate::recording::{Reader, Slice, Sliced};
use crate::verdict::Record;

/// What a run of a case gave.
#[derive(Debug)]
pub struct Ran {
    /// To be compared with what is expected.
    pub observed: Observed,
    /// Calls that failed.
    pub faults: Vec<Fault>,
    /// What it cost.
    pub bill: Bill,
    /// How long it took.
    pub time: Duration,
    lines: Vec<Vec<u8>>,
}

impl Ran {
    /// The first thing in which two runs of a case differ. A plugin has neither clock nor chance, so there should be none.
    #[must_use]
    pub fn differs_from(&self, other: &Ran) -> Option<String> {
        let at = |lines: &[Vec<u8>], at: usize| match lines.get(at) {
            Some(line) => Bytes::from(line.trim_ascii_end()).to_string(),
            None => "nothing".to_owned(),
        };
        let most = self.lines.len().max(other.lines.len());
        if let Some(row) = (0..most).find(|row| self.lines.get(*row) != other.lines.get(*row)) {
            let (first, second) = (at(&self.lines, row), at(&other.lines, row));
            return Some(format!("verdict {} is\n  {first}\nand then\n  {second}", row + 1));
        }
        if self.observed.samples != other.observed.samples {
            let both = self.observed.samples.iter().zip(&other.observed.samples);
            let differing = both.into_iter().find(|(a, b)| a != b);
            return Some(differing.map_or_else(
                || "the number of series differs".to_owned(),
                |(a, b)| format!("a series is {a:?} and then {b:?}"),
            ));
        }
        (self.faults != other.faults).then(|| "its failures differ".to_owned())
    }
}

/// Runs a case with a plugin. `load` loads another component, for a case in which another version takes over; `seen` is
/// told every call that the plugin gets.
///
/// # Errors
/// Why it could not be run, with file, line and remedy. That the plugin fails is an outcome.
pub fn run(
    case: &Case,
    plugin: &Plugin,
    options: &Options,
    load: &dyn Fn(&Path) -> anyhow::Result<Plugin>,
    seen: &mut dyn FnMut(Call<'_>),
) -> anyhow::Result<Ran> {
    let begin = Instant::now();
    let place = |line: usize| format!("{}:{line}", case.file.display());
    let config = case.config.clone().unwrap_or_else(|| json!({}));
    check_config(plugin, &config).with_context(|| place(case.config_line))?;
    let slice: Slice = serde_json::to_value(&case.slice)
        .and_then(serde_json::from_value)
        .map_err(|error| anyhow!("{}: `slice`: {error}", place(case.slice_line)))?;
    // The errors of a recording name their place and their cause themselves.
    let reader = Reader::open(&case.recording)
        .map_err(|error| anyhow!("{}: `recording`: {error}", place(case.recording_line)))?;
    let mut recording =
        Sliced::new(reader, &slice).map_err(|error| anyhow!("{}: `slice`: {error}", place(case.slice_line)))?;
    let options = Options {
        compress: case.compress,
        ..options.clone()
    };
    let mut trial = Trial::start(plugin.clone(), config.clone(), &options, recording.header())
        .with_context(|| place(case.config_line))?;
    let mut calls = Calls::new(&trial.subscription(), &options, recording.header());
    let mut order = OutOfOrder::default();
    while let Some(line) = recording.next().map_err(|error| anyhow!("{error}"))? {
        let late = order.check(&line);
        trial.take(&line);
        calls.take(&line, &mut *seen);
        if let Some(late) = late {
            return Err(late.at(recording.reader()));
        }
        if let Some(swap) = &case.swap
            && order.is_event()
            && trial.taken() == swap.after
        {
            let next = match &swap.to {
                Some(file) => load(file)?,
                None => plugin.clone(),
            };
            trial
                .swap(next, config.clone())
                .with_context(|| format!("{}: `swap`", case.file.display()))?;
            calls.replace(&trial.subscription(), &mut *seen);
        }
    }
    if let Some(swap) = &case.swap
        && trial.taken() < swap.after
    {
        let (file, events) = (case.file.display(), trial.taken());
        bail!(
            "{file}: `swap` is after {} events, but there are only {events}",
            swap.after
        );
    }
    calls.finish(&mut *seen);
    let Outcome {
        verdicts,
        series,
        metrics,
        bill,
        faults,
    } = trial.finish();
    let samples = series.into_iter().map(|series| Sample {
        name: series.name,
        labels: series.labels,
        #[expect(clippy::cast_precision_loss, reason = "a count of observations in a test")]
        value: series.count.map_or(series.value, |count| count as f64),
    });
    Ok(Ran {
        observed: Observed {
            verdicts: verdicts.iter().map(parsed).collect::<Result<_, _>>()?,
            samples: samples.collect(),
            metrics,
        },
        lines: verdicts.into_iter().map(|record| record.line).collect(),
        faults,
        bill,
        time: begin.elapsed(),
    })
}

fn check_config(plugin: &Plugin, config: &Value) -> anyhow::Result<()> {
    plugin
        .check_config(config)
        .map_err(|error| anyhow!("`config`: {error}"))
}

fn parsed(record: &Record) -> serde_json::Result<Value> {
    serde_json::from_slice(&record.line)
}
