//! What somebody who watched a load says of it.
use std::time::Duration;

/// How long what is on its way may take to arrive.
pub(super) const DRAIN: Duration = Duration::from_millis(500);

/// What was seen of a load.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Events that reached the tracer, lost ones included; none if it does not say.
    pub events: Option<f64>,
    /// Events that it handed on.
    pub delivered: Option<f64>,
    /// Lost, by reason.
    pub dropped: Vec<(String, f64)>,
    /// Whether in = out + dropped at every stage; none if nobody keeps books.
    pub closes: Option<bool>,
    /// Its CPU time.
    pub cpu_seconds: f64,
    /// Its memory after the load.
    pub resident_bytes: f64,
    /// Seconds from an event to the end of its plugin's call.
    pub lag: Option<[f64; 2]>,
}
