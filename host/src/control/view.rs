//! A running daemon at one moment, as plain data: what the screens show, and what crosses the control socket for them.
//!
//! What crosses the socket are totals and the daemon's own clock. Rates are made where they are shown, from two views
//! ([`crate::screen::Rates`]): so the daemon keeps nothing for a client, two of them with different intervals do not
//! disturb each other, and a restarted daemon is noticed instead of shown as a rate below zero.
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::protocol::Mode;

/// Everything on a screen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct View {
    /// Name and version of this program, node, kernel.
    pub title: String,
    /// When the daemon started, in Unix nanoseconds: another value is another daemon.
    pub started: u64,
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
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RateLine {
    /// Its name.
    pub kind: String,
    /// Events since the start.
    pub total: u64,
    /// Events lost since the start, before the plugins.
    pub dropped: Losses,
    /// Events per second, where it is shown.
    #[serde(skip)]
    pub per_second: f64,
}

/// Events lost, by the stage that they did not leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Losses {
    /// Between the probes and the daemon.
    pub kernel: u64,
    /// Records that are none.
    pub decode: u64,
    /// Events that did not come into a batch.
    pub enrich: u64,
}

impl Losses {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.kernel.saturating_add(self.decode).saturating_add(self.enrich)
    }
}

/// A plugin. Everything counts from the start of the daemon, over all of the plugin's versions and instances.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PluginLine {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Whether its verdicts and metrics are exported.
    pub mode: Mode,
    /// What it is doing: `running`, `backing off`, `quarantined`.
    pub state: String,
    /// Events that it was handed and is done with.
    pub events: u64,
    /// Time in the guest's `on-batch`, in nanoseconds.
    pub guest_ns: u64,
    /// CPU time of its thread, in seconds.
    pub cpu_seconds: f64,
    /// Memory of its instance.
    pub memory_bytes: u64,
    /// The most that any of its instances had.
    pub memory_peak_bytes: u64,
    /// Events that wait for it.
    pub queue_events: u64,
    /// How far it is behind the newest event, in seconds of event time.
    pub lag_seconds: f64,
    /// Events it did not get.
    pub dropped: u64,
    /// Verdicts.
    pub verdicts: u64,
    /// Series that it has.
    pub series: u64,
    /// Swaps for another file or configuration.
    pub reloads: u64,
    /// Instances made after a failure.
    pub restarts: u64,
    /// Size of its last snapshot.
    pub state_bytes: u64,
    /// What its last failure was.
    pub last_failure: Option<String>,
    /// Events per second, where it is shown.
    #[serde(skip)]
    pub per_second: f64,
    /// Nanoseconds in the guest per event: lately if there were events, else since the start. Where it is shown.
    #[serde(skip)]
    pub ns_per_event: f64,
    /// Share of one CPU in percent, where it is shown.
    #[serde(skip)]
    pub cpu_percent: f64,
}

/// A verdict.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
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
