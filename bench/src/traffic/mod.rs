//! Events as nodes have them: the recorded fixtures, one after another and again and again, each time with the times
//! moved on, so that no process ever starts twice.
mod raw;
mod round;
mod shift;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context, bail};
use vespid::event::{Body, Event};
use vespid::recording::{Header, Line};

pub use raw::{CLOCK, record};
pub use round::Round;
use shift::Shift;

/// Ordinary work: package queries, containers, a web server, a demonstration with a little of everything, connections.
const FIXTURES: [&str; 5] = ["administration", "container", "demo", "web-server", "near-port-scan"];

/// The fixtures' lines, again and again.
pub struct Traffic {
    header: Header,
    reels: Vec<Reel>,
    length: u64,
    round: u64,
}

/// A recording's header and its other lines.
type Fixture = (Header, Vec<Line<'static>>);

/// One fixture.
struct Reel {
    lines: &'static [Line<'static>],
    /// When it began.
    origin: u64,
    /// How much later it is, in the first round.
    later: u64,
}

impl Traffic {
    /// The recorded mix.
    ///
    /// # Errors
    /// If a fixture cannot be read.
    pub fn recorded() -> anyhow::Result<Traffic> {
        let mut reels: Vec<Reel> = Vec::new();
        let mut first: Option<Header> = None;
        let mut end = 0;
        for (header, lines) in fixtures()? {
            let times = lines.iter().filter_map(|line| match line {
                Line::Event(event) => Some(event.time),
                _ => None,
            });
            // What waited in the ring when the recording was begun is a little older than it.
            let origin = times
                .clone()
                .min()
                .map_or(header.created, |first| first.min(header.created));
            let length = times.max().unwrap_or(origin).saturating_sub(origin) + 1;
            let begin = first.get_or_insert_with(|| header.clone()).created;
            reels.push(Reel {
                lines,
                origin,
                later: (begin + end).wrapping_sub(origin),
            });
            end += length;
        }
        Ok(Traffic {
            header: first.context("there are no fixtures")?,
            reels,
            length: end,
            round: 0,
        })
    }

    /// The first recording's header.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The lines of the next round. Ends of recordings are left out, and so are events of which [`record`] knows no form.
    pub fn next_round(&mut self) -> Vec<Line<'static>> {
        let since = self.round * self.length;
        self.round += 1;
        let reels = self.reels.iter();
        reels
            .flat_map(|reel| {
                let shift = Shift {
                    origin: reel.origin,
                    by: reel.later.wrapping_add(since),
                };
                reel.lines.iter().filter_map(move |line| shift.line(line))
            })
            .collect()
    }
}

/// Only the events of some lines.
pub fn events(lines: Vec<Line<'static>>) -> impl Iterator<Item = Event<'static>> {
    lines.into_iter().filter_map(|line| match line {
        Line::Event(event) => Some(event),
        _ => None,
    })
}

/// Whether there is a raw form of it here.
fn is_known(event: &Event<'_>) -> bool {
    !matches!(
        event.body,
        Body::Change(_) | Body::Privileged(_) | Body::Socket(_) | Body::Resource(_)
    )
}

/// All of them, read once.
fn fixtures() -> anyhow::Result<&'static [Fixture]> {
    static READ: OnceLock<Vec<Fixture>> = OnceLock::new();
    if let Some(read) = READ.get() {
        return Ok(read);
    }
    let all = FIXTURES.iter().map(|name| read(&fixture(name)));
    let all = all.collect::<anyhow::Result<_>>()?;
    Ok(READ.get_or_init(|| all))
}

fn fixture(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.join("fixtures").join(name).with_extension("jsonl.zst")
}

/// A recording's header and its other lines. They borrow from its text, which stays until the program ends.
fn read(file: &Path) -> anyhow::Result<Fixture> {
    let mut text = Vec::new();
    std::fs::File::open(file)
        .and_then(zstd::Decoder::new)
        .and_then(|mut decoder| decoder.read_to_end(&mut text))
        .with_context(|| format!("cannot read {}", file.display()))?;
    let text: &'static [u8] = text.leak();
    let mut lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let Some(header) = lines.next() else {
        bail!("{} is empty", file.display());
    };
    let header = serde_json::from_slice(header)?;
    let lines: Result<Vec<Line<'static>>, _> = lines.map(serde_json::from_slice).collect();
    Ok((header, lines?))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_process_starts_twice_and_time_goes_on() {
        let mut traffic = Traffic::recorded().expect("the fixtures");
        let mut started = HashSet::new();
        let mut before = 0;
        for _ in 0..3 {
            let round: Vec<_> = events(traffic.next_round()).collect();
            for event in &round {
                if let Body::Fork(fork) = &event.body {
                    assert!(started.insert((fork.child_pid, fork.child_start)), "{fork:?}");
                }
            }
            let newest = round.iter().map(|event| event.time).max().expect("events");
            assert!(round[0].time > before && newest > before);
            before = newest;
        }
    }
}
