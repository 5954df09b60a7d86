//! The series of one metric, in columns: a scrape copies them in a few large moves.
use std::collections::HashMap;
use std::sync::Arc;

use super::descriptor::{Descriptor, OVERFLOW_LABEL};
use super::histogram;
use crate::interface::vespid::plugin::describe::MetricKind;

/// The label values of a series, shared by the index, the column and every scrape.
pub(super) type Labels = Arc<[Box<str>]>;

/// A series' place in its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) at: u32,
    /// Counts how often the place was given to another series.
    pub(super) generation: u32,
}

/// What a series is to a scrape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It is shown.
    Live,
    /// It was idle for too long: not shown, but it continues from its old value.
    Dormant,
    /// The place is empty.
    Free,
}

#[derive(Clone, Copy, Debug)]
struct Life {
    phase: Phase,
    generation: u32,
    /// Second of the last sample.
    seen: u32,
}

#[derive(Debug)]
pub(super) struct Family {
    pub(super) descriptor: Arc<Descriptor>,
    /// Number of the manifest that brought it.
    pub(super) since: u64,
    index: HashMap<Labels, u32>,
    free: Vec<u32>,
    labels: Vec<Labels>,
    life: Vec<Life>,
    /// A counter's or gauge's value, a histogram's sum.
    values: Vec<f64>,
    /// A histogram's counts, one row of buckets a series.
    counts: Vec<u64>,
    overflow: Option<Box<Overflow>>,
}

#[derive(Clone, Debug)]
struct Overflow {
    value: f64,
    counts: Vec<u64>,
}

impl Family {
    /// One without series, except that a counter or histogram without labels starts at 0.
    pub(super) fn new(descriptor: Descriptor, since: u64) -> Family {
        let mut family = Family {
            descriptor: Arc::new(descriptor),
            since,
            index: HashMap::new(),
            free: Vec::new(),
            labels: Vec::new(),
            life: Vec::new(),
            values: Vec::new(),
            counts: Vec::new(),
            overflow: None,
        };
        if !family.has_labels() && family.descriptor.kind != MetricKind::Gauge {
            family.insert(Vec::new(), 0);
        }
        family
    }

    pub(super) fn has_labels(&self) -> bool {
        !self.descriptor.labels.is_empty()
    }

    fn buckets(&self) -> usize {
        if self.descriptor.kind == MetricKind::Histogram {
            self.descriptor.bounds.len() + 1
        } else {
            0
        }
    }

    pub(super) fn find(&self, labels: &[Box<str>]) -> Option<Slot> {
        let at = *self.index.get(labels)?;
        Some(Slot {
            at,
            generation: self.life[at as usize].generation,
        })
    }

    /// What became of the series that was once given this slot.
    pub(super) fn phase(&self, slot: Slot) -> Phase {
        match self.life.get(slot.at as usize) {
            Some(life) if life.generation == slot.generation => life.phase,
            _ => Phase::Free,
        }
    }

    pub(super) fn insert(&mut self, labels: Vec<Box<str>>, now: u32) -> Option<Slot> {
        let labels: Labels = labels.into();
        let buckets = self.buckets();
        let (at, generation) = if let Some(at) = self.free.pop() {
            let row = at as usize;
            let generation = self.life[row].generation;
            self.labels[row] = Arc::clone(&labels);
            self.life[row] = Life {
                phase: Phase::Live,
                generation,
                seen: now,
            };
            self.values[row] = 0.0;
            self.counts[row * buckets..(row + 1) * buckets].fill(0);
            (at, generation)
        } else {
            let at = u32::try_from(self.life.len()).ok()?;
            self.labels.push(Arc::clone(&labels));
            self.life.push(Life {
                phase: Phase::Live,
                generation: 0,
                seen: now,
            });
            self.values.push(0.0);
            self.counts.resize(self.counts.len() + buckets, 0);
            (at, 0)
        };
        self.index.insert(labels, at);
        Some(Slot { at, generation })
    }

    /// Labelled series that are shown.
    pub(super) fn live(&self) -> usize {
        let live = self.life.iter().filter(|life| life.phase == Phase::Live);
        if self.has_labels() { live.count() } else { 0 }
    }

    pub(super) fn wake(&mut self, slot: Slot, now: u32) {
        let life = &mut self.life[slot.at as usize];
        life.phase = Phase::Live;
        life.seen = now;
    }

    /// Takes a sample for a live series; false if it is none.
    pub(super) fn add(&mut self, slot: Slot, value: f64, now: u32) -> bool {
        let buckets = self.buckets();
        let row = slot.at as usize;
        self.life[row].seen = now;
        let counts = &mut self.counts[row * buckets..(row + 1) * buckets];
        record(&self.descriptor, &mut self.values[row], counts, value)
    }

    /// Takes a sample of a series that has no place. The last value of many gauges says nothing, so it is not kept.
    pub(super) fn add_overflow(&mut self, value: f64) -> bool {
        if self.descriptor.kind == MetricKind::Gauge {
            return false;
        }
        let buckets = self.buckets();
        let overflow = self.overflow.get_or_insert_with(|| {
            Box::new(Overflow {
                value: 0.0,
                counts: vec![0; buckets],
            })
        });
        record(&self.descriptor, &mut overflow.value, &mut overflow.counts, value)
    }

    /// Lays series to rest that had no sample since before second `before`.
    pub(super) fn lay_to_rest(&mut self, before: u32, mut resting: impl FnMut(Slot)) {
        for (at, life) in (0u32..).zip(&mut self.life) {
            if life.phase == Phase::Live && life.seen < before {
                life.phase = Phase::Dormant;
                resting(Slot {
                    at,
                    generation: life.generation,
                });
            }
        }
    }

    /// Empties the slot of a dormant series.
    pub(super) fn free(&mut self, slot: Slot) {
        if self.phase(slot) == Phase::Dormant {
            let row = slot.at as usize;
            let labels = std::mem::replace(&mut self.labels[row], Arc::from([]));
            self.index.remove(&labels);
            self.life[row].phase = Phase::Free;
            self.life[row].generation = self.life[row].generation.wrapping_add(1);
            self.free.push(slot.at);
        }
    }

    pub(super) fn snapshot(&self) -> FamilySnapshot {
        let buckets = self.buckets();
        let rows = || (0..self.life.len()).filter(|row| self.life[*row].phase == Phase::Live);
        FamilySnapshot {
            descriptor: Arc::clone(&self.descriptor),
            series: rows()
                .map(|row| (Arc::clone(&self.labels[row]), self.values[row]))
                .collect(),
            counts: rows()
                .flat_map(|row| &self.counts[row * buckets..(row + 1) * buckets])
                .copied()
                .collect(),
            overflow: self
                .overflow
                .as_ref()
                .map(|overflow| (overflow.value, overflow.counts.clone())),
        }
    }
}

fn record(descriptor: &Descriptor, total: &mut f64, counts: &mut [u64], value: f64) -> bool {
    if !value.is_finite() {
        return false;
    }
    match descriptor.kind {
        MetricKind::Counter if value < 0.0 => return false,
        // A sum beyond what a number can hold stays at the end of the scale rather than become infinite.
        MetricKind::Counter => *total = (*total + value).min(f64::MAX),
        MetricKind::Gauge => *total = value,
        MetricKind::Histogram => {
            *total = (*total + value).clamp(f64::MIN, f64::MAX);
            counts[histogram::bucket(&descriptor.bounds, value)] += 1;
        }
    }
    true
}

/// One series as numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Index of its metric in the present manifest.
    pub metric: usize,
    /// Label names and values.
    pub labels: Vec<(String, String)>,
    /// A counter's or gauge's value, a histogram's sum.
    pub value: f64,
    /// A histogram's number of observations.
    pub count: Option<u64>,
}

/// A family as it was at one moment.
#[derive(Clone, Debug)]
pub struct FamilySnapshot {
    pub(super) descriptor: Arc<Descriptor>,
    pub(super) series: Vec<(Labels, f64)>,
    /// A histogram's counts, one row of buckets a series.
    pub(super) counts: Vec<u64>,
    pub(super) overflow: Option<(f64, Vec<u64>)>,
}

impl FamilySnapshot {
    /// The name of the family.
    #[must_use]
    pub fn name(&self) -> String {
        self.descriptor.name()
    }

    /// Every series as numbers; the family is the one of this metric in the manifest.
    pub(super) fn readings(&self, metric: usize) -> Vec<Reading> {
        let buckets = (self.descriptor.kind == MetricKind::Histogram).then(|| self.descriptor.bounds.len() + 1);
        let shown = self.series.iter().enumerate().map(|(row, (values, value))| {
            let names = self.descriptor.labels.iter().cloned();
            let labels = names.zip(values.iter().map(ToString::to_string)).collect();
            let count = buckets.map(|buckets| self.counts[row * buckets..(row + 1) * buckets].iter().sum());
            Reading {
                metric,
                labels,
                value: *value,
                count,
            }
        });
        let overflow = self.overflow.iter().map(|(value, counts)| Reading {
            metric,
            labels: vec![(OVERFLOW_LABEL.to_owned(), "true".to_owned())],
            value: *value,
            count: buckets.map(|_| counts.iter().sum()),
        });
        shown.chain(overflow).collect()
    }

    /// How many series it shows.
    #[must_use]
    pub fn series(&self) -> usize {
        self.series.len() + usize::from(self.overflow.is_some())
    }
}
