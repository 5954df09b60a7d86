//! What becomes of a plugin's report, on the plugin's thread: samples to its series, verdicts to the writer.
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};

use crate::clock;
use crate::interface::vespid::plugin::describe::Manifest;
use crate::interface::vespid::plugin::events::Batch;
use crate::interface::vespid::plugin::reports::Report;
use crate::metrics::{BadMetric, Families, Histogram, LAG_SECONDS, Limits, SeriesIds, VerdictsBy};
use crate::pipeline::Origin;
use crate::plugin::{Identity, Plugin, Sink};
use crate::verdict::{self, Cause, Record, severity_name};

/// What a plugin has reported so far.
pub struct Reported {
    /// Its metrics.
    pub families: Families,
    /// Its verdicts by rule and severity.
    pub verdicts: VerdictsBy,
    /// Age of a batch's oldest event when the plugin was done with it.
    pub lag: Histogram,
    /// CPU time of its thread.
    pub cpu_seconds: f64,
}

/// [`Reported`], shared by the plugin's thread and whoever looks.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<Reported>>);

impl Shared {
    /// Nothing reported yet.
    ///
    /// # Errors
    /// If one of the plugin's metrics could not be exported.
    pub fn new(plugin: &Plugin, limits: Limits) -> Result<Shared, BadMetric> {
        let families = Families::new(&plugin.identity.name, &plugin.manifest.metrics, limits, Instant::now())?;
        let lag = Histogram::new(LAG_SECONDS);
        let reported = Reported {
            families,
            verdicts: VerdictsBy::default(),
            lag,
            cpu_seconds: 0.0,
        };
        Ok(Shared(Arc::new(Mutex::new(reported))))
    }

    /// Looks, or writes. Each entry is a plain number, so it stays usable if a thread died while it held the lock.
    pub fn lock(&self) -> MutexGuard<'_, Reported> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes verdicts.
pub trait VerdictOut: Send {
    /// Takes one, or counts it as dropped; never waits.
    fn put(&mut self, verdict: Record);
}

impl VerdictOut for verdict::Sink {
    fn put(&mut self, verdict: Record) {
        self.deliver(verdict);
    }
}

/// Applies the reports of one plugin.
pub struct Reporter<V> {
    origin: verdict::Origin,
    shared: Shared,
    ids: SeriesIds,
    out: V,
}

impl<V: VerdictOut> Reporter<V> {
    /// A reporter for the plugin `identity` that books in `shared` and hands verdicts to `out`.
    pub fn new(identity: &Identity, origin: &Origin, shared: Shared, out: V) -> Reporter<V> {
        let origin = verdict::Origin {
            node: origin.node.clone(),
            plugin: identity.name.as_str().into(),
            version: identity.version.clone(),
            digest: identity.digest.clone(),
        };
        Reporter {
            origin,
            shared,
            ids: SeriesIds::default(),
            out,
        }
    }
}

impl<V: VerdictOut> Sink for Reporter<V> {
    fn started(&mut self, _: &Identity, _: &Manifest) {
        self.ids = SeriesIds::default();
    }

    fn apply(&mut self, _: &Identity, cause: Cause<'_>, report: Report) {
        let cpu = clock_gettime(ClockId::ThreadCPUTime);
        {
            let mut shared = self.shared.lock();
            let samples = (&*report.series, &*report.ids, &*report.values);
            shared.families.apply(&mut self.ids, samples, Instant::now());
            for verdict in &report.verdicts {
                shared.verdicts.count(&verdict.rule, severity_name(verdict.severity));
            }
            if let Cause::Batch(batch) = cause
                && let Some(first) = oldest(batch)
            {
                shared.lag.observe(clock::seconds(clock::now().saturating_sub(first)));
            }
            shared.cpu_seconds = clock::timespec_seconds(cpu);
        }
        for verdict in report.verdicts {
            match Record::new(&self.origin, verdict, cause) {
                Ok(record) => self.out.put(record),
                Err(error) => tracing::error!("a verdict cannot be written as JSON: {error}"),
            }
        }
    }
}

fn oldest(batch: &Batch) -> Option<u64> {
    let firsts = [
        batch.execs.as_ref().and_then(|table| table.time.first()),
        batch.exits.as_ref().and_then(|table| table.time.first()),
        batch.connections.as_ref().and_then(|table| table.time.first()),
        batch.opens.as_ref().and_then(|table| table.time.first()),
    ];
    firsts.into_iter().flatten().min().copied()
}
