//! Opens that were merged into others and that no record has stood for yet: see [`vespid_ebpf::merge`].
use std::io;

use aya::Ebpf;
use aya::maps::{HashMap, MapData};
use rustix::time::{ClockId, clock_gettime};
use vespid_ebpf::OpenRaw;
use vespid_ebpf::merge::{MAX_MERGED, MERGED_BYTES, MergeKey, Merged};
use zerocopy::FromBytes;

use super::load::{StartError, map_error};
use super::programs::{take_map, unusable};

/// Longer than a program that has looked at the clock takes to be done with an entry.
const SLACK_NS: u64 = 50_000_000;

type Key = [u8; size_of::<MergeKey>()];

/// The programs' entries.
pub(super) struct Remainders {
    entries: HashMap<MapData, Key, [u8; size_of::<Merged>()]>,
    /// Whether the programs merge, and whether they left anything when they were last looked at.
    is_merging: bool,
    are_left: bool,
}

impl std::fmt::Debug for Remainders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remainders")
            .field("is_merging", &self.is_merging)
            .finish_non_exhaustive()
    }
}

impl Remainders {
    pub(super) fn open(object: &mut Ebpf) -> Result<Remainders, StartError> {
        Ok(Remainders {
            entries: HashMap::try_from(take_map(object, "MERGED")?).map_err(unusable)?,
            is_merging: false,
            are_left: false,
        })
    }

    /// Whether the programs merge from now on.
    pub(super) fn expect(&mut self, is_merging: bool) {
        self.are_left |= self.is_merging;
        self.is_merging = is_merging;
    }

    /// Makes records of what has waited for two windows, or of all if no program runs any more.
    pub(super) fn take(&mut self, all: bool, mut f: impl FnMut(&[u8])) -> io::Result<usize> {
        if !(self.is_merging || self.are_left) {
            return Ok(0);
        }
        let now = boot_ns();
        let mut are_left = false;
        let mut stale = Vec::new();
        for entry in self.entries.iter().take(2 * MAX_MERGED) {
            // One that went away meanwhile.
            let Ok((key, bytes)) = entry else { continue };
            let Ok(entry) = Merged::read_from_bytes(&bytes) else {
                continue;
            };
            if all || now > entry.stale_ns.saturating_add(SLACK_NS) {
                stale.push((key, entry));
            } else {
                are_left = true;
            }
        }
        self.are_left = are_left;
        let mut taken = 0;
        for (key, mut entry) in stale {
            match self.entries.remove(&key) {
                Ok(()) => {}
                // The walk met it twice.
                Err(aya::maps::MapError::KeyNotFound) => continue,
                Err(error) => return Err(map_error(error)),
            }
            if entry.count > 0
                && let Some(record) = record(&mut entry, now)
            {
                f(record);
                taken += 1;
            }
        }
        Ok(taken)
    }
}

/// The record that was kept, as one of now that stands for what was merged into it.
fn record(entry: &mut Merged, now: u64) -> Option<&[u8]> {
    let len = usize::try_from(entry.len).ok().filter(|len| *len <= MERGED_BYTES)?;
    let (raw, _) = OpenRaw::mut_from_prefix(&mut entry.record).ok()?;
    raw.count = u32::try_from(entry.count).unwrap_or(u32::MAX);
    raw.header.time_ns = now;
    entry.record.get(..len)
}

fn boot_ns() -> u64 {
    let time = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0))
}
