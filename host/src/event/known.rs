//! What is known without an event: processes, containers, names of users and groups.
use serde::{Deserialize, Serialize};

use super::process::Image;
use super::{Subject, arguments, is_zero};
use crate::bytes::Bytes;

/// A process known from elsewhere than its own events: /proc at start, or when an event's process was unknown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known<'a> {
    /// Which process. Its start is exact to a clock tick (10 ms) only.
    #[serde(flatten)]
    pub subject: Subject,
    /// What is known of it.
    #[serde(flatten, borrow)]
    pub image: Image<'a>,
    /// In a slice of a recording: what the events that were cut away had made of the process. The line then replaces
    /// all that is known of it, where it would otherwise only add.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restated: Option<Restated>,
}

/// What only the events before it say of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Restated {
    /// Process id of the parent that it hangs from, which is not `ppid` in very deep trees; 0 for none.
    #[serde(skip_serializing_if = "is_zero")]
    pub parent_pid: u32,
    /// Start of that parent.
    #[serde(skip_serializing_if = "is_zero")]
    pub parent_start: u64,
    /// When the process ended; 0 if it runs.
    #[serde(skip_serializing_if = "is_zero")]
    pub ended: u64,
    /// Whether its start is exact to the nanosecond.
    pub exact: bool,
    /// Event time at which this holds: what is not held any more by then is let go of first. 0 for the last event's.
    #[serde(skip_serializing_if = "is_zero")]
    pub at: u64,
    /// Nothing is known of it any more, not even that it was there.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
}

/// A container, as a container runtime on the node describes it. What is not known is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KnownContainer<'a> {
    /// Path of its control group, where that path alone does not tell the container; else empty.
    #[serde(borrow, skip_serializing_if = "Bytes::is_empty")]
    pub cgroup: Bytes<'a>,
    /// Id as its runtime knows it.
    #[serde(borrow)]
    pub id: Bytes<'a>,
    /// See the interface's `containers.runtime`.
    #[serde(borrow, skip_serializing_if = "Bytes::is_empty")]
    pub runtime: Bytes<'a>,
    /// Name.
    #[serde(borrow, skip_serializing_if = "Bytes::is_empty")]
    pub name: Bytes<'a>,
    /// Image reference.
    #[serde(borrow, skip_serializing_if = "Bytes::is_empty")]
    pub image: Bytes<'a>,
    /// Uid of the Kubernetes pod.
    #[serde(borrow, skip_serializing_if = "Bytes::is_empty")]
    pub pod_uid: Bytes<'a>,
    /// Name of the Kubernetes pod.
    #[serde(borrow, skip_serializing_if = "Bytes::is_empty")]
    pub pod: Bytes<'a>,
    /// Kubernetes namespace.
    #[serde(borrow, skip_serializing_if = "Bytes::is_empty")]
    pub namespace: Bytes<'a>,
    /// See the interface's `containers.labels`.
    #[serde(borrow, with = "arguments", skip_serializing_if = "Bytes::is_empty")]
    pub labels: Bytes<'a>,
    /// See the interface's `containers.owner`.
    #[serde(borrow, skip_serializing_if = "Bytes::is_empty")]
    pub owner: Bytes<'a>,
}

/// Whose numbers are named.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Accounts {
    /// `/etc/passwd`.
    User = 1,
    /// `/etc/group`.
    Group = 2,
}

impl Accounts {
    /// The one with this number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Accounts> {
        match number {
            1 => Some(Accounts::User),
            2 => Some(Accounts::Group),
            _ => None,
        }
    }
}

/// The name of a user or a group on the node, or in a container. It holds for the process that is told of next, and for
/// all after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownAccount<'a> {
    /// Id of the container; empty for the node itself.
    #[serde(default, borrow, skip_serializing_if = "Bytes::is_empty")]
    pub container: Bytes<'a>,
    /// Whether it is a user or a group.
    pub of: Accounts,
    /// Its number in the initial user namespace, as processes have it.
    pub id: u32,
    /// Its name.
    #[serde(borrow)]
    pub name: Bytes<'a>,
}
