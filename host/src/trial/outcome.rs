//! What came of a trial.
use serde::Serialize;

use crate::plugin::{CallTimes, PluginStats};
use crate::verdict::Record;

/// What came of a trial.
#[derive(Debug)]
pub struct Outcome {
    /// The verdicts that nobody had asked for before the end, in the plugin's order.
    pub verdicts: Vec<Record>,
    /// The plugin's metrics at the end.
    pub series: Vec<Series>,
    /// The names of all its metrics, with a series or without.
    pub metrics: Vec<String>,
    /// What it cost.
    pub bill: Bill,
    /// Calls that failed.
    pub faults: Vec<Fault>,
}

/// One series of a metric.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Series {
    /// Name of the metric, as the plugin calls it: without prefix and suffix.
    pub name: String,
    /// Label names and values. The series of what went over a limit has the one label `otel_metric_overflow`.
    pub labels: Vec<(String, String)>,
    /// A counter's or gauge's value, a histogram's sum.
    pub value: f64,
    /// A histogram's number of observations.
    pub count: Option<u64>,
}

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What happened, and in which of the guest's functions: "trapped: … in …".
    pub text: String,
    /// Events taken in by then.
    pub event: u64,
}

/// What a plugin cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Bill {
    /// Events that it was handed.
    pub events: u64,
    /// Its batches, and the time in them.
    pub batches: CallTimes,
    /// Its ticks, and the time in them.
    pub ticks: CallTimes,
    /// The most linear memory that an instance had, in bytes.
    pub memory_peak_bytes: u64,
    /// Instructions, by wasmtime's count; 0 unless the engine counts them ([`crate::plugin::Engine::counting`]).
    pub fuel: u64,
    /// Bytes of its last state.
    pub state_bytes: u64,
    /// Verdicts over the plugin's rate, which are not in the outcome.
    pub verdicts_dropped: u64,
    /// Calls that failed.
    pub failures: u64,
    /// Events that it was not handed since it had failed.
    pub missed: u64,
}

impl Bill {
    pub(super) fn of(stats: &PluginStats) -> Bill {
        Bill {
            events: stats.stage.left.iter().sum(),
            batches: stats.on_batch.clone(),
            ticks: stats.tick.clone(),
            memory_peak_bytes: stats.memory_peak_bytes,
            fuel: stats.fuel,
            state_bytes: stats.state_bytes,
            verdicts_dropped: stats.verdicts_dropped,
            failures: stats.failures.values().sum(),
            missed: stats.stage.total_dropped(),
        }
    }

    /// Time in the guest, conversion of the batches included, in nanoseconds.
    #[must_use]
    pub fn guest_ns(&self) -> u64 {
        self.batches.total_ns + self.ticks.total_ns
    }
}
