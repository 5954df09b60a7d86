//! The plugin's metrics.
use vespid_plugin::prelude::*;
use vespid_plugin::{Connection, ConnectionOp, SeriesId, errno};

use crate::graph::CALL_LABELS;
use crate::lines::Line;

pub(crate) const ACTIVE_LABELS: [&str; 4] = ["container", "process", "direction", "port"];

/// From a tenth of a millisecond, which is a health check on loopback, to a day, which is a database connection.
const DURATIONS: [f64; 13] = [
    0.0001, 0.001, 0.01, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0, 21_600.0, 86_400.0,
];
/// From loopback to a satellite.
const ROUND_TRIPS: [f64; 12] = [
    0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0,
];

/// Handles on the metrics.
pub struct Metrics {
    opened: Counter<4>,
    accepted: Counter<4>,
    failed: Counter<5>,
    closed: Counter<5>,
    bytes: Counter<5>,
    retransmits: Counter<4>,
    duration: Histogram<3>,
    rtt: Histogram<3>,
    pub(crate) active: Gauge<4>,
    pub(crate) calls: Counter<5>,
}

impl Metrics {
    pub(crate) fn declare(declare: &Registry) -> Self {
        let base = ["container", "process", "direction", "port"];
        let with = |last| ["container", "process", "direction", "port", last];
        let brief = ["container", "process", "direction"];
        Metrics {
            opened: declare
                .counter("opened", "Connections opened by this end and answered.")
                .labels(base),
            accepted: declare
                .counter("accepted", "Connections opened by the peer and taken.")
                .labels(base),
            failed: declare
                .counter("failed", "Connections that could not be opened.")
                .labels(with("reason")),
            closed: declare
                .counter("closed", "Connections that ended.")
                .labels(with("reason")),
            bytes: declare
                .counter(
                    "payload",
                    "Payload of closed connections; sent counts what the peer acknowledged.",
                )
                .unit("bytes")
                .labels(with("flow")),
            retransmits: declare
                .counter("retransmits", "Segments that had to be sent again.")
                .labels(base),
            duration: declare
                .histogram("duration", "How long closed connections lived.", &DURATIONS)
                .unit("seconds")
                .labels(brief),
            rtt: declare
                .histogram("rtt", "Smoothed round-trip time when a connection ended.", &ROUND_TRIPS)
                .unit("seconds")
                .labels(brief),
            active: declare
                .gauge("active", "Connections seen to begin and not yet to end.")
                .labels(ACTIVE_LABELS),
            calls: declare
                .counter(
                    "calls",
                    "Connections by who opened them and who took them: the edges of a graph of services.",
                )
                .labels(CALL_LABELS),
        }
    }

    pub(crate) fn begun(&self, op: ConnectionOp, Line { labels, series, .. }: &mut Line<'_>) {
        let (counter, id) = if op == ConnectionOp::Accepted {
            (&self.accepted, &mut series.accepted)
        } else {
            (&self.opened, &mut series.opened)
        };
        let id = *id.get_or_insert_with(|| counter.with(labels.base()).id());
        counter.at(id).inc();
    }

    pub(crate) fn failed(&self, connection: Connection<'_>, line: &mut Line<'_>) {
        let Line { labels, series, .. } = line;
        let id = of_error(&mut series.failed, connection.errno(), || {
            self.failed.with(labels.with(reason(connection.errno()))).id()
        });
        self.failed.at(id).inc();
        self.resent(connection, line);
    }

    pub(crate) fn closed(&self, connection: Connection<'_>, line: &mut Line<'_>) {
        self.resent(connection, line);
        let Line { labels, series, .. } = line;
        let id = of_error(&mut series.closed, connection.errno(), || {
            let end = match connection.errno() {
                0 => "normal",
                errno => reason(errno),
            };
            self.closed.with(labels.with(end)).id()
        });
        self.closed.at(id).inc();
        for (flow, bytes, series) in [
            ("sent", connection.sent(), &mut series.sent),
            ("received", connection.received(), &mut series.received),
        ] {
            if bytes > 0 {
                let id = *series.get_or_insert_with(|| self.bytes.with(labels.with(flow)).id());
                self.bytes.at(id).add(bytes);
            }
        }
        if let Some(duration) = connection.duration() {
            let new = || self.duration.with(labels.brief()).id();
            let id = *series.duration.get_or_insert_with(new);
            self.duration.at(id).observe(seconds(duration));
        }
        if let Some(srtt) = connection.srtt() {
            let new = || self.rtt.with(labels.brief()).id();
            let id = *series.rtt.get_or_insert_with(new);
            self.rtt.at(id).observe(seconds(u64::from(srtt) * 1000));
        }
    }

    fn resent(&self, connection: Connection<'_>, Line { labels, series, .. }: &mut Line<'_>) {
        if connection.retransmits() > 0 {
            let new = || self.retransmits.with(labels.base()).id();
            let id = *series.retransmits.get_or_insert_with(new);
            self.retransmits.at(id).add(connection.retransmits().into());
        }
    }
}

/// The series of an error, which is mostly that of the last one.
fn of_error(last: &mut Option<(u32, SeriesId)>, errno: u32, find: impl FnOnce() -> SeriesId) -> SeriesId {
    match *last {
        Some((same, id)) if same == errno => id,
        _ => last.insert((errno, find())).1,
    }
}

#[expect(clippy::cast_precision_loss, reason = "a histogram needs no nanoseconds of a year")]
fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

/// Why a connection failed or was cut.
fn reason(errno: u32) -> &'static str {
    match errno {
        errno::ECONNREFUSED => "refused",
        errno::ETIMEDOUT => "timeout",
        errno::ECONNRESET => "reset",
        errno::ENETUNREACH | errno::EHOSTUNREACH => "unreachable",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_is_of_seconds() {
        assert_eq!([0, 250_000_000, 3_000_000_000].map(seconds), [0.0, 0.25, 3.0]);
    }

    #[test]
    fn a_failure_has_a_reason() {
        let reasons = [
            errno::ECONNREFUSED,
            errno::EHOSTUNREACH,
            errno::ENETUNREACH,
            errno::EACCES,
        ]
        .map(reason);
        assert_eq!(reasons, ["refused", "unreachable", "unreachable", "other"]);
    }
}
