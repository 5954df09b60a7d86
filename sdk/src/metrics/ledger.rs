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
    let mut hasher = FixedState::default().build_hasher();
    hasher.write_u32(metric);
    for label in labels {
        hasher.write(label);
        hasher.write_u8(0xff);
    }
    hasher.finish()
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
                series.metric == metric && series.labels.iter().map(|label| &**label).eq(labels.iter().copied())
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
