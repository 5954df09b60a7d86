//! What has been counted and not yet reported.
use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use crate::bindings::vespid::plugin::describe::{Metric, MetricKind};
use crate::bindings::vespid::plugin::reports;
use crate::report::MAX_LABEL;
use crate::{cut, text};

struct Series {
    metric: u32,
    labels: Box<[Box<[u8]>]>,
    /// Of a counter, what the next report adds; of a gauge, its level.
    value: f64,
    dirty: bool,
}

/// The plugin's metrics, its series, and the samples for the next report.
#[derive(Default)]
pub(crate) struct Ledger {
    metrics: Vec<Metric>,
    series: Vec<Series>,
    by_labels: HashTable<u32>,
    fresh: Vec<reports::Series>,
    dirty: Vec<u32>,
    observations: Vec<(u32, f64)>,
}

fn hash_of<'a>(metric: u32, labels: impl Iterator<Item = &'a [u8]>) -> u64 {
    // Each `write` takes in the length too, so no separator is needed: one would be buffered, which in WebAssembly costs as
    // much as the label.
    let mut hasher = FixedState::with_seed(metric.into()).build_hasher();
    labels.for_each(|label| hasher.write(label));
    hasher.finish()
}

/// Whether two labels are the same, eight bytes at a time: in WebAssembly, `==` goes byte by byte.
#[inline]
fn same_bytes(one: &[u8], other: &[u8]) -> bool {
    let (ones, one_rest) = one.as_chunks::<8>();
    let (others, other_rest) = other.as_chunks::<8>();
    let same_words = || {
        ones.iter()
            .zip(others)
            .all(|(one, other)| u64::from_ne_bytes(*one) == u64::from_ne_bytes(*other))
    };
    one.len() == other.len() && same_words() && one_rest.iter().zip(other_rest).all(|(one, other)| one == other)
}

impl Ledger {
    pub(crate) fn declare(&mut self, metric: Metric) -> u32 {
        self.metrics.push(metric);
        u32::try_from(self.metrics.len() - 1).unwrap_or(u32::MAX)
    }

    pub(crate) fn metric(&mut self, index: u32, change: impl FnOnce(&mut Metric)) {
        if let Some(metric) = self.metrics.get_mut(index as usize) {
            change(metric);
        }
    }

    pub(crate) fn metrics(&self) -> &[Metric] {
        &self.metrics
    }

    pub(crate) fn series(&mut self, metric: u32, labels: &[&[u8]]) -> u32 {
        let hash = hash_of(metric, labels.iter().copied());
        let all = &self.series;
        let same = |id: &u32| {
            all.get(*id as usize).is_some_and(|series| {
                let pairs = || series.labels.iter().zip(labels);
                series.metric == metric
                    && series.labels.len() == labels.len()
                    && pairs().all(|(own, label)| same_bytes(own, label))
            })
        };
        match self.by_labels.find(hash, same) {
            Some(id) => *id,
            None => self.register(hash, metric, labels),
        }
    }

    #[cold]
    fn register(&mut self, hash: u64, metric: u32, labels: &[&[u8]]) -> u32 {
        let id = u32::try_from(self.series.len()).unwrap_or(u32::MAX);
        self.series.push(Series {
            metric,
            labels: labels.iter().map(|label| Box::from(*label)).collect(),
            value: 0.0,
            dirty: false,
        });
        let all = &self.series;
        self.by_labels.insert_unique(hash, id, |id| {
            let series = all.get(*id as usize);
            series.map_or(0, |series| {
                hash_of(series.metric, series.labels.iter().map(|label| &**label))
            })
        });
        let labels = labels
            .iter()
            .map(|label| cut(text(label).to_string(), MAX_LABEL))
            .collect();
        self.fresh.push(reports::Series { metric, labels });
        id
    }

    fn change(&mut self, id: u32, change: impl FnOnce(&mut f64)) {
        let Some(series) = self.series.get_mut(id as usize) else {
            return;
        };
        change(&mut series.value);
        if !series.dirty {
            series.dirty = true;
            self.dirty.push(id);
        }
    }

    pub(crate) fn add(&mut self, id: u32, n: f64) {
        self.change(id, |value| *value += n);
    }

    pub(crate) fn set(&mut self, id: u32, to: f64) {
        self.change(id, |value| *value = to);
    }

    pub(crate) fn observe(&mut self, id: u32, value: f64) {
        self.observations.push((id, value));
    }

    /// Moves what has been counted into a report.
    pub(crate) fn flush(&mut self, report: &mut reports::Report) {
        report.series = std::mem::take(&mut self.fresh);
        let samples = self.dirty.len() + self.observations.len();
        report.ids.reserve(samples);
        report.values.reserve(samples);
        for id in self.dirty.drain(..) {
            let Some(series) = self.series.get_mut(id as usize) else {
                continue;
            };
            series.dirty = false;
            report.ids.push(id);
            report.values.push(series.value);
            if self
                .metrics
                .get(series.metric as usize)
                .is_some_and(|metric| metric.kind == MetricKind::Counter)
            {
                series.value = 0.0;
            }
        }
        for (id, value) in self.observations.drain(..) {
            report.ids.push(id);
            report.values.push(value);
        }
    }
}
