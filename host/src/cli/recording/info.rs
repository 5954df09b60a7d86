//! `vespid recording info`: what is in a recording.
use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use serde::Serialize;

use super::{Failure, damaged};
use crate::bytes::Bytes;
use crate::clock::seconds;
use crate::enrich::recognise;
use crate::event::{Body, Image};
use crate::progress;
use crate::recording::{Header, Line, Reader, RecordingError};
use crate::verdict::utc;

/// Processes and containers told apart; beyond, they are not counted.
const MOST: usize = 1 << 20;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The recording.
    file: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Info {
    #[serde(flatten)]
    header: Header,
    /// Of the first and the last event; none without events.
    first: Option<String>,
    last: Option<String>,
    seconds: f64,
    events: u64,
    by_kind: BTreeMap<&'static str, u64>,
    lost: BTreeMap<String, u64>,
    processes: usize,
    containers: usize,
    bytes: u64,
    bytes_uncompressed: u64,
    is_whole: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    damage: Option<String>,
}

#[derive(Default)]
struct Count {
    span: Option<(u64, u64)>,
    events: u64,
    by_kind: BTreeMap<&'static str, u64>,
    lost: BTreeMap<String, u64>,
    processes: HashSet<(u32, u64)>,
    containers: HashSet<Vec<u8>>,
}

pub(super) fn main(args: &Args) -> Result<(), Failure> {
    let mut reader = Reader::open(&args.file).map_err(damaged)?;
    let mut count = Count::default();
    let bar = progress::counting("events read");
    let damage = loop {
        match reader.next() {
            Ok(Some(line)) => count.take(&line),
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
        bar.set_position(count.events);
    };
    bar.finish_and_clear();
    let info = info(&reader, count, damage.as_ref());
    print(&info, args.json)?;
    damage.map_or(Ok(()), |error| Err(damaged(error)))
}

impl Count {
    fn take(&mut self, line: &Line<'_>) {
        match line {
            Line::Known(known) => {
                self.process(known.subject.pid, known.subject.start);
                self.image(&known.image);
            }
            Line::Container(known) => self.container(known.id.as_slice()),
            Line::Lost(loss) => {
                let of = loss.kind.as_deref().unwrap_or("unknown");
                *self.lost.entry(format!("{}/{of}", loss.stage)).or_default() += loss.count;
            }
            Line::Account(_) | Line::End(_) => {}
            Line::Event(event) => {
                self.events += 1;
                *self.by_kind.entry(event.body.kind().name()).or_default() += 1;
                let (first, last) = self.span.unwrap_or((event.time, event.time));
                self.span = Some((first.min(event.time), last.max(event.time)));
                self.process(event.subject.pid, event.subject.start);
                match &event.body {
                    Body::Fork(fork) => self.process(fork.child_pid, fork.child_start),
                    Body::Exec(exec) => self.image(&exec.image),
                    Body::Privileged(call) if call.target_pid != 0 => self.process(call.target_pid, call.target_start),
                    _ => {}
                }
            }
        }
    }

    fn process(&mut self, pid: u32, start: u64) {
        if pid != 0 && self.processes.len() < MOST {
            // Starts from /proc are rounded down to a clock tick.
            self.processes.insert((pid, start / 10_000_000));
        }
    }

    fn image(&mut self, image: &Image<'_>) {
        if let Some(name) = recognise(image.cgroup_path.as_slice()) {
            self.container(name.id);
        }
    }

    fn container(&mut self, id: &[u8]) {
        if self.containers.len() < MOST && !self.containers.contains(id) {
            self.containers.insert(id.to_vec());
        }
    }
}

fn info(reader: &Reader, count: Count, damage: Option<&RecordingError>) -> Info {
    let (first, last) = count.span.unwrap_or_default();
    Info {
        header: reader.header().clone(),
        first: count.span.map(|_| utc(first)),
        last: count.span.map(|_| utc(last)),
        seconds: seconds(last - first),
        events: count.events,
        by_kind: count.by_kind,
        lost: count.lost,
        processes: count.processes.len(),
        containers: count.containers.len(),
        bytes: reader.name().metadata().map_or(0, |file| file.len()),
        bytes_uncompressed: reader.bytes(),
        is_whole: damage.is_none(),
        damage: damage.map(ToString::to_string),
    }
}

#[expect(clippy::print_stdout, reason = "this is the command's result")]
fn print(info: &Info, json: bool) -> Result<(), Failure> {
    if json {
        println!("{}", serde_json::to_string(info).map_err(anyhow::Error::from)?);
        return Ok(());
    }
    // A header is text that anybody may have written.
    let safe = |text: &str| Bytes::from(text).to_string();
    let header = &info.header;
    let counts = |counts: Vec<String>| match counts.is_empty() {
        true => "none".to_owned(),
        false => counts.join(", "),
    };
    println!("node        {}, boot {}", safe(&header.node), safe(&header.boot_id));
    println!("kernel      {}", safe(&header.kernel));
    println!("recorded    {}, format {}", utc(header.created), header.version);
    println!("kinds       {}", safe(&header.kinds.join(", ")));
    if let (Some(first), Some(last)) = (&info.first, &info.last) {
        println!("events from {first}\n         to {last}, {:.3} s", info.seconds);
    }
    let by_kind = info
        .by_kind
        .iter()
        .map(|(kind, count)| format!("{kind} {count}"))
        .collect();
    println!("events      {}: {}", info.events, counts(by_kind));
    let lost = info
        .lost
        .iter()
        .map(|(of, count)| format!("{} {count}", safe(of)))
        .collect();
    println!("lost        {}", counts(lost));
    println!("processes   {}, containers {}", info.processes, info.containers);
    println!("bytes       {}, uncompressed {}", info.bytes, info.bytes_uncompressed);
    println!("whole       {}", if info.is_whole { "yes" } else { "no" });
    Ok(())
}
