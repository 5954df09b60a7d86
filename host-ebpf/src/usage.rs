//! What control groups use: a table in the kernel, which the daemon reads and empties.
//!
//! Counters of the kernel's performance events overflow every so often on each CPU, and whose turn it is then is charged
//! with a sample. So the cost does not grow with what is measured: no sample is ever a record, a cell holds all samples
//! of a control group, and the daemon multiplies by the period.
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Control groups that can have cells at a time. Of what is beyond, samples are counted as lost.
pub const MAX_GROUPS: u32 = 16_384;

/// How many counters there are.
pub const COUNTERS: usize = 8;

/// A counter: a place in [`Samples`], and a bit in the interface's `resources.measured`.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Counter {
    /// Time on a processor.
    Cpu = 0,
    /// Page faults that took no input.
    MinorFaults = 1,
    /// Page faults that took input.
    MajorFaults = 2,
    /// Times a thread gave up its processor.
    VoluntarySwitches = 3,
    /// Times a thread was put off its processor.
    InvoluntarySwitches = 4,
    /// Cycles of processors.
    Cycles = 5,
    /// Instructions that were completed.
    Instructions = 6,
    /// Misses of the last cache before memory.
    CacheMisses = 7,
}

impl Counter {
    /// All of them, by number.
    pub const ALL: [Counter; COUNTERS] = [
        Counter::Cpu,
        Counter::MinorFaults,
        Counter::MajorFaults,
        Counter::VoluntarySwitches,
        Counter::InvoluntarySwitches,
        Counter::Cycles,
        Counter::Instructions,
        Counter::CacheMisses,
    ];

    /// Its place in [`Samples`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Its bit in a mask of counters.
    #[must_use]
    pub const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// Samples by [`Counter`].
pub type Samples = [u64; COUNTERS];

/// Whose a cell is.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable)]
pub struct GroupKey {
    /// Id of the control group in its hierarchy.
    pub cgroup: u64,
    /// 0 for the v2 hierarchy, 1 for the v1 hierarchy that is looked at where the v2 one tells nothing apart.
    pub hierarchy: u32,
    /// Of two, which interval: one is filled while the other is read.
    pub generation: u32,
}

const _: () = assert!(size_of::<GroupKey>() == 16);
