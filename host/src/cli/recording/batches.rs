//! `vespid recording batches`: the calls that a plugin gets, as data, for whoever drives a plugin without WebAssembly.
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::PathBuf;

use clap::ValueEnum;
use serde::Serialize;

use super::{Failure, damaged, refused};
use crate::filter::{FilterText, Subscription};
use crate::interface::vespid::plugin::describe::Kinds;
use crate::interface::vespid::plugin::events::Batch;
use crate::recording::{Reader, Slice, Sliced};
use crate::trial::{Call, Calls, Options, OutOfOrder};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The recording.
    file: PathBuf,
    /// The tables that the plugin subscribes to.
    #[arg(long, value_name = "TABLES", value_delimiter = ',', required = true)]
    subscribe: Vec<Table>,
    /// Which rows it wants of them: a JSON list of the interface's filters.
    #[arg(long, value_name = "JSON", default_value = "[]")]
    filters: FilterText,
    #[command(flatten)]
    slice: Slice,
    /// Let event time run so many times as fast as recorded.
    #[arg(long, value_name = "TIMES", default_value = "1", value_parser = times)]
    compress: f64,
    /// After so many events another instance takes over.
    #[arg(long, value_name = "EVENTS")]
    swap_after: Option<u64>,
    /// The tables that the other instance subscribes to [default: those of the first].
    #[arg(long, value_name = "TABLES", value_delimiter = ',', requires = "swap_after")]
    swap_subscribe: Vec<Table>,
    /// Which rows the other instance wants of its tables.
    #[arg(long, value_name = "JSON", default_value = "[]", requires = "swap_subscribe")]
    swap_filters: FilterText,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Table {
    Execs,
    Exits,
    Connections,
    Opens,
    Changes,
    Privileged,
    Sockets,
    Resources,
}

impl Table {
    fn kinds(self) -> Kinds {
        match self {
            Table::Execs => Kinds::EXECS,
            Table::Exits => Kinds::EXITS,
            Table::Connections => Kinds::CONNECTIONS,
            Table::Opens => Kinds::OPENS,
            Table::Changes => Kinds::CHANGES,
            Table::Privileged => Kinds::PRIVILEGED,
            Table::Sockets => Kinds::SOCKETS,
            Table::Resources => Kinds::RESOURCES,
        }
    }
}

/// One line.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Said<'a> {
    Batch(&'a Batch),
    Tick(u64),
    Replace {},
}

pub(super) fn main(args: &Args) -> Result<(), Failure> {
    let subscription = subscription(&args.subscribe, &args.filters)?;
    let swapped = match &args.swap_subscribe[..] {
        [] => subscription.clone(),
        tables => self::subscription(tables, &args.swap_filters)?,
    };
    let reader = Reader::open(&args.file).map_err(damaged)?;
    let mut recording = Sliced::new(reader, &args.slice).map_err(refused)?;
    let options = Options {
        compress: args.compress,
        ..Options::default()
    };
    let mut calls = Calls::new(&subscription, &options, recording.header());
    let mut out = Out {
        to: BufWriter::new(io::stdout().lock()),
        outcome: Ok(()),
    };
    let mut order = OutOfOrder::default();
    while let Some(line) = recording.next().map_err(damaged)? {
        let late = order.check(&line);
        calls.take(&line, |call| out.say(call));
        if let Some(late) = late {
            return Err(Failure::recording(late.at(recording.reader())));
        }
        if args.swap_after == Some(calls.taken()) && order.is_event() {
            calls.replace(&swapped, |call| out.say(call));
        }
        if out.outcome.is_err() {
            break;
        }
    }
    if let Some(after) = args.swap_after.filter(|after| *after > calls.taken()) {
        return Err(Failure::usage(anyhow::anyhow!(
            "--swap-after is {after}, but there are only {} events",
            calls.taken()
        )));
    }
    calls.finish(|call| out.say(call));
    out.finish()
}

fn subscription(tables: &[Table], filters: &FilterText) -> Result<Subscription, Failure> {
    let kinds = tables.iter().fold(Kinds::empty(), |all, table| all | table.kinds());
    Subscription::new(&filters.0, kinds).map_err(|error| Failure::usage(error.into()))
}

struct Out<W: Write> {
    to: W,
    outcome: io::Result<()>,
}

impl<W: Write> Out<W> {
    fn say(&mut self, call: Call<'_>) {
        let said = match call {
            Call::Batch(batch) => Said::Batch(batch),
            Call::Tick(now) => Said::Tick(now),
            Call::Replace => Said::Replace {},
        };
        if self.outcome.is_ok() {
            let written = serde_json::to_writer(&mut self.to, &said).map_err(io::Error::from);
            self.outcome = written.and_then(|()| self.to.write_all(b"\n"));
        }
    }

    /// Whoever reads a pipe may have read enough.
    fn finish(mut self) -> Result<(), Failure> {
        let outcome = self.outcome.and_then(|()| self.to.flush());
        match outcome {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::output(error.into())),
            _ => Ok(()),
        }
    }
}

fn times(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(times) if times.is_finite() && times > 0.0 => Ok(times),
        _ => Err("must be a number above 0".to_owned()),
    }
}
