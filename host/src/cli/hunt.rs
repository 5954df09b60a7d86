//! `vespid hunt`: a plugin over what the flight recorder has kept.
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use comfy_table::{Table, presets};
use indicatif::ProgressBar;

use super::Failure;
use crate::config::Config;
use crate::daemon::{engine, signals};
use crate::hunt::{self, Account, Counter, Next, Span, Tape};
use crate::logging::{self, Choice};
use crate::plugin::{self, Found};
use crate::progress;
use crate::recording::{Moment, Reader};
use crate::trial::{Fault, Options, Trial};
use crate::units;
use crate::verdict::{Record, severity_name, timestamp};
use crate::{bytes, clock};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The plugin: a component's file, or the name of one in the daemon's plugin directory.
    plugin: PathBuf,
    /// Only the last so long, such as `6h` or `90m`.
    #[arg(long, value_name = "TIME", value_parser = units::duration, conflicts_with_all = ["from", "to"])]
    last: Option<Duration>,
    /// From then on: `2026-01-31T12:00:00Z`, or `+5m` after the first event.
    #[arg(long, value_name = "TIME")]
    from: Option<Moment>,
    /// Up to then.
    #[arg(long, value_name = "TIME")]
    to: Option<Moment>,
    /// Directories and recordings to hunt in [default: flight_recorder.directory of the daemon's configuration].
    #[arg(long = "in", value_name = "PLACE", num_args = 1..)]
    places: Vec<PathBuf>,
    /// The plugin's configuration [default: the file beside the plugin, if there is one].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The daemon's configuration; it says where plugins and recordings are.
    #[arg(long, value_name = "FILE", env = "VESPID_CONFIG")]
    daemon_config: Option<PathBuf>,
    /// Print verdicts as the daemon would, a line of JSON each.
    #[arg(long)]
    json: bool,
}

/// Verdicts of one rule.
struct Rule {
    severity: &'static str,
    count: u64,
    first: u64,
    last: u64,
}

pub(super) fn main(args: &Args, log: Choice) -> Result<(), Failure> {
    let config = match &args.daemon_config {
        Some(path) => Config::read(path).map_err(|error| Failure::usage(error.into()))?,
        None => Config::default(),
    };
    logging::start(&log, &config.log, None).map_err(Failure::usage)?;
    let stop = signals::stop_requests()?;
    let (tapes, span) = tapes(args, &config)?;
    let found = load(args, &config)?;
    let total = tapes.iter().map(|tape| tape.bytes).sum();
    let bar = progress::of_bytes(total);
    let began = Instant::now();
    let mut hunt = Hunt {
        is_json: args.json,
        span,
        rules: BTreeMap::new(),
        bar: &bar,
        unwritten: None,
    };
    let reader = tapes.first().map(|tape| Reader::open(&tape.file));
    let reader = reader.context("no recording of that time")?;
    let header = reader
        .map_err(|error| Failure::recording(error.into()))?
        .header()
        .clone();
    let options = Options {
        series: found.settings.series,
        ..Options::of(&config)
    };
    let mut trial = Trial::start(found.plugin, found.config, &options, &header)
        .context("the plugin does not start")
        .map_err(Failure::plugin)?;
    let counter = Counter::default();
    let account = hunt::follow(&tapes, span, &counter, |line| {
        if trial.take(line) {
            hunt.report(trial.verdicts());
            bar.set_position(counter.bytes());
            bar.set_message(format!("{} events", trial.taken()));
        }
        if stop.is_empty() && hunt.unwritten.is_none() {
            Next::On
        } else {
            Next::Stop
        }
    });
    let outcome = trial.finish();
    hunt.report(outcome.verdicts);
    let Hunt { rules, unwritten, .. } = hunt;
    bar.finish_and_clear();
    summarise(&account, &rules, &outcome.faults, began.elapsed());
    if let Some(error) = unwritten {
        return Err(Failure::output(anyhow::anyhow!("cannot write verdicts: {error}")));
    }
    if outcome.faults.is_empty() {
        return Ok(());
    }
    Err(anyhow::anyhow!("the plugin failed {} times", outcome.faults.len()).into())
}

fn tapes(args: &Args, config: &Config) -> Result<(Vec<Tape>, Span), Failure> {
    let places = if args.places.is_empty() {
        vec![config.flight_recorder.directory.clone()]
    } else {
        args.places.clone()
    };
    let now = clock::now();
    let select = |span| hunt::select(&places, span, |error| tracing::warn!("{error}"));
    let first = || {
        let tapes = select(Span::ALL).map_err(|error| Failure::recording(error.into()))?;
        Ok::<u64, Failure>(tapes.first().map_or(0, |tape| tape.created))
    };
    let at = |moment: Option<Moment>, otherwise| match moment {
        None => Ok(otherwise),
        Some(Moment::At(time)) => Ok(time),
        Some(after) => first().map(|first| after.of(first)),
    };
    let span = match args.last {
        Some(last) => Span {
            from: now.saturating_sub(u64::try_from(last.as_nanos()).unwrap_or(u64::MAX)),
            to: now,
        },
        None => Span {
            from: at(args.from, 0)?,
            to: at(args.to, u64::MAX)?,
        },
    };
    let tapes = select(span).map_err(|error| Failure::recording(error.into()))?;
    Ok((tapes, span))
}

fn load(args: &Args, config: &Config) -> Result<Found, Failure> {
    let named = config.plugins.directory.join(&args.plugin).with_extension("wasm");
    let is_name = args.plugin.extension().is_none() && !args.plugin.exists();
    let file: &Path = if is_name { &named } else { &args.plugin };
    let engine = engine(config)?;
    let settings = config.plugins.settings();
    let Some(own) = &args.config else {
        return plugin::load(&engine, file, &settings).map_err(|refusal| Failure::plugin(refusal.into()));
    };
    let text = std::fs::read_to_string(own).with_context(|| format!("cannot read {}", own.display()));
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()));
    let (text, bytes) = (text.map_err(Failure::usage)?, bytes.map_err(Failure::plugin)?);
    plugin::make(&engine, file, &bytes, &text, &settings).map_err(|refusal| Failure::plugin(refusal.into()))
}

struct Hunt<'a> {
    is_json: bool,
    span: Span,
    rules: BTreeMap<String, Rule>,
    bar: &'a ProgressBar,
    /// Standard output is gone.
    unwritten: Option<std::io::Error>,
}

impl Hunt<'_> {
    fn report(&mut self, verdicts: Vec<Record>) {
        for record in verdicts {
            let summary = &record.summary;
            // What comes before the span is there for the plugin to learn from; what comes after belongs to its end.
            if summary.time < self.span.from {
                continue;
            }
            let rule = self.rules.entry(summary.rule.clone()).or_insert(Rule {
                severity: severity_name(summary.severity),
                count: 0,
                first: summary.time,
                last: summary.time,
            });
            rule.count += 1;
            (rule.first, rule.last) = (rule.first.min(summary.time), rule.last.max(summary.time));
            let line = if self.is_json {
                record.line
            } else {
                let process = summary.process.as_ref();
                let process = process.map_or(String::new(), |(pid, exe)| format!(" [{pid} {exe}]"));
                let (time, severity) = (timestamp(summary.time), severity_name(summary.severity));
                let (rule, message) = (shown(&summary.rule), shown(&summary.message));
                format!("{time} {severity:<8} {rule}: {message}{process}\n").into_bytes()
            };
            let written = self.bar.suspend(|| std::io::stdout().lock().write_all(&line));
            if let Err(error) = written {
                self.unwritten = Some(error);
            }
        }
    }
}

/// A plugin's own words, harmless to a terminal.
fn shown(text: &str) -> String {
    let escape = |c: char| {
        if bytes::is_unsafe_to_show(c) {
            c.escape_default().to_string()
        } else {
            c.to_string()
        }
    };
    text.chars().map(escape).collect()
}

#[expect(
    clippy::print_stderr,
    reason = "verdicts are on standard output, so the summary is not"
)]
fn summarise(account: &Account, rules: &BTreeMap<String, Rule>, faults: &[Fault], took: Duration) {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(["rule", "severity", "verdicts", "first", "last"]);
    for (name, rule) in rules {
        let count = rule.count.to_string();
        table.add_row([
            &shown(name),
            rule.severity,
            &count,
            &timestamp(rule.first),
            &timestamp(rule.last),
        ]);
    }
    if rules.is_empty() {
        eprintln!("nothing found");
    } else {
        eprintln!("{table}");
    }
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    let rate = account.events as f64 / took.as_secs_f64().max(1e-9);
    let span = account.times.map_or(String::new(), |(first, last)| {
        format!(" from {} to {}", timestamp(first), timestamp(last))
    });
    eprintln!(
        "{} events{span} in {} files, {:.1} s, {rate:.0} events/s",
        account.events,
        account.files,
        took.as_secs_f64()
    );
    for gap in &account.gaps {
        let missing = Duration::from_nanos(gap.until.saturating_sub(gap.after));
        let missing = humantime::format_duration(Duration::from_millis(
            u64::try_from(missing.as_millis()).unwrap_or(u64::MAX),
        ));
        let (after, file) = (timestamp(gap.after), gap.file.display());
        eprintln!("gap: nothing is recorded for {missing} after {after}, until {file}");
    }
    for ((stage, kind), count) in &account.lost {
        eprintln!("lost: {count} {kind} events, in stage {stage}");
    }
    for error in &account.damaged {
        eprintln!("damaged: {error}");
    }
    for fault in faults {
        eprintln!("failed: {}", fault.text);
    }
}
