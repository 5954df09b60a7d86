//! The records that travel from the kernel to the daemon, and the numbers both sides must agree on.
//!
//! A record is a [`Header`], a fixed part by [`Kind`], and a tail of variable length whose parts follow one another
//! without padding, in the order their `*_len` fields are declared. All integers are in the machine's byte order:
//! a record never leaves the machine it was made on.
//!
//! Paths travel as the kernel's dentries name them, **leaf first**, each component followed by a NUL, and are joined
//! by the daemon; [`PathEnd`] says where the walk ended. Records carry no kernel pointers.
#![no_std]

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

mod offsets;

pub use offsets::{ABSENT, FIELDS, Field, OFFSETS_VERSION, Offsets};

/// Layout version of everything in this crate. A record of another version is refused by the decoder.
pub const ABI_VERSION: u8 = 1;

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
/// Size of what is remembered of an owner.
pub const OWNER_BYTES: usize = 48;

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
}

impl Kind {
    /// Every kind, in numeric order.
    pub const ALL: [Kind; 5] = [Kind::Fork, Kind::Exec, Kind::Exit, Kind::Connection, Kind::Open];

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
    /// Given up early, to keep the last part of the ring for kinds that cannot be missed.
    Shed = 2,
    /// The kernel's structures could not be read.
    Unreadable = 3,
}

impl Outcome {
    /// Every outcome, in numeric order.
    pub const ALL: [Outcome; 4] = [Outcome::Written, Outcome::RingFull, Outcome::Shed, Outcome::Unreadable];
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

/// Starts every record. The process is the one that the event is about, which is not always the one that ran when it
/// was noticed (a connection is closed by the network stack).
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
pub struct Header {
    /// Length of the whole record in bytes, this header included.
    pub len: u32,
    /// A [`Kind`].
    pub kind: u8,
    /// [`ABI_VERSION`].
    pub abi: u8,
    /// CPU that wrote the record.
    pub cpu: u16,
    /// When, in nanoseconds of `CLOCK_BOOTTIME`.
    pub time_ns: u64,
    /// Start of the process (its thread group leader), nanoseconds of `CLOCK_BOOTTIME`; 0 when it is not known.
    pub start_ns: u64,
    /// Id of the process's cgroup in the v2 hierarchy; 0 when it is not known.
    pub cgroup: u64,
    /// Process id (thread group) in the initial pid namespace; 0 when no process could be named.
    pub pid: u32,
    /// Thread id in the initial pid namespace.
    pub tid: u32,
    /// Real user id in the initial user namespace.
    pub uid: u32,
    /// Real group id in the initial user namespace.
    pub gid: u32,
}

/// [`Kind::Fork`]: the header names the parent. Threads of an existing process are not reported.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
pub struct ForkRaw {
    /// The parent, and when.
    pub header: Header,
    /// Start of the child, nanoseconds of `CLOCK_BOOTTIME`.
    pub child_start_ns: u64,
    /// Id of the child's cgroup in the v2 hierarchy, which `clone3(CLONE_INTO_CGROUP)` may have chosen.
    pub child_cgroup: u64,
    /// Process id of the child in the initial pid namespace.
    pub child_pid: u32,
    /// Padding; 0.
    pub reserved: u32,
}

/// Bits of [`ExecRaw::flags`].
pub mod exec_flags {
    /// The argument vector was longer than what is carried.
    pub const ARGS_TRUNCATED: u32 = 1;
    /// The executable was a `memfd_create` file.
    pub const MEMFD: u32 = 1 << 1;
    /// The executable had no link left in any directory.
    pub const DELETED: u32 = 1 << 2;
    /// The argument vector could not be read.
    pub const ARGS_UNREADABLE: u32 = 1 << 3;
}

/// Namespace inode numbers, in the order of [`ExecRaw::namespaces`].
pub const NAMESPACES: [&str; 8] = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"];

/// [`Kind::Exec`]. With `errno != 0` the call failed and only the filename is carried.
///
/// Tail: filename (as the caller gave it), arguments (each with its NUL), executable path, working directory, path of
/// the cgroup (components leaf first, like a path).
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
pub struct ExecRaw {
    /// The process, and when.
    pub header: Header,
    /// Start of the parent, nanoseconds of `CLOCK_BOOTTIME`.
    pub parent_start_ns: u64,
    /// Process id of the parent.
    pub ppid: u32,
    /// Effective user id.
    pub euid: u32,
    /// Effective group id.
    pub egid: u32,
    /// User id at login (`audit`); `u32::MAX` when unset.
    pub login_uid: u32,
    /// Audit session; `u32::MAX` when unset.
    pub session: u32,
    /// Length of the whole argument vector in the process, which may be more than what is carried.
    pub args_total: u32,
    /// Inode numbers of the process's namespaces, in the order of [`NAMESPACES`].
    pub namespaces: [u32; 8],
    /// See [`exec_flags`].
    pub flags: u32,
    /// Why the call failed; 0 for success.
    pub errno: u32,
    /// Name of the image's main thread, NUL-padded.
    pub comm: [u8; 16],
    /// Name of the controlling terminal (`pts/0`), NUL-padded; empty without one.
    pub tty: [u8; 16],
    /// Length of the filename in the tail.
    pub filename_len: u16,
    /// Length of the arguments in the tail.
    pub args_len: u16,
    /// Length of the executable's path in the tail.
    pub exe_len: u16,
    /// Length of the working directory in the tail.
    pub cwd_len: u16,
    /// Length of the cgroup's path in the tail.
    pub cgroup_len: u16,
    /// A [`PathEnd`] for the executable.
    pub exe_end: u8,
    /// A [`PathEnd`] for the working directory.
    pub cwd_end: u8,
    /// Padding; 0.
    pub reserved: u32,
}

/// [`Kind::Exit`]: the last thread of a process ended.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
pub struct ExitRaw {
    /// The process, and when.
    pub header: Header,
    /// The status `wait(2)` would give: exit code in bits 8–15, signal in bits 0–6, core dump in bit 7.
    pub status: u32,
    /// Padding; 0.
    pub reserved: u32,
}

/// What happened to a TCP connection: [`ConnectionRaw::op`].
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionOp {
    /// A connection attempt of ours was answered.
    Opened = 1,
    /// A connection of a peer was accepted by a process.
    Accepted = 2,
    /// A connection attempt of ours came to nothing; see `errno`.
    Failed = 3,
    /// A connection that had been established ended.
    Closed = 4,
}

/// [`Kind::Connection`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
pub struct ConnectionRaw {
    /// The process that owns the socket, and when. Pid 0 when the socket is older than the probes.
    pub header: Header,
    /// The socket's cookie: the same for all records of one connection end, never reused while the kernel runs.
    pub cookie: u64,
    /// When the attempt began or the connection was accepted, nanoseconds of `CLOCK_BOOTTIME`; 0 when not known.
    pub began_ns: u64,
    /// Payload bytes acknowledged by the peer.
    pub sent: u64,
    /// Payload bytes received.
    pub received: u64,
    /// Smoothed round-trip time in microseconds; 0 when there was no sample.
    pub srtt_us: u32,
    /// Segments that were sent again.
    pub retransmits: u32,
    /// Inode number of the network namespace.
    pub netns: u32,
    /// Why it failed or was cut; 0 for none.
    pub errno: u32,
    /// Local address, IPv4 in its IPv6-mapped form.
    pub local: [u8; 16],
    /// Remote address, IPv4 in its IPv6-mapped form.
    pub remote: [u8; 16],
    /// Local port.
    pub local_port: u16,
    /// Remote port.
    pub remote_port: u16,
    /// A [`ConnectionOp`].
    pub op: u8,
    /// 1: the peer opened it. 0: this end did. 2: not known.
    pub inbound: u8,
    /// Padding; 0.
    pub reserved: u16,
}

/// [`Kind::Open`]: `open`, `openat`, `openat2` or `creat`, successful or not.
///
/// Tail: path, then the text as the caller typed it.
///
/// A failed open has no file to ask for its path. If the typed text was relative, the path carried is that of the
/// directory it was relative to.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
pub struct OpenRaw {
    /// The process, and when.
    pub header: Header,
    /// What the call returned: a descriptor, or the negated errno.
    pub result: i32,
    /// `O_*` flags as asked for.
    pub flags: u32,
    /// For a file: its `st_mode`. For a failed open: the mode argument.
    pub mode: u32,
    /// Inode number of the task's mount namespace.
    pub mnt_ns: u32,
    /// Length of the path in the tail.
    pub path_len: u16,
    /// Length of the typed text in the tail.
    pub typed_len: u16,
    /// A [`PathEnd`].
    pub path_end: u8,
    /// Padding; 0.
    pub reserved: [u8; 3],
}

// The layout is pinned where it is defined: a change here is a new ABI_VERSION.
const _: () = assert!(size_of::<Header>() == 48);
const _: () = assert!(size_of::<ForkRaw>() == 72);
const _: () = assert!(size_of::<ExecRaw>() == 168);
const _: () = assert!(size_of::<ExitRaw>() == 56);
const _: () = assert!(size_of::<ConnectionRaw>() == 136);
const _: () = assert!(size_of::<OpenRaw>() == 72);
