//! Rows of resources.
use crate::rows::measured;

/// What a control group used, or a process killed for want of memory. Fields are the columns of the interface; the
/// methods set the frequent ones, and what they set was measured.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "the columns of `resources`, documented in wit/vespid.wit")]
pub struct ResourceRow {
    pub seq: u64,
    pub time: u64,
    pub process: Option<u32>,
    pub container: Option<u32>,
    pub cgroup: Vec<u8>,
    pub op: u8,
    pub interval: u64,
    pub measured: u32,
    pub cpu: u64,
    pub minor_faults: u64,
    pub major_faults: u64,
    pub voluntary_switches: u64,
    pub involuntary_switches: u64,
    pub cycles: u64,
    pub instructions: u64,
    pub cache_misses: u64,
    pub memory: u64,
}

impl ResourceRow {
    /// Sets the container.
    pub fn container(&mut self, container: u32) -> &mut Self {
        self.container = Some(container);
        self
    }

    /// Sets the control group.
    pub fn cgroup(&mut self, path: &str) -> &mut Self {
        self.cgroup = path.into();
        self
    }

    /// Sets the nanoseconds on a processor.
    pub fn cpu(&mut self, nanoseconds: u64) -> &mut Self {
        self.cpu = nanoseconds;
        self
    }

    /// Sets the minor page faults.
    pub fn minor_faults(&mut self, faults: u64) -> &mut Self {
        self.minor_faults = faults;
        self
    }

    /// Sets the major page faults.
    pub fn major_faults(&mut self, faults: u64) -> &mut Self {
        self.major_faults = faults;
        self
    }

    /// Sets the voluntary and involuntary context switches.
    pub fn switches(&mut self, voluntary: u64, involuntary: u64) -> &mut Self {
        (self.voluntary_switches, self.involuntary_switches) = (voluntary, involuntary);
        self
    }

    /// Sets what the hardware counts: cycles, instructions, cache misses.
    pub fn hardware(&mut self, cycles: u64, instructions: u64, cache_misses: u64) -> &mut Self {
        self.measured |= measured::CYCLES | measured::INSTRUCTIONS | measured::CACHE_MISSES;
        (self.cycles, self.instructions, self.cache_misses) = (cycles, instructions, cache_misses);
        self
    }
}
