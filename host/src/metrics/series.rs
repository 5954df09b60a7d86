//! A plugin's metrics, kept by the daemon.
//!
//! A plugin's instance may be replaced at any time; its metrics outlive it. An instance names its series by ids that count
//! from 0, and a new instance finds the old series by metric and label values, so a counter never goes backwards. A new
//! version of the plugin brings a manifest of its own, which [`Families::adopt`]s what both have in common.
//!
//! What keeps a plugin from filling the memory, or the time-series database:
//! - At most [`Limits::series`] labelled series are shown. Samples of series beyond go to one series of the family with the
//!   single label `otel_metric_overflow="true"`, so that sums over a family stay right; a gauge has no such series, since
//!   the last of many values says nothing. A series stays refused until the plugin's instance is replaced.
//! - A labelled series without a sample for [`Limits::idle`] is no longer shown. That holds for gauges too: what a plugin
//!   does not repeat is a statement about the past, most often about a container that is gone. A plugin that means it to
//!   stand samples it again on `tick`. Series without labels never go.
//! - A series that comes back continues from its old value, unless as many as the limit went idle after it.
mod ids;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::descriptor::{BadMetric, Descriptor};
use super::family::{Family, FamilySnapshot, Phase, Reading, Slot};
use crate::bytes::{Bytes, is_unsafe_to_show};
use crate::interface::vespid::plugin::describe::Metric;
use crate::interface::vespid::plugin::reports::Series;
use ids::{Handle, NO_FAMILY, NOWHERE};

pub use ids::SeriesIds;

/// Most bytes of a label value; the rest is cut off and marked with `…`.
const MAX_LABEL_BYTES: usize = 512;

/// How much of the exposition a plugin may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// All metrics of one plugin.
#[derive(Debug)]
pub struct Families {
    /// A family keeps its place as long as manifests have it; then another may get the place.
    places: Vec<Option<Family>>,
    /// The place of each metric of the present manifest.
    metrics: Vec<usize>,
    /// Number of the present manifest.
    manifest: u64,
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
        let mut families = Families {
            places: Vec::new(),
            metrics: Vec::new(),
            manifest: 0,
            limits,
            born: now,
            live: 0,
            dormant: VecDeque::new(),
            swept: 0,
            refused_series: 0,
            refused_samples: 0,
        };
        families.settle(Descriptor::of_plugin(plugin, metrics)?);
        Ok(families)
    }

    /// Ids for an instance of the present manifest.
    #[must_use]
    pub fn ids(&self) -> SeriesIds {
        SeriesIds::of_manifest(self.manifest)
    }

    /// A new version's manifest takes over. A family of the same name, kind, unit, labels and buckets continues with all
    /// its series, under its new help text; one that is new starts; one that is gone, or changed, takes its series along.
    ///
    /// # Errors
    /// If a metric could not be exported under the plugin's name. Nothing has changed then.
    pub fn adopt(&mut self, plugin: &str, metrics: &[Metric]) -> Result<(), BadMetric> {
        let described = Descriptor::of_plugin(plugin, metrics)?;
        self.manifest += 1;
        for place in &mut self.places {
            let continues = |family: &Family| described.iter().any(|new| family.descriptor.is_continued_by(new));
            if let Some(gone) = place.take_if(|family| !continues(family)) {
                self.live -= gone.live();
            }
        }
        let places = &self.places;
        self.dormant.retain(|(at, _)| places[*at].is_some());
        self.settle(described);
        Ok(())
    }

    /// Gives every family of the present manifest its place: the one that it has, else an empty one.
    fn settle(&mut self, described: Vec<Descriptor>) {
        self.metrics.clear();
        for new in described {
            let had = |place: &Option<Family>| {
                place
                    .as_ref()
                    .is_some_and(|family| family.descriptor.is_continued_by(&new))
            };
            let at = if let Some(at) = self.places.iter().position(had) {
                at
            } else if let Some(at) = self.places.iter().position(Option::is_none) {
                at
            } else {
                self.places.push(None);
                self.places.len() - 1
            };
            match &mut self.places[at] {
                Some(family) => family.descriptor = Arc::new(new),
                place @ None => *place = Some(Family::new(new, self.manifest)),
            }
            self.metrics.push(at);
        }
    }

    /// What the plugin may have from now on. Series that are shown already stay until they are idle.
    pub fn limit(&mut self, limits: Limits) {
        self.limits = limits;
        self.forget();
    }

    /// Applies a report of the instance that `ids` belongs to: its new series get the next ids, and its samples go to the
    /// series that they name. What breaks the interface's rules is refused and counted.
    pub fn apply(&mut self, ids: &mut SeriesIds, report: (&[Series], &[u32], &[f64]), now: Instant) {
        let (new, sample_ids, values) = report;
        let now = self.second(now);
        let manifest = *ids.manifest.get_or_insert(self.manifest);
        for series in new {
            if ids.is_full() {
                self.refused_series += 1;
            } else {
                let handle = self.register(series, manifest, now);
                self.refused_series += u64::from(handle.slot == NOWHERE);
                ids.handles.push(handle);
            }
        }
        for (id, value) in sample_ids.iter().zip(values) {
            let handle = ids.handles.get(*id as usize).copied();
            if !handle.is_some_and(|handle| self.sample(handle, manifest, *value, now)) {
                self.refused_samples += 1;
            }
        }
    }

    fn register(&mut self, series: &Series, manifest: u64, now: u32) -> Handle {
        // The index of a metric means something in its own manifest only.
        let place = self
            .metrics
            .get(series.metric as usize)
            .filter(|_| manifest == self.manifest);
        let Some((at, family)) = place.and_then(|at| Some((*at, self.places.get_mut(*at)?.as_mut()?))) else {
            return NO_FAMILY;
        };
        if family.descriptor.labels.len() != series.labels.len() {
            return NO_FAMILY;
        }
        let labels: Vec<Box<str>> = series.labels.iter().map(|value| shown(value)).collect();
        let handle = |slot| u32::try_from(at).map_or(NO_FAMILY, |family| Handle { family, slot });
        if let Some(slot) = family.find(&labels) {
            return handle(slot);
        }
        let labelled = family.has_labels();
        if labelled && !self.has_room(now) {
            return handle(NOWHERE);
        }
        let inserted = self.places[at].as_mut().and_then(|family| family.insert(labels, now));
        self.live += usize::from(labelled && inserted.is_some());
        handle(inserted.unwrap_or(NOWHERE))
    }

    fn sample(&mut self, handle: Handle, manifest: u64, value: f64, now: u32) -> bool {
        let Some(family) = self.family(handle, manifest) else {
            return false;
        };
        let phase = family.phase(handle.slot);
        if phase == Phase::Live {
            return family.add(handle.slot, value, now);
        }
        let wakes = phase == Phase::Dormant && self.has_room(now);
        self.live += usize::from(wakes);
        self.family(handle, manifest).is_some_and(|family| {
            if wakes {
                family.wake(handle.slot, now);
                family.add(handle.slot, value, now)
            } else {
                family.add_overflow(value)
            }
        })
    }

    /// The family that a handle of this manifest is about, unless it is gone: whatever has its place then is younger.
    fn family(&mut self, handle: Handle, manifest: u64) -> Option<&mut Family> {
        let family = self.places.get_mut(handle.family as usize)?.as_mut()?;
        (family.since <= manifest).then_some(family)
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
        for (at, place) in self.places.iter_mut().enumerate() {
            let Some(family) = place.as_mut().filter(|family| family.has_labels()) else {
                continue;
            };
            family.lay_to_rest(before, |slot| {
                self.live -= 1;
                self.dormant.push_back((at, slot));
            });
        }
        self.forget();
    }

    /// Forgets the oldest of too many series that are not shown.
    fn forget(&mut self) {
        while self.dormant.len() > self.limits.series {
            if let Some((at, slot)) = self.dormant.pop_front()
                && let Some(family) = &mut self.places[at]
            {
                family.free(slot);
            }
        }
    }

    /// Copies what is to be shown. The caller holds its lock for this only, not for the rendering.
    pub fn snapshot(&mut self, now: Instant) -> Vec<FamilySnapshot> {
        self.sweep(self.second(now));
        let families = self.metrics.iter().filter_map(|at| self.places[*at].as_ref());
        families
            .map(Family::snapshot)
            .filter(|family| family.series() > 0)
            .collect()
    }

    /// What is shown, as numbers, in the order of the manifest and of the series' first samples.
    #[must_use]
    pub fn readings(&self) -> Vec<Reading> {
        let families = self.metrics.iter().enumerate();
        families
            .filter_map(|(metric, at)| Some((metric, self.places[*at].as_ref()?)))
            .flat_map(|(metric, family)| family.snapshot().readings(metric))
            .collect()
    }

    /// Labelled series that are shown.
    #[must_use]
    pub fn series(&self) -> usize {
        self.live
    }

    /// New series that were refused: beyond a limit, of no metric, or of a manifest that is no longer the present one.
    #[must_use]
    pub fn refused_series(&self) -> u64 {
        self.refused_series
    }

    /// Samples that went nowhere: of a refused gauge, of a family that is gone, of an id that was never given, or of a
    /// value that the metric cannot have.
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
mod adoption;
#[cfg(test)]
mod property;
#[cfg(test)]
mod tests;
