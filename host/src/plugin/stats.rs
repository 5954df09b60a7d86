//! What a plugin did and what it cost, for /metrics and /plugins.
use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use vespid_ebpf::Kind;

use crate::ledger::Stage;

use super::subscription::Rows;
use super::swap::Carried;

/// Upper bounds of [`CallTimes::buckets`], in seconds; the last bucket has none.
pub const CALL_TIME_BOUNDS: [f64; 11] = [
    0.000_01, 0.000_03, 0.000_1, 0.000_3, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0,
];

/// How one plugin is doing, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PluginStats {
    /// Whether it is running.
    pub status: Status,
    /// Its events: in = out + dropped, at every moment.
    pub stage: Stage,
    /// Time in `on-batch`.
    pub on_batch: CallTimes,
    /// Time in `tick`.
    pub tick: CallTimes,
    /// Instructions in both, by wasmtime's count, if the engine counts them.
    #[serde(skip)]
    pub fuel: u64,
    /// Verdicts in accepted reports.
    pub verdicts: u64,
    /// Verdicts over the plugin's rate, which were dropped.
    pub verdicts_dropped: u64,
    /// Linear memory of the present instance, in bytes.
    pub memory_bytes: u64,
    /// The most that any of its instances had.
    pub memory_peak_bytes: u64,
    /// Failed calls by reason.
    pub failures: BTreeMap<&'static str, u64>,
    /// What the last failure was.
    pub last_failure: Option<String>,
    /// Instances made after a failure.
    pub restarts: u64,
    /// Instances made because the one before used most of its memory.
    pub renewals: u64,
    /// The longest that it took no batch while one instance took over from another, in nanoseconds.
    pub longest_pause_ns: u64,
    /// What became of its state at the last such exchange.
    pub carried: Carried,
    /// Size of its last good state.
    pub state_bytes: u64,
    /// Event time of its last good state, in Unix nanoseconds; 0 before the first.
    pub state_time: u64,
    /// Lines it wrote to the log.
    pub log_lines: u64,
    /// Lines over the limit of rate, which were dropped.
    pub log_lines_dropped: u64,
    /// Time of the last event handed to it, in Unix nanoseconds; 0 before the first.
    pub last_event: u64,
}

impl PluginStats {
    pub(super) fn pass_rows(&mut self, rows: &Rows) {
        for kind in Kind::ALL {
            self.stage.pass(kind, rows[kind.index()]);
        }
    }

    pub(super) fn drop_rows(&mut self, reason: &'static str, rows: &Rows) {
        for kind in Kind::ALL {
            self.stage.drop(kind, reason, rows[kind.index()]);
        }
    }

    pub(super) fn set_memory(&mut self, bytes: usize) {
        self.memory_bytes = bytes as u64;
        self.memory_peak_bytes = self.memory_peak_bytes.max(self.memory_bytes);
    }
}

/// Whether a plugin is running.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It is.
    #[default]
    Running,
    /// It failed, and waits for its next instance.
    Backoff,
    /// It failed too often.
    Quarantined,
}

/// How long calls took.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CallTimes {
    /// How many there were.
    pub calls: u64,
    /// All of them together, in nanoseconds, converting the batch included.
    pub total_ns: u64,
    /// Calls by duration; not cumulative.
    pub buckets: [u64; CALL_TIME_BOUNDS.len() + 1],
}

impl CallTimes {
    pub(super) fn add(&mut self, time: Duration) {
        self.calls += 1;
        self.total_ns += u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let seconds = time.as_secs_f64();
        self.buckets[CALL_TIME_BOUNDS.partition_point(|bound| *bound < seconds)] += 1;
    }
}
