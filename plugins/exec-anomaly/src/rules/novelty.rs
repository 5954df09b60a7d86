//! Programs that a parent did not run before.
//!
//! Learns for a while, by event time, then reports each pair once. What was learned is the plugin's state.
use std::collections::VecDeque;
use std::time::Duration;

use vespid_plugin::prelude::*;
use vespid_plugin::state::Versioned;
use vespid_plugin::{Keyed, remembered};

use super::Finding;
use crate::config;
use crate::metrics::Metrics;

const RULE: &str = "new-program";
const SECOND: u64 = 1_000_000_000;

/// Executables of parent and child.
type Pair = (Vec<u8>, Vec<u8>);

pub(crate) struct Novelty {
    config: config::Novelty,
    /// Event time of the first execution that was seen.
    since: Option<u64>,
    now: u64,
    pairs: Keyed<Pair, ()>,
    said: VecDeque<u64>,
}

/// What outlives an instance.
#[derive(Serialize, Deserialize)]
pub(crate) struct Learned {
    since: Option<u64>,
    /// Oldest first.
    pairs: Vec<Pair>,
}

impl Versioned for Learned {
    const VERSION: u32 = 1;
}

impl Novelty {
    pub(crate) fn new(config: config::Novelty) -> Self {
        let pairs = Keyed::new(config.max_pairs, Duration::MAX);
        Novelty {
            config,
            since: None,
            now: 0,
            pairs,
            said: VecDeque::new(),
        }
    }

    /// Learns the pair, and says whether it was new.
    pub(crate) fn is_new(&mut self, now: u64, process: Process<'_>) -> bool {
        self.now = self.now.max(now);
        let Some(parent) = process.parent().filter(|_| self.config.enabled) else {
            return false;
        };
        if process.exe().is_empty() || parent.exe().is_empty() {
            return false;
        }
        self.since.get_or_insert(now);
        let mut is_new = false;
        self.pairs
            .touch(now, (remembered(parent.exe()), remembered(process.exe())), || {
                is_new = true
            });
        is_new
    }

    /// What there is to say about a new pair.
    pub(crate) fn find(&mut self, now: u64, process: Process<'_>, metrics: &Metrics) -> Option<Finding> {
        let parent = process.parent()?;
        if self.is_learning() {
            return None;
        }
        while self
            .said
            .front()
            .is_some_and(|said| said.saturating_add(60 * SECOND) <= now)
        {
            self.said.pop_front();
        }
        if self.said.len() >= self.config.max_per_minute as usize {
            metrics.withheld(RULE);
            return None;
        }
        self.said.push_back(now);
        Some(Finding {
            rule: RULE,
            severity: Severity::Notice,
            message: format!("{} runs {} for the first time", text(parent.exe()), text(process.exe())),
            tags: &[],
            detail: Vec::new(),
            fields: vec![("parent", text(parent.exe()).to_string())],
        })
    }

    pub(crate) fn tick(&mut self, now: u64) {
        self.now = self.now.max(now);
    }

    pub(crate) fn is_learning(&self) -> bool {
        let end = |since: u64| since.saturating_add(u64::from(self.config.learning_seconds) * SECOND);
        self.config.enabled && self.since.is_none_or(|since| self.now < end(since))
    }

    pub(crate) fn known(&self) -> usize {
        self.pairs.len()
    }

    pub(crate) fn learned(&self) -> Learned {
        Learned {
            since: self.since,
            pairs: self.pairs.iter().rev().map(|(pair, ())| pair.clone()).collect(),
        }
    }

    pub(crate) fn restore(&mut self, learned: Learned) {
        self.since = learned.since;
        for pair in learned.pairs {
            self.pairs.touch(0, pair, || ());
        }
    }
}
