//! The events of a batch for people: what a plugin saw, with every reference resolved.
use serde::Serialize;

use super::columns::{self, Container, Process};
use super::event::{self, Event};
use super::line::to_line;
use super::time::Utc;
use crate::bytes::Bytes;
use crate::interface::vespid::plugin::events::Batch;

#[derive(Serialize)]
struct Seen<'a> {
    time: Utc,
    event: Event<'a>,
    process: Option<Process<'a>>,
    /// Nearest first.
    ancestors: Vec<Ancestor<'a>>,
    container: Option<Container<'a>>,
}

#[derive(Serialize)]
struct Ancestor<'a> {
    pid: u32,
    exe: Bytes<'a>,
}

/// One line of JSON an event, in the order in which they happened.
///
/// # Errors
/// If a line cannot be written, which no batch should bring about.
pub fn seen(batch: &Batch) -> Result<Vec<u8>, serde_json::Error> {
    let rows = batch
        .facts()
        .flat_map(|facts| (0..).map(facts.row).take(facts.seq.len()));
    let mut subjects: Vec<_> = rows.filter_map(|row| event::subject(batch, row)).collect();
    subjects.sort_by_key(|subject| subject.seq);
    let mut out = Vec::new();
    for subject in subjects {
        let ancestors = columns::ancestors(batch, subject.process);
        out.extend(to_line(&Seen {
            time: Utc(subject.time),
            event: subject.event,
            process: columns::process(batch, subject.process),
            ancestors: ancestors
                .into_iter()
                .map(|process| Ancestor {
                    pid: process.pid,
                    exe: process.exe,
                })
                .collect(),
            container: columns::container(batch, subject.container),
        })?);
    }
    Ok(out)
}
