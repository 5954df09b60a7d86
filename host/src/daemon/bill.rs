//! What /metrics says of each plugin, gathered from where it is kept.
use std::time::{Duration, Instant};

use super::keeper::Directory;
use super::roster::{Running, mode};
use crate::clock;
use crate::metrics::{Compared, Histogram, Plugin, Refusals, Reloads, Restarts, State};
use crate::plugin::{CALL_TIME_BOUNDS, PluginStats, Status};
use crate::shadow::Summary;

/// One plugin's bill.
pub(super) fn bill(running: &Running) -> Plugin {
    let identity = running.worker.plugin().identity;
    let stats = running.worker.stats();
    let comparison = running.reported.comparing().summary();
    let mut reported = running.reported.lock();
    Plugin {
        name: identity.name.clone(),
        version: identity.version.clone(),
        digest: identity.digest.clone(),
        mode: mode(running.role).name(),
        queue_events: running.worker.queue_events(),
        lag: reported.lag.clone(),
        calls: calls(&stats),
        cpu_seconds: reported.cpu_seconds,
        memory_bytes: stats.memory_bytes,
        memory_high_water_bytes: stats.memory_peak_bytes,
        quarantined: stats.status == Status::Quarantined,
        reloads: reloads(running, &stats),
        restarts: Restarts {
            failure: stats.restarts,
            memory: stats.renewals,
        },
        state: (stats.state_time > 0).then(|| State {
            bytes: stats.state_bytes,
            taken_seconds: clock::seconds(stats.state_time),
        }),
        books: stats.stage,
        failures: stats.failures,
        series: reported.families.series(),
        refused_series: reported.families.refused_series(),
        refused_samples: reported.families.refused_samples(),
        verdicts: reported.verdicts.clone(),
        refused_verdicts: stats.verdicts_dropped,
        shadow: comparison.map(compared).unwrap_or_default(),
        families: reported.families.snapshot(Instant::now()),
        hidden_families: 0,
    }
}

/// Of the plugin directory.
pub(super) fn refusals(directory: &Directory) -> Refusals {
    Refusals {
        files: directory.refused.len() as u64,
        by_kind: directory.refusals.iter().copied().collect(),
    }
}

fn calls(stats: &PluginStats) -> Histogram {
    Histogram::counted(
        &CALL_TIME_BOUNDS,
        &stats.on_batch.buckets,
        clock::seconds(stats.on_batch.total_ns),
    )
}

fn reloads(running: &Running, stats: &PluginStats) -> Reloads {
    let counts = running.reloads.counts();
    let seconds = |ns| Duration::from_nanos(ns).as_secs_f64();
    Reloads {
        swapped: counts.swapped,
        failed: counts.failed,
        last_seconds: seconds(counts.last_ns),
        total_seconds: seconds(counts.total_ns),
        longest_pause_seconds: seconds(stats.longest_pause_ns),
    }
}

fn compared(summary: Summary) -> std::collections::BTreeMap<String, Compared> {
    let rules = summary.rules.into_iter();
    let counts = rules.map(|(rule, counts)| {
        let compared = Compared {
            agreed: counts.agreed,
            severity: counts.severity,
            missing: counts.missing,
            extra: counts.extra,
            undecided: counts.undecided,
        };
        (rule, compared)
    });
    counts.collect()
}
