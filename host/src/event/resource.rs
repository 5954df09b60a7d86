//! What control groups used, and processes killed for want of memory.
use serde::{Deserialize, Serialize};
use vespid_ebpf::ResourceOp;

use super::{is_zero, ops};
use crate::bytes::Bytes;

/// The fields are the columns of the interface's `resources`. Usage has no subject but a control group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource<'a> {
    /// What is said.
    #[serde(with = "ops")]
    pub op: ResourceOp,
    /// Of usage: path of the control group; empty if it is not known.
    #[serde(default, borrow, skip_serializing_if = "Bytes::is_empty")]
    pub cgroup: Bytes<'a>,
    /// Nanoseconds that the interval lasted.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub interval: u64,
    /// Which of the counters were measured.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub measured: u32,
    /// Nanoseconds on a processor.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cpu: u64,
    /// Page faults that took no input.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub minor_faults: u64,
    /// Page faults that took input.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub major_faults: u64,
    /// Times a thread gave up its processor.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub voluntary_switches: u64,
    /// Times a thread was put off its processor.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub involuntary_switches: u64,
    /// Cycles of processors.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cycles: u64,
    /// Instructions that were completed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub instructions: u64,
    /// Misses of the last cache before memory.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cache_misses: u64,
    /// Resident memory of the process that was killed, in bytes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub memory: u64,
}

impl Resource<'_> {
    /// Nothing but this.
    #[must_use]
    pub fn of(op: ResourceOp) -> Self {
        Resource {
            op,
            cgroup: Bytes::default(),
            interval: 0,
            measured: 0,
            cpu: 0,
            minor_faults: 0,
            major_faults: 0,
            voluntary_switches: 0,
            involuntary_switches: 0,
            cycles: 0,
            instructions: 0,
            cache_misses: 0,
            memory: 0,
        }
    }
}
