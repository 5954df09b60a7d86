//! A verdict with everything that a reader needs to judge it, as one line of JSON.
//!
//! It is made of the report and the batch alone, so the same events give the same line wherever they are replayed.
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::columns::{self, Container, Process};
use super::event::{self, Event};
use super::line::to_line;
use super::time::Utc;
use crate::interface::vespid::plugin::events::Batch;
use crate::interface::vespid::plugin::reports::{Severity, Verdict};

/// Whose verdict it is.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Name of the node.
    pub node: String,
    /// Name of the plugin.
    pub plugin: Arc<str>,
    /// Version of the plugin.
    pub version: String,
    /// SHA-256 of the plugin's component, in hexadecimal.
    pub digest: String,
    /// Whether it is about what was recorded before the plugin was there.
    pub retro: bool,
}

/// What the plugin was called with.
#[derive(Clone, Copy, Debug)]
pub enum Cause<'a> {
    /// Events.
    Batch(&'a Batch),
    /// The passing of time, up to this Unix nanosecond.
    Tick(u64),
}

/// A verdict, ready to be delivered.
#[derive(Clone, Debug)]
pub struct Record {
    /// One line of JSON, with its end.
    pub line: Vec<u8>,
    /// What the terminal screen shows of it.
    pub summary: Arc<Summary>,
}

/// A verdict in short. Texts are as the plugin gave them: escape before showing.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Unix nanoseconds.
    pub time: u64,
    /// Name of the plugin.
    pub plugin: Arc<str>,
    /// Name of the rule.
    pub rule: String,
    /// How bad.
    pub severity: Severity,
    /// One sentence.
    pub message: String,
    /// Groups verdicts of one cause.
    pub key: String,
    /// Sequence number of the event that it is about, if it is about one.
    pub subject: Option<u64>,
    /// Process id and executable (escaped), if it is about a process.
    pub process: Option<(u32, String)>,
}

impl Record {
    /// Resolves a verdict against the batch that it is about. A subject that is no row of the batch is left out.
    ///
    /// # Errors
    /// If the line cannot be written, which no report should bring about.
    pub fn new(origin: &Origin, verdict: Verdict, cause: Cause<'_>) -> Result<Record, serde_json::Error> {
        let (batch, now) = match cause {
            Cause::Batch(batch) => (Some(batch), columns::latest(batch).unwrap_or_default()),
            Cause::Tick(now) => (None, now),
        };
        let subject = batch
            .zip(verdict.subject)
            .and_then(|(batch, row)| event::subject(batch, row));
        let row = batch.zip(subject.as_ref().map(|subject| subject.process));
        let time = subject.as_ref().map_or(now, |subject| subject.time);
        let process = row.and_then(|(batch, row)| columns::process(batch, row));
        let container = batch.zip(subject.as_ref().map(|subject| subject.container));
        let container = container.and_then(|(batch, row)| columns::container(batch, row));
        let seq = subject.as_ref().map(|subject| subject.seq);
        let seen = process.as_ref().map(|process| (process.pid, process.exe.to_string()));
        let line = to_line(&Line {
            time: Utc(time),
            node: &origin.node,
            plugin: Plugin {
                name: &origin.plugin,
                version: &origin.version,
                digest: &origin.digest,
            },
            retro: origin.retro,
            rule: &verdict.rule,
            severity: severity_name(verdict.severity),
            message: &verdict.message,
            key: &verdict.key,
            tags: &verdict.tags,
            fields: &verdict.fields,
            event: subject.map(|subject| subject.event),
            process,
            ancestors: row
                .map(|(batch, row)| columns::ancestors(batch, row))
                .unwrap_or_default(),
            container,
            sequence: batch.map(|batch| Sequence {
                first: batch.header.first,
                last: batch.header.last,
            }),
        })?;
        let summary = Summary {
            time,
            plugin: Arc::clone(&origin.plugin),
            rule: verdict.rule,
            severity: verdict.severity,
            message: verdict.message,
            key: verdict.key,
            subject: seq,
            process: seen,
        };
        Ok(Record {
            line,
            summary: Arc::new(summary),
        })
    }
}

/// A severity in outputs.
#[must_use]
pub fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Notice => "notice",
        Severity::Warning => "warning",
        Severity::Error => "error",
        Severity::Critical => "critical",
    }
}

#[derive(Serialize)]
struct Line<'a> {
    time: Utc,
    node: &'a str,
    plugin: Plugin<'a>,
    #[serde(skip_serializing_if = "is_false")]
    retro: bool,
    rule: &'a str,
    severity: &'static str,
    message: &'a str,
    key: &'a str,
    tags: &'a [String],
    #[serde(serialize_with = "as_object")]
    fields: &'a [(String, String)],
    event: Option<Event<'a>>,
    process: Option<Process<'a>>,
    ancestors: Vec<Process<'a>>,
    container: Option<Container<'a>>,
    sequence: Option<Sequence>,
}

#[derive(Serialize)]
struct Plugin<'a> {
    name: &'a str,
    version: &'a str,
    digest: &'a str,
}

#[derive(Serialize)]
struct Sequence {
    first: u64,
    last: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde has it")]
fn is_false(value: &bool) -> bool {
    !value
}

/// In the plugin's order; of fields with one name the last counts, as it does for most readers of JSON.
fn as_object<S: Serializer>(fields: &[(String, String)], serializer: S) -> Result<S::Ok, S::Error> {
    let is_last = |at: usize| fields[at + 1..].iter().all(|later| later.0 != fields[at].0);
    let kept = fields.iter().enumerate().filter(|(at, _)| is_last(*at));
    serializer.collect_map(kept.map(|(_, (name, value))| (name, value)))
}

#[cfg(test)]
mod tests;
