//! Whose events the kernel side gave up: the same number as in its ledger, by container.
//!
//! The kernel counts each such event twice: for its control group, then for all. The daemon reads the second first, so
//! whatever that says has an owner by the time the owners are read. What has none even so (its control group was
//! forgotten, or nobody knows whose it is) is booked as somebody else's at once, and never moves again: no row runs
//! backwards.
use std::collections::BTreeMap;
use std::sync::Arc;

use vespid_ebpf::Kind;

use crate::bytes::Bytes;
use crate::enrich::{ProcessTable, Tenant};

/// Most containers with rows of their own.
const MAX_ROWS: usize = 32;
/// When all rows are taken, the one that lost nothing for the longest gives way, if that was for so many readings.
const QUIET: u64 = 600;
/// Most control groups that are remembered though the kernel no longer knows them.
const MAX_MISSING: usize = 4096;

/// Processes outside of any container.
const HOST: &str = "host";
/// Everybody else.
pub const OTHER: &str = "other";

/// Counts by kind.
pub type ByKind = [u64; Kind::ALL.len()];

/// Events that were given up for want of room, by the short id of the container; `host`, and `other`.
pub type ByContainer = BTreeMap<Arc<str>, ByKind>;

/// The books.
#[derive(Debug, Default)]
pub(super) struct Losses {
    rows: BTreeMap<Arc<str>, Row>,
    other: ByKind,
    cgroups: BTreeMap<u64, Cgroup>,
    readings: u64,
}

#[derive(Debug)]
struct Row {
    counts: ByKind,
    latest: u64,
}

#[derive(Debug, Default)]
struct Cgroup {
    /// What has been booked of it.
    booked: ByKind,
    /// Whose row that goes to, once known.
    name: Option<Arc<str>>,
}

impl Losses {
    /// Books `lost` events, by what each control group has lost altogether.
    pub(super) fn book(&mut self, lost: ByKind, by_cgroup: &[(u64, ByKind)], table: &mut ProcessTable) {
        self.readings += 1;
        let mut before = std::mem::take(&mut self.cgroups);
        let mut known: Vec<(u64, ByKind, Cgroup)> = by_cgroup
            .iter()
            .map(|(cgroup, counts)| (*cgroup, *counts, before.remove(cgroup).unwrap_or_default()))
            .collect();
        name(&mut known, table);
        // Those that are missing may only have been overlooked.
        if before.len() <= MAX_MISSING {
            self.cgroups = before;
        }
        let mut left = lost;
        for (number, counts, mut cgroup) in known {
            let mut fresh = ByKind::default();
            for kind in 0..fresh.len() {
                // Less than before: it was forgotten, and began anew.
                cgroup.booked[kind] = if counts[kind] < cgroup.booked[kind] {
                    0
                } else {
                    cgroup.booked[kind]
                };
                fresh[kind] = (counts[kind] - cgroup.booked[kind]).min(left[kind]);
                cgroup.booked[kind] += fresh[kind];
                left[kind] -= fresh[kind];
            }
            self.add(cgroup.name.as_ref(), &fresh);
            self.cgroups.insert(number, cgroup);
        }
        self.add(None, &left);
    }

    /// The books, as they are shown.
    pub(super) fn read(&self) -> ByContainer {
        let rows = self.rows.iter().map(|(name, row)| (name.clone(), row.counts));
        let other = Some((Arc::from(OTHER), self.other)).filter(|_| self.other != ByKind::default());
        rows.chain(other).collect()
    }

    fn add(&mut self, name: Option<&Arc<str>>, counts: &ByKind) {
        if *counts == ByKind::default() {
            return;
        }
        let row = name.and_then(|name| self.row(name));
        let to = match row {
            Some(row) => &mut row.counts,
            None => &mut self.other,
        };
        to.iter_mut().zip(counts).for_each(|(to, count)| *to += count);
    }

    /// The row of a container, if there is one or can be.
    fn row(&mut self, name: &Arc<str>) -> Option<&mut Row> {
        if !self.rows.contains_key(name) && self.rows.len() >= MAX_ROWS {
            let oldest = self.rows.iter().min_by_key(|(_, row)| row.latest);
            let (oldest, _) = oldest.filter(|(_, row)| row.latest + QUIET < self.readings)?;
            let oldest = oldest.clone();
            let gone = self.rows.remove(&oldest)?;
            self.other
                .iter_mut()
                .zip(gone.counts)
                .for_each(|(to, count)| *to += count);
        }
        let row = self.rows.entry(name.clone()).or_insert(Row {
            counts: ByKind::default(),
            latest: 0,
        });
        row.latest = self.readings;
        Some(row)
    }
}

/// Finds out whose control groups these are, where that is not known yet.
fn name(cgroups: &mut [(u64, ByKind, Cgroup)], table: &mut ProcessTable) {
    let nameless = |(_, _, cgroup): &&(u64, ByKind, Cgroup)| cgroup.name.is_none();
    let wanted: Vec<u64> = cgroups.iter().filter(nameless).map(|(number, ..)| *number).collect();
    if wanted.is_empty() {
        return;
    }
    let tenants = table.tenants(wanted);
    for (number, _, cgroup) in cgroups {
        let name: Option<Arc<str>> = match tenants.get(number) {
            Some(Tenant::Host) => Some(HOST.into()),
            Some(Tenant::Container(id)) => table
                .containers()
                .get(*id)
                .map(|container| Bytes::from(container.short_id()).to_string())
                // Its own name does not make it somebody else.
                .filter(|name| name != OTHER)
                .map(Arc::from),
            Some(Tenant::Several) | None => None,
        };
        cgroup.name = cgroup.name.take().or(name);
    }
}

#[cfg(test)]
mod tests;
