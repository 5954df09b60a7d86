//! What `vespid ctl ledger` shows: where every event went, as in /metrics.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vespid_ebpf::Kind;

use crate::ledger::{self, ROWS, Stage};

/// Every stage's books, read together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ledger {
    /// A line for each stage, plugin and kind of which there were events.
    pub lines: Vec<Line>,
    /// What was never an event, by kind.
    pub calls: Vec<Calls>,
    /// What the kernel side dropped for want of room, by container and kind: `host` is none, `other` all further ones.
    pub containers: BTreeMap<String, BTreeMap<String, u64>>,
}

/// A kind of events at a stage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Line {
    /// The stage; of a plugin's queue and calls, `plugin`.
    pub stage: String,
    /// The plugin, if it is one's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// The kind of events.
    pub kind: String,
    /// Events that reached it and left it, one way or the other.
    pub entered: u64,
    /// Events that went on.
    pub left: u64,
    /// Events that ended there, by reason.
    pub dropped: BTreeMap<String, u64>,
}

/// Calls of which the kernel side made no record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Calls {
    /// The kind of events that they would have been.
    pub kind: String,
    /// No plugin wants them.
    pub filtered: u64,
    /// Another row stands for them as well.
    pub merged: u64,
}

impl Ledger {
    /// Adds a stage's books.
    pub fn add(&mut self, stage: &str, plugin: Option<&str>, books: &Stage) {
        for at in 0..ROWS {
            let kind = Kind::ALL.get(at).map_or("unknown", |kind| kind.name());
            debug_assert_eq!(at, ledger::row(Kind::ALL.get(at).copied()));
            if books.entered[at] == 0 {
                continue;
            }
            let dropped = books.dropped.iter().filter(|(_, counts)| counts[at] > 0);
            self.lines.push(Line {
                stage: stage.to_owned(),
                plugin: plugin.map(str::to_owned),
                kind: kind.to_owned(),
                entered: books.entered[at],
                left: books.left[at],
                dropped: dropped
                    .map(|(reason, counts)| ((*reason).to_owned(), counts[at]))
                    .collect(),
            });
        }
    }
}
