//! Where a tried plugin's reports go: its verdicts are kept, and its samples booked as the daemon books them.
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::Options;
use super::outcome::Series;
use crate::interface::vespid::plugin::describe::Manifest;
use crate::interface::vespid::plugin::reports::Report;
use crate::metrics::{BadMetric, Families, SeriesIds};
use crate::plugin::{Failure, Identity, Plugin, Sink};
use crate::recording::Header;
use crate::verdict::{self, Cause, Record};

/// What a plugin has reported so far.
struct Reported {
    families: Families,
    verdicts: Vec<Record>,
}

/// The plugin's thread writes in it, the trial reads.
#[derive(Clone)]
pub(super) struct Book {
    reported: Arc<Mutex<Reported>>,
    origin: verdict::Origin,
}

impl Book {
    pub(super) fn new(plugin: &Plugin, header: &Header, options: &Options) -> Result<Book, BadMetric> {
        let identity = &plugin.identity;
        let families = Families::new(&identity.name, &plugin.manifest.metrics, options.series, Instant::now())?;
        Ok(Book {
            reported: Arc::new(Mutex::new(Reported {
                families,
                verdicts: Vec::new(),
            })),
            origin: verdict::Origin {
                node: header.node.clone(),
                plugin: identity.name.as_str().into(),
                version: identity.version.clone(),
                digest: identity.digest.clone(),
                retro: options.retro,
            },
        })
    }

    pub(super) fn reporter(&self) -> Reporter {
        Reporter {
            ids: self.lock().families.ids(),
            book: self.clone(),
        }
    }

    /// The verdicts since this was last asked.
    pub(super) fn verdicts(&self) -> Vec<Record> {
        std::mem::take(&mut self.lock().verdicts)
    }

    pub(super) fn series(&self, manifest: &Manifest) -> Vec<Series> {
        let readings = self.lock().families.readings();
        let named = readings.into_iter().filter_map(|reading| {
            Some(Series {
                name: manifest.metrics.get(reading.metric)?.name.clone(),
                labels: reading.labels,
                value: reading.value,
                count: reading.count,
            })
        });
        named.collect()
    }

    fn lock(&self) -> MutexGuard<'_, Reported> {
        self.reported.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct Reporter {
    book: Book,
    ids: SeriesIds,
}

impl Sink for Reporter {
    fn adopt(&mut self, plugin: &Plugin) -> Result<(), String> {
        let Plugin { identity, manifest, .. } = plugin;
        let adopted = self.book.lock().families.adopt(&identity.name, &manifest.metrics);
        adopted.map_err(|error| error.to_string())?;
        self.book.origin.version.clone_from(&identity.version);
        self.book.origin.digest.clone_from(&identity.digest);
        Ok(())
    }

    fn started(&mut self, _: &Identity, _: &Manifest) {
        self.ids = self.book.lock().families.ids();
    }

    fn apply(&mut self, _: &Identity, _: u64, cause: Cause<'_>, mut report: Report) {
        let verdicts = std::mem::take(&mut report.verdicts);
        let records: Vec<Record> = verdicts
            .into_iter()
            .filter_map(|verdict| match Record::new(&self.book.origin, verdict, cause) {
                Ok(record) => Some(record),
                Err(error) => {
                    tracing::error!("a verdict cannot be written as JSON: {error}");
                    None
                }
            })
            .collect();
        let mut reported = self.book.lock();
        let samples = (&*report.series, &*report.ids, &*report.values);
        reported.families.apply(&mut self.ids, samples, Instant::now());
        reported.verdicts.extend(records);
    }

    fn missed(&mut self, _: u64, _: u64, _: u64) {}

    /// The trial's owner learns it from the faults.
    fn quarantined(&mut self, _: &Identity, _: u64, _: &Failure) {}
}
