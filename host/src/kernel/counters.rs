//! The programs' own books: what they wrote, and what they had to give up, by kind.
use std::io;

use aya::Ebpf;
use aya::maps::{MapData, PerCpuArray};
use serde::Serialize;
use vespid_ebpf::{COUNTERS, Kind, Outcome, counter};

use super::load::map_error;
use super::objects::Objects;

/// Records by kind and outcome since the start, summed over all CPUs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    cells: [[u64; Outcome::ALL.len()]; Kind::ALL.len()],
    /// Times the kernel did not run a probe since the same one was just running on that CPU. What it would have seen
    /// is not known, so this is no count of records; it has to stay near 0.
    pub missed_runs: u64,
}

impl Counters {
    /// How many records of a kind came to this.
    #[must_use]
    pub fn get(&self, kind: Kind, outcome: Outcome) -> u64 {
        self.cells[kind.index()][outcome as usize]
    }

    /// How many records of a kind were produced, whatever became of them. What was filtered or merged into another never
    /// was one.
    #[must_use]
    pub fn produced(&self, kind: Kind) -> u64 {
        let all: u64 = self.cells[kind.index()].iter().sum();
        all - self.get(kind, Outcome::Filtered) - self.get(kind, Outcome::Merged)
    }

    /// How many records of any kind were written to the ring.
    #[must_use]
    pub fn written(&self) -> u64 {
        Kind::ALL.iter().map(|kind| self.get(*kind, Outcome::Written)).sum()
    }
}

/// Where the books are kept.
pub(super) struct Books {
    cells: PerCpuArray<MapData, u64>,
    objects: Objects,
    /// What it said before they were closed.
    missed_before: u64,
}

impl std::fmt::Debug for Books {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Books")
            .field("objects", &self.objects)
            .finish_non_exhaustive()
    }
}

impl Books {
    pub(super) fn open(programs: &mut Ebpf, objects: Objects) -> io::Result<Books> {
        let map = programs
            .take_map("COUNTERS")
            .ok_or_else(|| io::Error::other("the object has no map COUNTERS"))?;
        Ok(Books {
            objects,
            missed_before: 0,
            cells: PerCpuArray::try_from(map).map_err(map_error)?,
        })
    }

    /// All but the missed runs.
    pub(super) fn records(&self) -> Counters {
        let mut counters = Counters::default();
        for kind in Kind::ALL {
            for outcome in Outcome::ALL {
                let cell = counter(kind, outcome);
                debug_assert!((cell as usize) < COUNTERS);
                let sum = self.cells.get(&cell, 0).map_or(0, |by_cpu| by_cpu.iter().sum());
                counters.cells[kind.index()][outcome as usize] = sum;
            }
        }
        counters
    }

    /// To be called before the programs are closed: their descriptors may then stand for something else.
    pub(super) fn close(&mut self) {
        self.missed_before = self.missed_runs();
        self.objects = Objects::default();
    }

    pub(super) fn missed_runs(&self) -> u64 {
        self.missed_before + self.objects.missed()
    }
}
