//! The daemon's numbers at one moment: plain data that each stage fills in for a scrape.
use vespid_ebpf::Kind;

use std::collections::BTreeMap;

use super::family::FamilySnapshot;
use super::histogram::{BATCH_ROWS, CALL_SECONDS, Histogram, LAG_SECONDS};
use super::usage::Usage;
use crate::enrich::runtimes::LookupCounts;
use crate::ledger;

/// Everything that /metrics shows.
#[derive(Clone, Debug)]
pub struct Scrape {
    /// What is running.
    pub build: Build,
    /// When the daemon started, in Unix seconds.
    pub start_seconds: f64,
    /// What the daemon has used.
    pub usage: Usage,
    /// The ledgers of the stages that all plugins share. A plugin's own is in [`Plugin::books`].
    pub books: Vec<Books>,
    /// Calls that the kernel left out, by kind.
    pub filtered: [u64; Kind::ALL.len()],
    /// Calls that another row stands for, by kind.
    pub merged: [u64; Kind::ALL.len()],
    /// Events that the kernel side gave up for want of room, by container.
    pub lost_by_container: Vec<(String, [u64; Kind::ALL.len()])>,
    /// Fact rows by batch.
    pub batch_rows: Histogram,
    /// The process table.
    pub processes: Processes,
    /// Containers that are known.
    pub containers: u64,
    /// How often a runtime was asked about a container, by what came of it.
    pub lookups: LookupCounts,
    /// What became of the verdicts.
    pub verdicts: Verdicts,
    /// The flight recorder's files, if it records.
    pub kept: Option<Kept>,
    /// Plugins that looked back.
    pub look_backs: LookBacks,
    /// Files that did not become a plugin.
    pub refusals: Refusals,
    /// Every plugin, in the order in which names are given away.
    pub plugins: Vec<Plugin>,
}

/// The flight recorder's files.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kept {
    /// Bytes of all of them.
    pub bytes: u64,
    /// Most that they may have.
    pub limit: u64,
}

/// What became of look-backs.
#[derive(Clone, Debug, Default)]
pub struct LookBacks {
    /// How many ended, by outcome.
    pub ended: Vec<(&'static str, u64)>,
    /// Events shown to plugins.
    pub events: u64,
    /// Verdicts that came of them.
    pub verdicts: u64,
    /// Those under way.
    pub running: u64,
}

impl Default for Scrape {
    fn default() -> Self {
        Scrape {
            build: Build::default(),
            start_seconds: 0.0,
            usage: Usage::default(),
            books: Vec::new(),
            filtered: [0; Kind::ALL.len()],
            kept: None,
            merged: [0; Kind::ALL.len()],
            lost_by_container: Vec::new(),
            look_backs: LookBacks::default(),
            batch_rows: Histogram::new(BATCH_ROWS),
            processes: Processes::default(),
            containers: 0,
            lookups: LookupCounts::default(),
            verdicts: Verdicts::default(),
            refusals: Refusals::default(),
            plugins: Vec::new(),
        }
    }
}

/// What is running.
#[derive(Clone, Copy, Debug, Default)]
pub struct Build {
    /// Version of the daemon.
    pub version: &'static str,
    /// Commit that it was built from, or empty.
    pub revision: &'static str,
    /// Version of the plugin interface.
    pub interface: &'static str,
}

/// A stage of the data path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StageName {
    /// Probes and ring buffer.
    Kernel,
    /// From records to events.
    Decode,
    /// The process's and container's particulars.
    Enrich,
    /// From events to batches.
    Batch,
    /// A plugin's queue and its calls.
    Plugin,
    /// From events to the flight recorder's files.
    FlightRecorder,
}

impl StageName {
    /// The value of the label `stage`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            StageName::Kernel => "kernel",
            StageName::Decode => "decode",
            StageName::Enrich => "enrich",
            StageName::Batch => "batch",
            StageName::Plugin => "plugin",
            StageName::FlightRecorder => "flight_recorder",
        }
    }
}

/// A stage's ledger.
#[derive(Clone, Debug)]
pub struct Books {
    /// Whose.
    pub stage: StageName,
    /// The ledger.
    pub ledger: ledger::Stage,
}

/// The process table.
#[derive(Clone, Copy, Debug, Default)]
pub struct Processes {
    /// Processes in it, those that ended included.
    pub entries: u64,
    /// Most that it may hold.
    pub limit: u64,
    /// Processes removed for want of room.
    pub evicted: u64,
}

/// What became of the verdicts.
#[derive(Clone, Debug, Default)]
pub struct Verdicts {
    /// Written to their destination.
    pub written: u64,
    /// Not written, by reason.
    pub dropped: BTreeMap<&'static str, u64>,
}

/// Files of the plugin directory that did not become a plugin, or not another version of one.
#[derive(Clone, Debug, Default)]
pub struct Refusals {
    /// How many there are now.
    pub files: u64,
    /// How often it happened, by kind of reason.
    pub by_kind: BTreeMap<&'static str, u64>,
}

/// Exchanges of a running plugin for another version or configuration.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reloads {
    /// The new one serves.
    pub swapped: u64,
    /// The old one serves on.
    pub failed: u64,
    /// Time of the last one.
    pub last_seconds: f64,
    /// Time of all.
    pub total_seconds: f64,
    /// Longest time between two batches that an exchange took.
    pub longest_pause_seconds: f64,
}

/// Instances of a plugin made in place of another, by reason.
#[derive(Clone, Copy, Debug, Default)]
pub struct Restarts {
    /// It had failed.
    pub failure: u64,
    /// It had come near its limit of memory.
    pub memory: u64,
}

/// A plugin's last good state.
#[derive(Clone, Copy, Debug, Default)]
pub struct State {
    /// Its size.
    pub bytes: u64,
    /// When it was taken, in Unix seconds.
    pub taken_seconds: f64,
}

/// The verdicts of a plugin and its shadow, compared.
#[derive(Clone, Copy, Debug, Default)]
pub struct Compared {
    /// Both gave it.
    pub agreed: u64,
    /// Both gave it, with different severities.
    pub severity: u64,
    /// The shadow did not give it.
    pub missing: u64,
    /// Only the shadow gave it.
    pub extra: u64,
    /// It cannot be told whether both would have given it.
    pub undecided: u64,
}

/// One plugin.
#[derive(Clone, Debug)]
pub struct Plugin {
    /// Its name, which no other has.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of its component, in hexadecimal.
    pub digest: String,
    /// `active`, unless it is one whose reports do not count.
    pub mode: &'static str,
    /// Its ledger: what entered its queue, what it took, what was dropped on the way.
    pub books: ledger::Stage,
    /// Events that wait in its queue.
    pub queue_events: u64,
    /// Seconds from the kernel to the call.
    pub lag: Histogram,
    /// Seconds a call.
    pub calls: Histogram,
    /// CPU time of its thread.
    pub cpu_seconds: f64,
    /// Its linear memory.
    pub memory_bytes: u64,
    /// The most linear memory that an instance of it had.
    pub memory_high_water_bytes: u64,
    /// Calls that failed, by reason.
    pub failures: BTreeMap<&'static str, u64>,
    /// Whether it is no longer called.
    pub quarantined: bool,
    /// Its exchanges.
    pub reloads: Reloads,
    /// Its instances after the first, those of exchanges aside.
    pub restarts: Restarts,
    /// Its last good state, if there is one.
    pub state: Option<State>,
    /// Labelled series shown, [`super::Families::series`].
    pub series: usize,
    /// [`super::Families::refused_series`].
    pub refused_series: u64,
    /// [`super::Families::refused_samples`].
    pub refused_samples: u64,
    /// Its verdicts.
    pub verdicts: VerdictsBy,
    /// Verdicts over its rate.
    pub refused_verdicts: u64,
    /// How its shadow's verdicts compare with its own, by rule.
    pub shadow: BTreeMap<String, Compared>,
    /// Its metrics, [`super::Families::snapshot`].
    pub families: Vec<FamilySnapshot>,
    /// Families left out for a name that another plugin has; filled in by [`super::render`].
    pub hidden_families: usize,
}

impl Default for Plugin {
    fn default() -> Self {
        Plugin {
            name: String::new(),
            version: String::new(),
            digest: String::new(),
            mode: "active",
            books: ledger::Stage::default(),
            queue_events: 0,
            lag: Histogram::new(LAG_SECONDS),
            calls: Histogram::new(CALL_SECONDS),
            cpu_seconds: 0.0,
            memory_bytes: 0,
            memory_high_water_bytes: 0,
            failures: BTreeMap::new(),
            quarantined: false,
            reloads: Reloads::default(),
            restarts: Restarts::default(),
            state: None,
            series: 0,
            refused_series: 0,
            refused_samples: 0,
            verdicts: VerdictsBy::default(),
            refused_verdicts: 0,
            shadow: BTreeMap::new(),
            families: Vec::new(),
            hidden_families: 0,
        }
    }
}

/// Verdicts by rule and severity. A plugin chooses its rules' names, so only the first [`VerdictsBy::RULES`] have a count
/// of their own.
#[derive(Clone, Debug, Default)]
pub struct VerdictsBy(BTreeMap<(String, &'static str), u64>);

impl VerdictsBy {
    /// Most rules with a count of their own.
    pub const RULES: usize = 256;
    /// Stands for all other rules; no rule can have this name.
    pub const OTHER: &'static str = "_other";

    /// Counts a verdict.
    pub fn count(&mut self, rule: &str, severity: &'static str) {
        let mut key = (rule.to_owned(), severity);
        if self.0.len() >= Self::RULES && !self.0.contains_key(&key) {
            Self::OTHER.clone_into(&mut key.0);
        }
        *self.0.entry(key).or_default() += 1;
    }

    /// Rule, severity and count.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'static str, u64)> {
        self.0
            .iter()
            .map(|((rule, severity), count)| (rule.as_str(), *severity, *count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_that_invents_rules_is_counted_but_adds_no_series() {
        let mut verdicts = VerdictsBy::default();
        for rule in 0..10_000 {
            verdicts.count(&format!("rule-{rule}"), "info");
        }
        assert_eq!(verdicts.iter().count(), VerdictsBy::RULES + 1);
        assert_eq!(verdicts.iter().map(|(_, _, count)| count).sum::<u64>(), 10_000);
    }
}
