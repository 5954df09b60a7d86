//! What control groups use, and processes killed for want of memory.
use std::time::Duration;

use super::{Container, Fact, Process, cell, fact, op, string};
use crate::bindings::vespid::plugin::{events, reports};

fact!(
    /// What a control group used within an interval, or a process killed for want of memory.
    ///
    /// Counters are sampled: right on the average, and the coarser the less there is of what they count.
    ///
    /// ```
    /// # use vespid_plugin::testing::{BatchBuilder, SECOND};
    /// # use vespid_plugin::{Batch, ResourceOp};
    /// # use std::time::Duration;
    /// # let mut builder = BatchBuilder::new();
    /// # let web = builder.container("3f2a9c", "nginx:1.27");
    /// # let nginx = builder.process("/usr/sbin/nginx").container(web).id();
    /// # builder.usage(SECOND).container(web).cgroup("/docker/3f2a9c").cpu(SECOND / 2).minor_faults(310).switches(93, 31);
    /// # builder.oom_kill(nginx, 64 << 20);
    /// # let columns = builder.columns();
    /// # let mut resources = Batch::new(&columns).resources();
    /// let usage = resources.next().unwrap();
    /// assert_eq!((usage.op(), usage.interval()), (ResourceOp::Usage, Duration::from_secs(1)));
    /// assert_eq!((usage.cgroup(), usage.container().unwrap().image()), (&b"/docker/3f2a9c"[..], &b"nginx:1.27"[..]));
    /// assert_eq!(usage.cpu(), Some(Duration::from_millis(500)), "half a processor");
    /// assert_eq!((usage.minor_faults(), usage.major_faults()), (Some(310), Some(0)));
    /// assert_eq!((usage.voluntary_switches(), usage.involuntary_switches()), (Some(93), Some(31)));
    /// let hardware = [usage.cycles(), usage.instructions(), usage.cache_misses()];
    /// assert_eq!(hardware, [None; 3], "this machine has no counters for them");
    /// assert!(usage.process().is_none(), "many may have been in it");
    ///
    /// let kill = resources.next().unwrap();
    /// assert_eq!((kill.op(), kill.memory()), (ResourceOp::OomKill, Some(64 << 20)));
    /// assert_eq!(kill.process().unwrap().name(), b"nginx");
    /// assert_eq!(kill.container().unwrap().id(), b"3f2a9c");
    /// ```
    Resource, Resources, Resource
);

op! {
    /// What is said of resources.
    ///
    /// ```
    /// use vespid_plugin::{Filter, ResourceOp};
    ///
    /// // Nothing is measured for a plugin that only wants to hear of these.
    /// let kills = Filter::resources([ResourceOp::OomKill]);
    /// ```
    ResourceOp {
        /// What a control group used within an interval.
        Usage = 1,
        /// A process was killed for want of memory.
        OomKill = 2,
    }
}

/// Bits of `measured`.
pub(crate) mod measured {
    pub(crate) const CPU: u32 = 1;
    pub(crate) const MINOR_FAULTS: u32 = 1 << 1;
    pub(crate) const MAJOR_FAULTS: u32 = 1 << 2;
    pub(crate) const VOLUNTARY_SWITCHES: u32 = 1 << 3;
    pub(crate) const INVOLUNTARY_SWITCHES: u32 = 1 << 4;
    pub(crate) const CYCLES: u32 = 1 << 5;
    pub(crate) const INSTRUCTIONS: u32 = 1 << 6;
    pub(crate) const CACHE_MISSES: u32 = 1 << 7;
}

impl<'a> Resource<'a> {
    /// What is said.
    #[must_use]
    #[inline]
    pub fn op(self) -> ResourceOp {
        ResourceOp::from_column(cell(&self.table.op, self.row))
    }

    /// The container; `None` for what runs on the host, or if it is not known.
    #[must_use]
    #[inline]
    pub fn container(self) -> Option<Container<'a>> {
        Container::at(self.batch, self.table.container.get(self.row).copied()?)
    }

    /// Path of the control group; `/` for what is in none. Empty if it is not known.
    #[must_use]
    #[inline]
    pub fn cgroup(self) -> &'a [u8] {
        string(self.batch, cell(&self.table.cgroup, self.row))
    }

    /// How long the interval lasted.
    #[must_use]
    #[inline]
    pub fn interval(self) -> Duration {
        Duration::from_nanos(cell(&self.table.interval, self.row))
    }

    fn counted(self, bit: u32, column: &[u64]) -> Option<u64> {
        (cell(&self.table.measured, self.row) & bit != 0).then(|| cell(column, self.row))
    }

    /// Time on a processor, of all threads together. Like every counter, `None` if it was not measured.
    #[must_use]
    pub fn cpu(self) -> Option<Duration> {
        self.counted(measured::CPU, &self.table.cpu).map(Duration::from_nanos)
    }

    /// Page faults that took no input.
    #[must_use]
    pub fn minor_faults(self) -> Option<u64> {
        self.counted(measured::MINOR_FAULTS, &self.table.minor_faults)
    }

    /// Page faults that took input.
    #[must_use]
    pub fn major_faults(self) -> Option<u64> {
        self.counted(measured::MAJOR_FAULTS, &self.table.major_faults)
    }

    /// Times a thread gave up its processor, to wait for something.
    #[must_use]
    pub fn voluntary_switches(self) -> Option<u64> {
        self.counted(measured::VOLUNTARY_SWITCHES, &self.table.voluntary_switches)
    }

    /// Times a thread was put off its processor.
    #[must_use]
    pub fn involuntary_switches(self) -> Option<u64> {
        self.counted(measured::INVOLUNTARY_SWITCHES, &self.table.involuntary_switches)
    }

    /// Cycles of processors.
    #[must_use]
    pub fn cycles(self) -> Option<u64> {
        self.counted(measured::CYCLES, &self.table.cycles)
    }

    /// Instructions that were completed.
    #[must_use]
    pub fn instructions(self) -> Option<u64> {
        self.counted(measured::INSTRUCTIONS, &self.table.instructions)
    }

    /// Misses of the last cache before memory.
    #[must_use]
    pub fn cache_misses(self) -> Option<u64> {
        self.counted(measured::CACHE_MISSES, &self.table.cache_misses)
    }

    /// Resident memory of the process that was killed, in bytes, if it is known.
    #[must_use]
    pub fn memory(self) -> Option<u64> {
        Some(cell(&self.table.memory, self.row)).filter(|memory| *memory != 0)
    }
}
