//! What the screen shows, as plain data.
use std::time::Duration;

/// Everything on the screen.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Name and version of this program, node, kernel.
    pub title: String,
    /// Time since the start.
    pub up: Duration,
    /// Where metrics and plugins can be read.
    pub urls: Vec<String>,
    /// One line for each kind of event.
    pub rates: Vec<RateLine>,
    /// One line for each plugin.
    pub plugins: Vec<PluginLine>,
    /// The last verdicts, newest first.
    pub verdicts: Vec<VerdictLine>,
    /// Processes in the table.
    pub processes: usize,
    /// Where verdicts are written.
    pub verdict_file: String,
    /// The last log lines, oldest first.
    pub log: Vec<String>,
}

/// A kind of event.
#[derive(Clone, Debug, Default)]
pub struct RateLine {
    /// Its name.
    pub kind: String,
    /// Events per second.
    pub per_second: f64,
    /// Events since the start.
    pub total: u64,
    /// Events lost since the start, at any stage before the plugins.
    pub dropped: u64,
}

/// A plugin.
#[derive(Clone, Debug, Default)]
pub struct PluginLine {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it is doing: `running`, `backing off`, `quarantined`.
    pub state: String,
    /// Events per second.
    pub per_second: f64,
    /// Nanoseconds in the guest per event, since the start.
    pub ns_per_event: f64,
    /// Share of one CPU, in percent.
    pub cpu_percent: f64,
    /// Memory of its instance.
    pub memory_bytes: usize,
    /// Verdicts since the start.
    pub verdicts: u64,
    /// Events it did not get, since the start.
    pub dropped: u64,
}

/// A verdict.
#[derive(Clone, Debug, Default)]
pub struct VerdictLine {
    /// Time of day, `hh:mm:ss`.
    pub time: String,
    /// `info` to `critical`.
    pub severity: String,
    /// `plugin/rule`.
    pub rule: String,
    /// The message, already escaped.
    pub message: String,
}
