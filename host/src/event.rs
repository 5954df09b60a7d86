//! An event as the stages after the decoder know it: what happened, to which process, when.
//!
//! Live events borrow from the kernel's record; events of a recording own their bytes. Their serialised form is the
//! recording format's line.
mod change;
mod ops;
mod privileged;
mod resource;
mod socket;

use serde::{Deserialize, Serialize};
use vespid_ebpf::{ConnectionOp, Kind};

use crate::bytes::Bytes;

pub use change::Change;
pub use privileged::Privileged;
pub use resource::Resource;
pub use socket::Socket;

/// One event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event<'a> {
    /// When, in Unix nanoseconds.
    pub time: u64,
    /// The process that it is about.
    #[serde(flatten)]
    pub subject: Subject,
    /// What happened.
    #[serde(flatten, borrow)]
    pub body: Body<'a>,
    /// Inode numbers of the namespaces that its thread was in, in the order of [`vespid_ebpf::NAMESPACES`]; 0 for what was
    /// not told. Not recorded: a recording restates the process instead.
    #[serde(skip)]
    pub namespaces: [u32; 8],
}

/// The process that an event is about, as far as every event of it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Process id; 0 if no process could be named.
    pub pid: u32,
    /// Thread id.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tid: u32,
    /// Start of the process in Unix nanoseconds; 0 if not known.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub start: u64,
    /// Real user id.
    pub uid: u32,
    /// Real group id.
    pub gid: u32,
    /// Id of the cgroup in the v2 hierarchy; 0 if not known.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cgroup: u64,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body<'a> {
    /// The subject created a process.
    Fork(Fork),
    /// The subject replaced its image, or failed to.
    #[serde(borrow)]
    Exec(Exec<'a>),
    /// The subject ended.
    Exit(Exit),
    /// One of the subject's TCP connections changed.
    Connection(Connection),
    /// The subject opened a file, or failed to.
    #[serde(borrow)]
    Open(Open<'a>),
    /// The subject changed names or attributes of files, or what is mounted, or failed to.
    #[serde(borrow)]
    Change(Change<'a>),
    /// The subject asked for something that takes or gives power.
    #[serde(borrow)]
    Privileged(Privileged<'a>),
    /// One of the subject's sockets did something.
    #[serde(borrow)]
    Socket(Socket<'a>),
    /// What a control group used, or the subject was killed for want of memory.
    #[serde(borrow)]
    Resource(Resource<'a>),
}

impl Body<'_> {
    /// The kind of record that it came from.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Body::Fork(_) => Kind::Fork,
            Body::Exec(_) => Kind::Exec,
            Body::Exit(_) => Kind::Exit,
            Body::Connection(_) => Kind::Connection,
            Body::Open(_) => Kind::Open,
            Body::Change(_) => Kind::Change,
            Body::Privileged(_) => Kind::Privileged,
            Body::Socket(_) => Kind::Socket,
            Body::Resource(_) => Kind::Resource,
        }
    }
}

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

/// A TCP connection's change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// What happened to it.
    #[serde(with = "ops")]
    pub op: ConnectionOp,
    /// Who opened it: 0 this end, 1 the peer, 2 not known.
    pub direction: u8,
    /// Local end.
    pub local: std::net::SocketAddr,
    /// Remote end.
    pub remote: std::net::SocketAddr,
    /// Names this end of the connection in all its events.
    pub cookie: u64,
    /// Payload bytes acknowledged by the peer.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub sent: u64,
    /// Payload bytes received.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub received: u64,
    /// Nanoseconds since it began; 0 if not known.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub duration: u64,
    /// Smoothed round-trip time in microseconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub srtt: u32,
    /// Segments sent again.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retransmits: u32,
    /// Why it failed; 0 for none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub errno: u32,
    /// Network namespace.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub netns: u32,
    /// Sequence number of this end's SYN; 0 if not known.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub local_isn: u32,
    /// Sequence number of the peer's SYN; 0 if there was none, or if not known.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub remote_isn: u32,
}

/// A file open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open<'a> {
    /// Absolute path; see the interface's `opens.path`.
    #[serde(borrow)]
    pub path: Bytes<'a>,
    /// As the caller typed it.
    #[serde(borrow)]
    pub typed: Bytes<'a>,
    /// `O_*` flags.
    pub flags: u32,
    /// `st_mode`, or the mode argument.
    pub mode: u32,
    /// Descriptor or negated errno.
    pub result: i32,
    /// See the interface's `opens.path-kind`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub path_kind: u8,
    /// See the interface's `opens.traits`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub traits: u8,
    /// How many opens it stands for.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub count: u32,
}

impl Default for Open<'_> {
    fn default() -> Self {
        Open {
            path: Bytes::default(),
            typed: Bytes::default(),
            flags: 0,
            mode: 0,
            result: 0,
            path_kind: 0,
            traits: 0,
            count: 1,
        }
    }
}

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

fn is_zero<N: Default + PartialEq>(number: &N) -> bool {
    *number == N::default()
}

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
pub(crate) fn is_one(count: &u32) -> bool {
    *count == 1
}

fn is_unknown(namespaces: &[u32; 8]) -> bool {
    *namespaces == [0; 8]
}

/// Arguments as a list of strings, if each of them has its NUL; else as the bytes they are.
mod arguments {
    use std::fmt;

    use serde::de::{Error, SeqAccess, Visitor};
    use serde::{Deserializer, Serialize, Serializer};

    use crate::bytes::Bytes;

    pub(super) fn serialize<S: Serializer>(args: &Bytes<'_>, serializer: S) -> Result<S::Ok, S::Error> {
        match args.as_slice() {
            [all @ .., 0] => serializer.collect_seq(all.split(|&byte| byte == 0).map(Bytes::from)),
            _ => args.serialize(serializer),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes<'de>, D::Error> {
        struct Arguments;
        impl<'de> Visitor<'de> for Arguments {
            type Value = Bytes<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of escaped byte strings, or one")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Bytes<'de>, E> {
                Bytes::parse(text).map_err(E::custom)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Bytes<'de>, E> {
                Bytes::parse(text).map(Bytes::into_owned).map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Bytes<'de>, A::Error> {
                let mut args = Vec::new();
                while let Some(arg) = list.next_element::<Bytes<'de>>()? {
                    args.extend_from_slice(arg.as_slice());
                    args.push(0);
                }
                Ok(args.into())
            }
        }
        deserializer.deserialize_any(Arguments)
    }
}
