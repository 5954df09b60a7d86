//! The table of what control groups use: two intervals, of which one is filled while the other is read and emptied.
use std::io;

use aya::Ebpf;
use aya::maps::{Array, HashMap, MapData};
use vespid_ebpf::usage::{COUNTERS, GroupKey, Samples};
use zerocopy::FromBytes;

use super::load::{StartError, map_error};
use super::programs::{take_map, unusable};

/// A control group, by what the kernel calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Group {
    /// Its id in its hierarchy.
    pub id: u64,
    /// Whether that is a v1 hierarchy.
    pub is_v1: bool,
}

/// What a control group used within an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// The group.
    pub group: Group,
    /// How much of each [counter](vespid_ebpf::usage::Counter): samples times the period.
    pub amounts: [u64; COUNTERS],
}

/// The table.
pub(super) struct Usage {
    cells: HashMap<MapData, [u8; size_of::<GroupKey>()], Samples>,
    interval: Array<MapData, u32>,
    filling: u32,
}

impl std::fmt::Debug for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Usage")
            .field("filling", &self.filling)
            .finish_non_exhaustive()
    }
}

impl Usage {
    pub(super) fn open(object: &mut Ebpf) -> Result<Usage, StartError> {
        Ok(Usage {
            cells: HashMap::try_from(take_map(object, "USAGE")?).map_err(unusable)?,
            interval: Array::try_from(take_map(object, "INTERVAL")?).map_err(unusable)?,
            filling: 0,
        })
    }

    /// Begins another interval.
    pub(super) fn turn(&mut self) -> io::Result<()> {
        let next = 1 - self.filling;
        self.interval.set(0, next, 0).map_err(map_error)?;
        self.filling = next;
        Ok(())
    }

    /// Takes out what is there of the interval before, or of all.
    pub(super) fn take(&mut self, is_all: bool, periods: &Samples, mut f: impl FnMut(Used)) {
        let keys: Vec<_> = self.cells.keys().filter_map(Result::ok).collect();
        for bytes in keys {
            let Ok(key) = GroupKey::read_from_bytes(&bytes) else {
                continue;
            };
            if !is_all && key.generation == self.filling {
                continue;
            }
            let Ok(samples) = self.cells.get(&bytes, 0) else {
                continue;
            };
            let _gone_already = self.cells.remove(&bytes);
            let mut amounts = samples;
            for (amount, period) in amounts.iter_mut().zip(periods) {
                *amount = amount.saturating_mul(*period);
            }
            f(Used {
                group: Group {
                    id: key.cgroup,
                    is_v1: key.hierarchy != 0,
                },
                amounts,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use vespid_ebpf::usage::MAX_GROUPS;
    use vespid_ebpf::{Kind, Outcome};
    use zerocopy::IntoBytes;

    use super::*;
    use crate::kernel::{Kernel, Settings};

    fn measuring() -> Option<Kernel> {
        let settings = Settings {
            kinds: Kind::Resource.bit(),
            ..Settings::default()
        };
        let kernel = Kernel::start(&settings).ok();
        if kernel.is_none() {
            eprintln!("SKIPPED: BPF is not to be had here");
        }
        kernel
    }

    /// Cells of groups beyond any that this kernel has, as if each had used something in the present interval.
    fn fill(kernel: &mut Kernel, count: u32) {
        for number in 0..count {
            let key = GroupKey {
                cgroup: u64::MAX - u64::from(number),
                hierarchy: 0,
                generation: kernel.usage.filling,
            };
            let mut bytes = [0; size_of::<GroupKey>()];
            bytes.copy_from_slice(key.as_bytes());
            // The table may be full of real ones before.
            let _full = kernel.usage.cells.insert(bytes, [1; COUNTERS], 0);
        }
    }

    #[test]
    fn a_hundred_thousand_groups_pass_through_and_leave_nothing_behind() {
        let Some(mut kernel) = measuring() else { return };
        let mut taken = 0;
        for _ in 0..10 {
            fill(&mut kernel, 10_000);
            kernel.turn_usage().expect("another interval");
            kernel.take_usage(|_| taken += 1);
        }
        kernel.detach();
        kernel.take_usage(|_| ());
        assert!(taken >= 100_000, "{taken}");
        assert_eq!(kernel.usage.cells.keys().count(), 0);
    }

    #[test]
    fn samples_without_a_cell_are_counted() {
        let Some(mut kernel) = measuring() else { return };
        let lost = |kernel: &Kernel| kernel.counters().get(Kind::Resource, Outcome::TableFull);
        // In both intervals, so that no new cell can be made in either.
        fill(&mut kernel, MAX_GROUPS);
        let (before, deadline) = (lost(&kernel), Instant::now() + Duration::from_secs(20));
        kernel.turn_usage().expect("another interval");
        while lost(&kernel) == before {
            assert!(Instant::now() < deadline, "nothing was lost");
            std::hint::spin_loop();
        }
        kernel.take_usage(|_| ());
        assert!(
            kernel.counters().get(Kind::Resource, Outcome::Written) == 0,
            "nothing is a record"
        );
    }

    #[test]
    fn amounts_are_samples_times_the_period() {
        let Some(mut kernel) = measuring() else { return };
        fill(&mut kernel, 1);
        kernel.turn_usage().expect("another interval");
        let mut found = None;
        kernel.take_usage(|used| found = found.or((used.group.id == u64::MAX).then_some(used)));
        assert_eq!(
            found.expect("the cell").amounts,
            [10_101_010, 31, 1, 31, 31, 20_000_003, 20_000_003, 100_003]
        );
    }
}
