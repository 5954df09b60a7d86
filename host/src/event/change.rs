//! Names and attributes of files, and mounts.
use serde::{Deserialize, Serialize};
use vespid_ebpf::ChangeOp;

use super::{is_zero, ops};
use crate::bytes::Bytes;

/// A call that changes them. The fields are the columns of the interface's `changes`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change<'a> {
    /// What was done.
    #[serde(with = "ops")]
    pub op: ChangeOp,
    /// Absolute path of the file, before the call.
    #[serde(borrow)]
    pub path: Bytes<'a>,
    /// As the caller typed it.
    #[serde(default, borrow, skip_serializing_if = "Bytes::is_empty")]
    pub typed: Bytes<'a>,
    /// Absolute path of the name that the call makes.
    #[serde(default, borrow, skip_serializing_if = "Bytes::is_empty")]
    pub target: Bytes<'a>,
    /// As the caller typed it.
    #[serde(default, borrow, skip_serializing_if = "Bytes::is_empty")]
    pub target_typed: Bytes<'a>,
    /// Name of the attribute, or type of the file system.
    #[serde(default, borrow, skip_serializing_if = "Bytes::is_empty")]
    pub detail: Bytes<'a>,
    /// The call's flags.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub flags: u32,
    /// The mode that was asked for.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub mode: u32,
    /// Length, device number or owner.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub value: u64,
    /// 0, or the negated errno.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub result: i32,
    /// See the interface's `opens.path-kind`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub path_kind: u8,
    /// The same of the target.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub target_kind: u8,
}
