//! The plugin's metrics.
use vespid_plugin::prelude::*;
use vespid_plugin::{Exec, errno};

/// Handles on the metrics.
pub struct Metrics {
    execs: Counter<2>,
    hits: Counter<2>,
    withheld: Counter<1>,
    bursts: Gauge<0>,
    pairs: Gauge<0>,
    learning: Gauge<0>,
}

/// Short id of the process's container, or `host`.
pub(crate) fn container(process: Process<'_>) -> &[u8] {
    process.container().map_or(b"host", Container::short_id)
}

impl Metrics {
    pub(crate) fn declare(declare: &Registry) -> Self {
        Metrics {
            execs: declare
                .counter("execs", "Executions, by how they ended.")
                .labels(["container", "result"]),
            hits: declare
                .counter("hits", "Times a rule was met, reported or not.")
                .labels(["rule", "container"]),
            withheld: declare
                .counter(
                    "withheld",
                    "Verdicts that were not given because there were too many a minute.",
                )
                .labels(["rule"]),
            bursts: declare.gauge("bursts", "Bursts of executions going on."),
            pairs: declare.gauge("known_pairs", "Remembered pairs of parent and executable."),
            learning: declare.gauge("learning", "1 while pairs are learned and none is reported."),
        }
    }

    pub(crate) fn exec(&self, exec: Exec<'_>) {
        let result = match exec.errno() {
            0 => "ok",
            errno::ENOENT | errno::ENOTDIR => "not-found",
            errno::EACCES | errno::EPERM => "denied",
            _ => "other",
        };
        let container = exec.process().map_or(&b"host"[..], container);
        self.execs.with([container, result.as_bytes()]).inc();
    }

    pub(crate) fn hit(&self, rule: &str, process: Process<'_>) {
        self.hits.with([rule.as_bytes(), container(process)]).inc();
    }

    pub(crate) fn withheld(&self, rule: &str) {
        self.withheld.with([rule.as_bytes()]).inc();
    }

    #[expect(clippy::cast_precision_loss, reason = "bounded by the configuration, far below 2^52")]
    pub(crate) fn state(&self, bursts: usize, pairs: usize, is_learning: bool) {
        self.bursts.with([]).set(bursts as f64);
        self.pairs.with([]).set(pairs as f64);
        self.learning.with([]).set(f64::from(u8::from(is_learning)));
    }
}
