//! What becomes of a plugin's report, on the plugin's thread: samples to its series, verdicts to the writer.
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};

use super::comparing::Comparing;

use crate::clock;
use crate::interface::vespid::plugin::describe::Manifest;
use crate::interface::vespid::plugin::events::Batch;
use crate::interface::vespid::plugin::reports::{Report, Severity, Verdict};
use crate::metrics::{BadMetric, Families, Histogram, LAG_SECONDS, Limits, SeriesIds, VerdictsBy};
use crate::nest::Role;
use crate::pipeline::Origin;
use crate::plugin::{Failure, Identity, Plugin, Sink};
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
pub struct Shared {
    reported: Arc<Mutex<Reported>>,
    comparing: Comparing,
}

impl Shared {
    /// Nothing reported yet.
    ///
    /// # Errors
    /// If one of the plugin's metrics could not be exported.
    pub fn new(plugin: &Plugin, limits: Limits, comparing: Comparing) -> Result<Shared, BadMetric> {
        let families = Families::new(&plugin.identity.name, &plugin.manifest.metrics, limits, Instant::now())?;
        let lag = Histogram::new(LAG_SECONDS);
        let reported = Reported {
            families,
            verdicts: VerdictsBy::default(),
            lag,
            cpu_seconds: 0.0,
        };
        Ok(Shared {
            reported: Arc::new(Mutex::new(reported)),
            comparing,
        })
    }

    /// Looks, or writes. Each entry is a plain number, so it stays usable if a thread died while it held the lock.
    pub fn lock(&self) -> MutexGuard<'_, Reported> {
        self.reported.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The comparison with the plugin's other version.
    #[must_use]
    pub fn comparing(&self) -> &Comparing {
        &self.comparing
    }
}

/// Takes verdicts.
pub trait VerdictOut: Send {
    /// Takes one, or counts it as dropped; never waits.
    fn put(&mut self, verdict: Record);

    /// What comes from now on belongs to the next turn, where somebody counts them.
    fn end_turn(&mut self) {}
}

impl VerdictOut for verdict::Sink {
    fn put(&mut self, verdict: Record) {
        self.deliver(verdict);
    }
}

/// Applies the reports of one plugin. Of a shadow's, nothing leaves the daemon.
pub struct Reporter {
    origin: verdict::Origin,
    role: Role,
    shared: Shared,
    ids: SeriesIds,
    out: Box<dyn VerdictOut>,
}

impl Reporter {
    /// A reporter for the plugin `identity` that books in `shared` and hands verdicts to `out`.
    #[must_use]
    pub fn new(identity: &Identity, origin: &Origin, role: Role, shared: Shared, out: Box<dyn VerdictOut>) -> Reporter {
        let origin = verdict::Origin {
            node: origin.node.clone(),
            plugin: identity.name.as_str().into(),
            version: identity.version.clone(),
            digest: identity.digest.clone(),
            retro: false,
        };
        let ids = shared.lock().families.ids();
        Reporter {
            origin,
            role,
            shared,
            ids,
            out,
        }
    }

    /// Verdicts as they leave the daemon.
    fn records(&self, verdicts: Vec<Verdict>, cause: Cause<'_>) -> Vec<Record> {
        verdicts
            .into_iter()
            .filter_map(|verdict| match Record::new(&self.origin, verdict, cause) {
                Ok(record) => Some(record),
                Err(error) => {
                    tracing::error!("a verdict cannot be written as JSON: {error}");
                    None
                }
            })
            .collect()
    }

    fn book(&mut self, cause: Cause<'_>, report: &Report) {
        let cpu = clock_gettime(ClockId::ThreadCPUTime);
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
}

impl Sink for Reporter {
    fn adopt(&mut self, plugin: &Plugin) -> Result<(), String> {
        let Plugin { identity, manifest, .. } = plugin;
        let adopted = self.shared.lock().families.adopt(&identity.name, &manifest.metrics);
        adopted.map_err(|error| error.to_string())?;
        self.origin.version.clone_from(&identity.version);
        self.origin.digest.clone_from(&identity.digest);
        Ok(())
    }

    fn started(&mut self, _: &Identity, _: &Manifest) {
        self.ids = self.shared.lock().families.ids();
    }

    fn apply(&mut self, _: &Identity, now: u64, cause: Cause<'_>, mut report: Report) {
        self.book(cause, &report);
        let verdicts = std::mem::take(&mut report.verdicts);
        let records = self.records(verdicts, cause);
        self.shared.comparing.called(self.role, now, cause, &records);
        if self.role == Role::Active {
            records.into_iter().for_each(|record| self.out.put(record));
        }
    }

    fn missed(&mut self, events: u64, from: u64, to: u64) {
        self.shared.comparing.missed(self.role, events, from, to);
    }

    fn end_turn(&mut self) {
        self.out.end_turn();
    }

    fn quarantined(&mut self, identity: &Identity, now: u64, failure: &Failure) {
        if self.role == Role::Shadow {
            return;
        }
        let verdict = Verdict {
            rule: "plugin-quarantined".to_owned(),
            severity: Severity::Error,
            message: format!(
                "plugin {} failed too often and gets no events any more: it {failure}",
                identity.name
            ),
            key: identity.name.clone(),
            tags: Vec::new(),
            subject: None,
            fields: vec![
                ("plugin".to_owned(), identity.name.clone()),
                ("version".to_owned(), identity.version.clone()),
                ("digest".to_owned(), identity.digest.clone()),
                ("reason".to_owned(), failure.reason().to_owned()),
            ],
        };
        let daemon = verdict::Origin {
            node: self.origin.node.clone(),
            plugin: "vespid".into(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            digest: String::new(),
            retro: false,
        };
        match Record::new(&daemon, verdict, Cause::Tick(now)) {
            Ok(record) => self.out.put(record),
            Err(error) => tracing::error!("a verdict cannot be written as JSON: {error}"),
        }
    }
}

fn oldest(batch: &Batch) -> Option<u64> {
    batch.facts().filter_map(|facts| facts.time.first()).min().copied()
}
