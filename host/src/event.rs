//! An event as the stages after the decoder know it: what happened, to which process, when.
//!
//! Live events borrow from the kernel's record; events of a recording own their bytes. Their serialised form is the
//! recording format's line.
mod arguments;
mod change;
mod known;
mod ops;
mod privileged;
mod process;
mod resource;
mod socket;

use serde::{Deserialize, Serialize};
use vespid_ebpf::{ConnectionOp, Kind};

use crate::bytes::Bytes;

pub use change::Change;
pub use known::{Accounts, Known, KnownAccount, KnownContainer, Restated};
pub use privileged::Privileged;
pub use process::{Exec, Exit, Fork, Image, process_flags};
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
