//! The connections that are open now, derived from their events.
//!
//! Only the end of a connection that was seen to begin is subtracted, so connections older than the daemon cannot make
//! the gauge negative. The map is part of the snapshot: another instance goes on counting where this one stopped.
use std::time::Duration;

use vespid_plugin::prelude::*;
use vespid_plugin::{Keyed, SeriesId};

/// Their entries take some 16 MB, and a snapshot as much again for a moment: well below what a plugin may have. Of more
/// connections than that, the oldest are no longer counted as active.
const CAPACITY: usize = 1 << 18;

/// Label values, and the cookies of the open connections that have them.
type Group = ([Vec<u8>; 4], Vec<u64>);

/// What another instance goes on with.
#[derive(Serialize, Deserialize)]
pub(crate) struct OpenConnections(Vec<Group>);

pub(crate) struct Active {
    by_cookie: Keyed<u64, SeriesId>,
    labels: Vec<(SeriesId, [Vec<u8>; 4])>,
}

impl Default for Active {
    fn default() -> Self {
        Active {
            by_cookie: Keyed::new(CAPACITY, Duration::MAX),
            labels: Vec::new(),
        }
    }
}

impl Active {
    /// The series that connections with these label values are counted in.
    pub(crate) fn series(&mut self, labels: [&[u8]; 4], gauge: &Gauge<4>) -> SeriesId {
        let series = gauge.with(labels).id();
        let known = self.labels.binary_search_by_key(&series.index(), |(id, _)| id.index());
        if let Err(place) = known {
            self.labels.insert(place, (series, labels.map(<[u8]>::to_vec)));
        }
        series
    }

    #[inline]
    pub(crate) fn begin(&mut self, now: u64, cookie: u64, series: SeriesId, gauge: &Gauge<4>) {
        let mut is_new = false;
        let (_, gone) = self.by_cookie.touch(now, cookie, || {
            is_new = true;
            series
        });
        if is_new {
            gauge.at(series).add(1.0);
        }
        if let Some((_, evicted)) = gone {
            gauge.at(evicted).add(-1.0);
        }
    }

    #[inline]
    pub(crate) fn end(&mut self, cookie: u64, gauge: &Gauge<4>) {
        if let Some(series) = self.by_cookie.remove(&cookie) {
            gauge.at(series).add(-1.0);
        }
    }

    pub(crate) fn snapshot(&self) -> OpenConnections {
        let mut groups: Vec<Group> = self
            .labels
            .iter()
            .map(|(_, labels)| (labels.clone(), Vec::new()))
            .collect();
        for (cookie, series) in self.by_cookie.iter().rev() {
            let group = self.labels.binary_search_by_key(&series.index(), |(id, _)| id.index());
            if let Some((_, cookies)) = group.ok().and_then(|group| groups.get_mut(group)) {
                cookies.push(*cookie);
            }
        }
        OpenConnections(groups)
    }

    pub(crate) fn restore(&mut self, saved: OpenConnections, gauge: &Gauge<4>) {
        for (labels, cookies) in saved.0 {
            let series = self.series(labels.each_ref().map(Vec::as_slice), gauge);
            for cookie in cookies {
                self.begin(0, cookie, series, gauge);
            }
        }
    }
}
