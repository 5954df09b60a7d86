//! The records that travel from the kernel to the daemon, and the numbers both sides must agree on.
//!
//! A record is a [`Header`], a fixed part by [`Kind`], and a tail of variable length whose parts follow one another
//! without padding, in the order their `*_len` fields are declared. All integers are in the machine's byte order:
//! a record never leaves the machine it was made on.
//!
//! Paths travel as the kernel's dentries name them, **leaf first**, each component followed by a NUL, and are joined
//! by the daemon; [`PathEnd`] says where the walk ended. Records carry no kernel pointers.
#![no_std]

mod calls;
pub mod merge;
mod offsets;
mod ops;
mod records;
pub mod share;
pub mod sieve;
pub mod usage;

pub use calls::Slot;
pub use offsets::{ABSENT, CALLS, CAST, FIELDS, Field, IO_URING, OFFSETS_VERSION, Offsets, TypeIds};
pub use ops::{ChangeOp, ConnectionOp, PrivilegedOp, ResourceOp, SocketOp};
pub use records::{
    ChangeRaw, ConnectionRaw, ExecRaw, ExitRaw, ForkRaw, Header, NAMESPACES, OpenRaw, PrivilegedRaw, ResourceRaw,
    SocketRaw, TOLD, TOLD_BYTES, exec_flags, open_traits,
};

/// Layout version of everything in this crate. A record of another version is refused by the decoder.
pub const ABI_VERSION: u8 = 4;

/// Longest argument vector that is carried, in bytes, terminating NULs included.
pub const MAX_ARGS: usize = 12 * 1024;
/// Longest resolved path that is carried, in bytes.
pub const MAX_PATH: usize = 8 * 1024;
/// Longest text that is carried as the caller typed it (`PATH_MAX`).
pub const MAX_TYPED: usize = 4096;
/// Deepest path that is walked, in components.
pub const MAX_DEPTH: usize = 2400;
/// Connections whose owners can be remembered at a time. Of what is beyond, records still go out, without owner.
pub const MAX_OWNERS: usize = 65_536;
/// Flows of datagrams that are remembered at a time: of one that was forgotten, the next datagram is a first one again.
pub const MAX_FLOWS: usize = 65_536;
/// Calls at a time whose files can be noted while they run. Of what is beyond, records still go out, with typed paths.
pub const MAX_NOTES: usize = 256;
/// Size of such a note.
pub const NOTE_BYTES: usize = 3792;
/// Opens at a time of which it can be noted what the kernel opened. Of what is beyond, the descriptor is believed.
pub const MAX_ASKED: usize = 4096;
/// Beside the kinds that are wanted: it is noted.
pub const ASKED: u32 = 1 << 31;
/// Size of such a note.
pub const ASKED_BYTES: usize = 40;
/// Opens through `io_uring` that can be in flight at a time.
pub const MAX_REQUESTS: usize = 512;
/// Size of what is remembered of one.
pub const REQUEST_BYTES: usize = MAX_TYPED + 32;
/// Size of what is remembered of an owner.
pub const OWNER_BYTES: usize = 56;

/// What a record is about.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A process was created.
    Fork = 1,
    /// A process replaced its image, or failed to.
    Exec = 2,
    /// A process ended.
    Exit = 3,
    /// A TCP connection was opened, accepted, failed or closed.
    Connection = 4,
    /// A file was opened, or could not be.
    Open = 5,
    /// A name or an attribute of a file changed, or something was mounted, or could not be.
    Change = 6,
    /// A call that needs, gives or takes away power, successful or not.
    Privileged = 7,
    /// A socket beside the connections of TCP.
    Socket = 8,
    /// What a control group used, or a process killed for want of memory.
    Resource = 9,
}

impl Kind {
    /// Every kind, in numeric order.
    pub const ALL: [Kind; 9] = [
        Kind::Fork,
        Kind::Exec,
        Kind::Exit,
        Kind::Connection,
        Kind::Open,
        Kind::Change,
        Kind::Privileged,
        Kind::Socket,
        Kind::Resource,
    ];

    /// Mask of the kinds that processes are known by. They are always wanted.
    pub const TREE: u32 = Kind::Fork.bit() | Kind::Exec.bit() | Kind::Exit.bit();

    /// Position in [`Kind::ALL`], and row in the kernel's counter map.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize - 1
    }

    /// This kind's bit in a mask of kinds.
    #[must_use]
    pub const fn bit(self) -> u32 {
        1 << self.index()
    }

    /// Its name in metrics, recordings and verdicts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Fork => "fork",
            Kind::Exec => "exec",
            Kind::Exit => "exit",
            Kind::Connection => "connection",
            Kind::Open => "open",
            Kind::Change => "change",
            Kind::Privileged => "privileged",
            Kind::Socket => "socket",
            Kind::Resource => "resource",
        }
    }

    /// The kind with this number, if there is one.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Kind> {
        match number {
            1 => Some(Kind::Fork),
            2 => Some(Kind::Exec),
            3 => Some(Kind::Exit),
            4 => Some(Kind::Connection),
            5 => Some(Kind::Open),
            6 => Some(Kind::Change),
            7 => Some(Kind::Privileged),
            8 => Some(Kind::Socket),
            9 => Some(Kind::Resource),
            _ => None,
        }
    }
}

/// What became of a record on the kernel side: columns of the counter map.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Written to the ring.
    Written = 0,
    /// The ring had no room.
    RingFull = 1,
    /// Given up early, to keep the rest of the ring for kinds that matter more.
    Shed = 2,
    /// The kernel's structures could not be read.
    Unreadable = 3,
    /// No plugin's filter wants it, so it was never a record.
    Filtered = 4,
    /// Its control group had had its share of a ring that fills.
    Limited = 5,
    /// Another record stands for it as well.
    Merged = 6,
    /// A sample of a control group for which the table of usage had no room.
    TableFull = 7,
}

impl Outcome {
    /// Every outcome, in numeric order.
    pub const ALL: [Outcome; 8] = [
        Outcome::Written,
        Outcome::RingFull,
        Outcome::Shed,
        Outcome::Unreadable,
        Outcome::Filtered,
        Outcome::Limited,
        Outcome::Merged,
        Outcome::TableFull,
    ];
}

/// Cells in the per-CPU counter map: `kind.index() * Outcome::ALL.len() + outcome`.
pub const COUNTERS: usize = Kind::ALL.len() * Outcome::ALL.len();

/// The cell of the counter map for a kind and an outcome.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "a map of some twenty cells")]
pub const fn counter(kind: Kind, outcome: Outcome) -> u32 {
    (kind.index() * Outcome::ALL.len()) as u32 + outcome as u32
}

/// Where walking a path towards its root ended.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathEnd {
    /// No path was walked.
    Absent = 0,
    /// At the root directory of the task: this is the path that the task sees.
    TaskRoot = 1,
    /// At the root of the mount namespace without meeting the task's root: the file lies outside its `chroot`.
    NamespaceRoot = 2,
    /// At [`MAX_DEPTH`] or [`MAX_PATH`]: the leading components are missing.
    Truncated = 3,
    /// The file has no place in a directory tree (a pipe, a socket, `memfd`): a single component is its name.
    Unnamed = 4,
}

impl PathEnd {
    /// The end with this number, if there is one.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<PathEnd> {
        match number {
            0 => Some(PathEnd::Absent),
            1 => Some(PathEnd::TaskRoot),
            2 => Some(PathEnd::NamespaceRoot),
            3 => Some(PathEnd::Truncated),
            4 => Some(PathEnd::Unnamed),
            _ => None,
        }
    }
}
