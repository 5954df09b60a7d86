//! A plugin's metrics, kept by the daemon.
//!
//! A plugin's instance may be replaced at any time; its metrics outlive it. An instance names its series by ids that count
//! from 0, and a new instance finds the old series by metric and label values, so a counter never goes backwards.
//!
//! What keeps a plugin from filling the memory, or the time-series database:
//! - At most [`Limits::series`] labelled series are shown. Samples of series beyond go to one series of the family with the
//!   single label `otel_metric_overflow="true"`, so that sums over a family stay right; a gauge has no such series, since
//!   the last of many values says nothing. A series stays refused until the plugin's instance is replaced.
//! - A labelled series without a sample for [`Limits::idle`] is no longer shown. That holds for gauges too: what a plugin
//!   does not repeat is a statement about the past, most often about a container that is gone. A plugin that means it to
//!   stand samples it again on `tick`. Series without labels never go.
//! - A series that comes back continues from its old value, unless as many as the limit went idle after it.
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::descriptor::{BadMetric, Descriptor};
use super::family::{Family, FamilySnapshot, Phase, Slot};
use crate::bytes::{Bytes, is_unsafe_to_show};
use crate::interface::vespid::plugin::describe::{Metric, MetricKind};
use crate::interface::vespid::plugin::reports::Series;

/// Most bytes of a label value; the rest is cut off and marked with `…`.
const MAX_LABEL_BYTES: usize = 512;

/// Most ids that an instance may have: 12 MiB. An instance that registers more has its samples refused.
const MAX_IDS: usize = 1 << 20;

/// How much of the exposition a plugin may have.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Labelled series, over all metrics. A histogram counts as one.
    pub series: usize,
    /// How long a labelled series is shown after its last sample.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            series: 10_000,
            idle: Duration::from_secs(3_600),
        }
    }
}

/// The series that one instance of a plugin has registered, in the order of their ids.
#[derive(Debug, Default)]
pub struct SeriesIds(Vec<Handle>);

#[derive(Clone, Copy, Debug)]
struct Handle {
    family: u32,
    slot: Slot,
}

/// A slot that no series has.
const NOWHERE: Slot = Slot {
    at: u32::MAX,
    generation: 0,
};

impl SeriesIds {
    /// Whether further series will be refused, so that the instance had better be replaced.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.0.len() >= MAX_IDS
    }
}

/// All metrics of one plugin.
#[derive(Debug)]
pub struct Families {
    families: Vec<Family>,
    limits: Limits,
    born: Instant,
    /// Labelled series that are shown.
    live: usize,
    /// Series that went idle, oldest first; at most as many as may be shown.
    dormant: VecDeque<(usize, Slot)>,
    swept: u32,
    refused_series: u64,
    refused_samples: u64,
}

impl Families {
    /// The metrics of a manifest, all without a series, except that counters and histograms without labels start at 0.
    ///
    /// # Errors
    /// If a metric could not be exported under the plugin's name.
    pub fn new(plugin: &str, metrics: &[Metric], limits: Limits, now: Instant) -> Result<Families, BadMetric> {
        let mut families: Vec<Family> = Descriptor::of_plugin(plugin, metrics)?
            .into_iter()
            .map(Family::new)
            .collect();
        for family in &mut families {
            if !family.has_labels() && family.descriptor.kind != MetricKind::Gauge {
                family.insert(Vec::new(), 0);
            }
        }
        Ok(Families {
            families,
            limits,
            born: now,
            live: 0,
            dormant: VecDeque::new(),
            swept: 0,
            refused_series: 0,
            refused_samples: 0,
        })
    }

    /// Applies a report of the instance that `ids` belongs to: its new series get the next ids, and its samples go to the
    /// series that they name. What breaks the interface's rules is refused and counted.
    pub fn apply(&mut self, ids: &mut SeriesIds, report: (&[Series], &[u32], &[f64]), now: Instant) {
        let (new, sample_ids, values) = report;
        let now = self.second(now);
        for series in new {
            if ids.is_full() {
                self.refused_series += 1;
            } else {
                let handle = self.register(series, now);
                ids.0.push(handle);
            }
        }
        for (id, value) in sample_ids.iter().zip(values) {
            let handle = ids.0.get(*id as usize).copied();
            if !handle.is_some_and(|handle| self.sample(handle, *value, now)) {
                self.refused_samples += 1;
            }
        }
    }

    fn register(&mut self, series: &Series, now: u32) -> Handle {
        let nowhere = Handle {
            family: series.metric,
            slot: NOWHERE,
        };
        let at = series.metric as usize;
        let fits = self
            .families
            .get(at)
            .is_some_and(|family| family.descriptor.labels.len() == series.labels.len());
        if !fits {
            self.refused_series += 1;
            return Handle {
                family: u32::MAX,
                slot: NOWHERE,
            };
        }
        let labels: Vec<Box<str>> = series.labels.iter().map(|value| shown(value)).collect();
        if let Some(slot) = self.families[at].find(&labels) {
            return Handle { slot, ..nowhere };
        }
        let labelled = self.families[at].has_labels();
        if labelled && !self.has_room(now) {
            self.refused_series += 1;
            return nowhere;
        }
        let Some(slot) = self.families[at].insert(labels, now) else {
            return nowhere;
        };
        self.live += usize::from(labelled);
        Handle { slot, ..nowhere }
    }

    fn sample(&mut self, handle: Handle, value: f64, now: u32) -> bool {
        let at = handle.family as usize;
        let Some(family) = self.families.get_mut(at) else {
            return false;
        };
        match family.phase(handle.slot) {
            Phase::Live => family.add(handle.slot, value, now),
            Phase::Dormant if self.has_room(now) => {
                self.live += 1;
                self.families[at].wake(handle.slot, now);
                self.families[at].add(handle.slot, value, now)
            }
            Phase::Dormant | Phase::Free => self.families[at].add_overflow(value),
        }
    }

    /// Whether another labelled series may be shown, if need be after laying idle ones to rest.
    fn has_room(&mut self, now: u32) -> bool {
        if self.live >= self.limits.series && self.swept != now {
            self.sweep(now);
        }
        self.live < self.limits.series
    }

    fn sweep(&mut self, now: u32) {
        self.swept = now;
        let idle = u32::try_from(self.limits.idle.as_secs()).unwrap_or(u32::MAX);
        let Some(before) = now.checked_sub(idle) else { return };
        for (at, family) in self
            .families
            .iter_mut()
            .enumerate()
            .filter(|(_, family)| family.has_labels())
        {
            family.lay_to_rest(before, |slot| {
                self.live -= 1;
                self.dormant.push_back((at, slot));
            });
        }
        while self.dormant.len() > self.limits.series {
            if let Some((at, slot)) = self.dormant.pop_front() {
                self.families[at].free(slot);
            }
        }
    }

    /// Copies what is to be shown. The caller holds its lock for this only, not for the rendering.
    pub fn snapshot(&mut self, now: Instant) -> Vec<FamilySnapshot> {
        self.sweep(self.second(now));
        self.families
            .iter()
            .map(Family::snapshot)
            .filter(|family| family.series() > 0)
            .collect()
    }

    /// Labelled series that are shown.
    #[must_use]
    pub fn series(&self) -> usize {
        self.live
    }

    /// New series that were refused.
    #[must_use]
    pub fn refused_series(&self) -> u64 {
        self.refused_series
    }

    /// Samples that went nowhere: of a refused gauge, of an id that was never given, or of a value that the metric
    /// cannot have.
    #[must_use]
    pub fn refused_samples(&self) -> u64 {
        self.refused_samples
    }

    fn second(&self, now: Instant) -> u32 {
        u32::try_from(now.saturating_duration_since(self.born).as_secs()).unwrap_or(u32::MAX)
    }
}

/// A label value as it is shown: one line without control characters, and not endless.
///
/// A plugin made with the SDK has turned a kernel's bytes into [`Bytes`]' text already; that stays as it is.
fn shown(value: &str) -> Box<str> {
    let escaped = value
        .chars()
        .any(is_unsafe_to_show)
        .then(|| Bytes::from(value).to_string());
    let text = escaped.as_deref().unwrap_or(value);
    if text.len() <= MAX_LABEL_BYTES {
        return text.into();
    }
    let end = text.floor_char_boundary(MAX_LABEL_BYTES - '…'.len_utf8());
    format!("{}…", &text[..end]).into()
}

#[cfg(test)]
mod tests;
