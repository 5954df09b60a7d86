//! How processes come to be, what they run, and how they end.
use serde::{Deserialize, Serialize};

use super::{arguments, is_zero};
use crate::bytes::Bytes;

/// A new process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fork {
    /// Process id of the child.
    pub child_pid: u32,
    /// Start of the child in Unix nanoseconds.
    pub child_start: u64,
    /// Id of the child's cgroup in the v2 hierarchy.
    pub child_cgroup: u64,
}

/// A new image. With `errno != 0` only `filename` is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exec<'a> {
    /// The file as the caller named it.
    #[serde(borrow)]
    pub filename: Bytes<'a>,
    /// Why the call failed; 0 for success.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub errno: u32,
    /// Everything else about the new image.
    #[serde(default, borrow, skip_serializing_if = "Image::is_absent")]
    pub image: Image<'a>,
}

/// What an exec event, or /proc, says about a process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Image<'a> {
    /// Process id of the parent.
    pub ppid: u32,
    /// Start of the parent in Unix nanoseconds; 0 if not known.
    #[serde(skip_serializing_if = "is_zero")]
    pub parent_start: u64,
    /// Effective user id.
    pub euid: u32,
    /// Effective group id.
    pub egid: u32,
    /// User who logged in; `u32::MAX` if nobody did.
    pub login_uid: u32,
    /// Audit session; `u32::MAX` if none.
    pub session: u32,
    /// Effective capabilities when the image was started; 0 if not known.
    #[serde(skip_serializing_if = "is_zero")]
    pub capabilities: u64,
    /// Inode numbers of the namespaces, in the order of [`vespid_ebpf::NAMESPACES`].
    #[serde(skip_serializing_if = "is_unknown")]
    pub namespaces: [u32; 8],
    /// The columns' flag bits (`processes.flags` in the interface).
    #[serde(skip_serializing_if = "is_zero")]
    pub flags: u32,
    /// Short name.
    #[serde(borrow, skip_serializing_if = "Bytes::is_empty")]
    pub comm: Bytes<'a>,
    /// Controlling terminal, or empty.
    #[serde(borrow, skip_serializing_if = "Bytes::is_empty")]
    pub tty: Bytes<'a>,
    /// Absolute path of the executable.
    #[serde(borrow, skip_serializing_if = "Bytes::is_empty")]
    pub exe: Bytes<'a>,
    /// Arguments, each with its NUL.
    #[serde(borrow, with = "arguments", skip_serializing_if = "Bytes::is_empty")]
    pub args: Bytes<'a>,
    /// Length of the whole argument vector, which may be more than `args`.
    #[serde(skip_serializing_if = "is_zero")]
    pub args_total: u32,
    /// Working directory.
    #[serde(borrow, skip_serializing_if = "Bytes::is_empty")]
    pub cwd: Bytes<'a>,
    /// Path of the control group.
    #[serde(borrow, skip_serializing_if = "Bytes::is_empty")]
    pub cgroup_path: Bytes<'a>,
}

impl Image<'_> {
    /// Whether nothing is known.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        *self == Image::default()
    }
}

/// Bits of [`Image::flags`] and of the interface's `processes.flags`.
pub mod process_flags {
    /// Arguments are truncated.
    pub const ARGS_TRUNCATED: u32 = 1;
    /// The executable is a memfd.
    pub const MEMFD: u32 = 1 << 1;
    /// The executable has no link left.
    pub const DELETED: u32 = 1 << 2;
    /// A kernel thread.
    pub const KERNEL: u32 = 1 << 3;
    /// Known from /proc, not from an exec event.
    pub const FROM_PROC: u32 = 1 << 4;
    /// Has ended.
    pub const EXITED: u32 = 1 << 5;
    /// Only what the event itself carried is known.
    pub const INCOMPLETE: u32 = 1 << 6;
    /// The executable lies in the upper layer of an overlay.
    pub const UPPER: u32 = 1 << 7;
}

/// An end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// Exit code; 0 for a killed process.
    pub code: u32,
    /// Signal that killed it, or 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub signal: u32,
}

fn is_unknown(namespaces: &[u32; 8]) -> bool {
    *namespaces == [0; 8]
}
