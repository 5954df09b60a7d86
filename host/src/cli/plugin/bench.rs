//! `vespid plugin bench`: what a plugin costs, on a recording.
use std::path::PathBuf;

use anyhow::{Context as _, Error};
use indicatif::DecimalBytes;

use super::Failure;
use crate::author::{BenchError, Cost, Effort, Score, Work};
use crate::config::Config;
use crate::logging::{self, Choice};
use crate::plugin::{Engine, Found, Successor, make};
use crate::recording::Reader;
use crate::trial::Options;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The component.
    file: PathBuf,
    /// The recording whose events it gets.
    #[arg(long, value_name = "RECORDING")]
    on: PathBuf,
    /// The plugin's configuration [default: `NAME.toml` beside the component, if there is one].
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Events in a batch at most [default: as in a daemon].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    batch: Option<u32>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[expect(clippy::print_stdout, reason = "this is the command's result")]
pub(super) fn main(args: &Args, log: Choice) -> Result<(), Failure> {
    let config = Config::default();
    logging::start(&log, &config.log, None).map_err(Failure::usage)?;
    let engine = Engine::new().map_err(Error::from)?;
    let found = args.load(&engine, &config)?;
    let work = args.work(&found, &config)?;
    let twin = args.load(&Engine::counting().map_err(Error::from)?, &config)?;
    let cost = work
        .measure(&found.plugin, &twin.plugin, &found.config, &Effort::default())
        .map_err(|error| match error {
            BenchError::Start(_) => Failure::plugin(error.into()),
            BenchError::Failed { .. } => Failure::from(Error::from(error)),
        })?;
    if args.json {
        let json = serde_json::to_string_pretty(&cost).map_err(Error::from)?;
        println!("{json}");
    } else {
        println!("{}", text(&cost));
    }
    Ok(())
}

impl Args {
    /// The plugin with its configuration, compiled here and now: a cache would hide what that takes.
    fn load(&self, engine: &Engine, config: &Config) -> Result<Found, Failure> {
        let bytes = std::fs::read(&self.file)
            .with_context(|| format!("cannot read {}", self.file.display()))
            .map_err(Failure::plugin)?;
        let beside = self.file.with_extension("toml");
        let text = match (&self.config, beside.exists()) {
            (None, false) => String::new(),
            (given, _) => {
                let file = given.as_ref().unwrap_or(&beside);
                std::fs::read_to_string(file)
                    .with_context(|| format!("cannot read {}", file.display()))
                    .map_err(Failure::usage)?
            }
        };
        make(engine, &self.file, &bytes, &text, &config.plugins.settings())
            .map_err(|refusal| Failure::plugin(refusal.into()))
    }

    #[expect(clippy::print_stderr, reason = "a remark beside the result")]
    fn work(&self, found: &Found, config: &Config) -> Result<Work, Failure> {
        let damaged = |error| Failure::recording(Error::from(error));
        let mut options = Options::of(config);
        if let Some(most) = self.batch {
            options.batch.max_events = most as usize;
        }
        let fails = |failure| Failure::plugin(anyhow::anyhow!("{} does not start: it {failure}", self.file.display()));
        let successor = Successor::start(found.plugin.clone(), found.config.clone()).map_err(fails)?;
        let mut reader = Reader::open(&self.on).map_err(damaged)?;
        let work = Work::read(&mut reader, successor.subscription(), &options).map_err(damaged)?;
        if work.events() == 0 {
            return Err(Failure::usage(anyhow::anyhow!(
                "{} has no event that {} subscribes to",
                self.on.display(),
                found.plugin.identity.name
            )));
        }
        if work.is_cut() {
            eprintln!(
                "the recording is longer: only its first {} events are used",
                work.events()
            );
        }
        Ok(work)
    }
}

fn text(cost: &Cost) -> String {
    let Cost { start_up, .. } = cost;
    let spread = |score: &Score, unit: &str| {
        format!(
            "{} {unit}; of calls: median {}, p99 {}",
            score.mean, score.median, score.p99
        )
    };
    let lines = [
        (
            "recording",
            format!(
                "{} events in {} batches, {} ticks; {} verdicts; {} passes",
                cost.events, cost.batches, cost.ticks, cost.verdicts, cost.passes
            ),
        ),
        ("an event", spread(&cost.ns_per_event, "ns")),
        (
            "",
            format!(
                "{:.1} fuel: instructions, the same on every machine",
                cost.fuel_per_event
            ),
        ),
        ("a tick", spread(&cost.ns_per_tick, "ns")),
        ("", format!("{:.1} fuel", cost.fuel_per_tick)),
        (
            "a start",
            format!(
                "compile {:.1} ms, instantiate {:.0} µs, init {:.0} µs",
                nanoseconds(start_up.compile_ns) / 1e6,
                nanoseconds(start_up.instantiate_ns) / 1e3,
                nanoseconds(start_up.init_ns) / 1e3
            ),
        ),
        ("memory", format!("{} at most", DecimalBytes(cost.memory_peak_bytes))),
        ("state", format!("{} in a snapshot", DecimalBytes(cost.snapshot_bytes))),
    ];
    let lines = lines.map(|(what, text)| format!("{what:<10} {text}"));
    lines.join("\n")
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn nanoseconds(ns: u64) -> f64 {
    ns as f64
}
