//! Calls that need, give or take away power.
use serde::{Deserialize, Serialize};
use vespid_ebpf::PrivilegedOp;

use super::{is_zero, ops};
use crate::bytes::Bytes;

/// Such a call. The fields are the columns of the interface's `privileged`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Privileged<'a> {
    /// What was asked for.
    #[serde(with = "ops")]
    pub op: PrivilegedOp,
    /// What exactly.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub code: u32,
    /// And a number that goes with it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub argument: u64,
    /// Process id of the process that it was done to; 0 if there is none or it is not known.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub target_pid: u32,
    /// Start of that process in Unix nanoseconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub target_start: u64,
    /// A name, a path or an address.
    #[serde(default, borrow, skip_serializing_if = "Bytes::is_empty")]
    pub detail: Bytes<'a>,
    /// What the call returned, or the negated errno.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub result: i64,
}
