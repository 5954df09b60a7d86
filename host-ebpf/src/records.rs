//! The records themselves. Their layouts are pinned at the end: a change there is a new [`ABI_VERSION`](crate::ABI_VERSION).
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

#[cfg(doc)]
use crate::{ABI_VERSION, ChangeOp, ConnectionOp, Kind, PathEnd, PrivilegedOp, SocketOp};

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
    /// The executable lies in the upper layer of an overlay.
    pub const UPPER: u32 = 1 << 4;
}

/// Set in [`Header::kind`] if the record ends, after its parts, with the inode numbers of the namespaces that the task was
/// in, in the order of [`NAMESPACES`]: of calls that a filter on namespaces may be about.
pub const TOLD: u8 = 0x80;

/// How long they are.
pub const TOLD_BYTES: usize = size_of::<[u32; NAMESPACES.len()]>();

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
    /// Effective capabilities.
    pub capabilities: u64,
    /// What is run, and where, as a number ([`crate::sieve::Image`]); 0 if nobody asks.
    pub image: u64,
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
    /// Sequence number of this end's SYN; 0 if it is not known.
    pub local_isn: u32,
    /// Sequence number of the peer's SYN; 0 if there was none, or if it is not known.
    pub remote_isn: u32,
}

/// [`Kind::Open`]: `open`, `openat`, `openat2` or `creat`, or the same through `io_uring`, successful or not.
///
/// Tail: path, then the text as the caller typed it.
///
/// A failed open has no file to ask for its path, nor has one with [`open_traits::BY_WORDS`]. If the typed text was
/// relative, the path carried is that of the directory it was relative to.
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
    /// How many opens this one stands for.
    pub count: u32,
    /// Length of the path in the tail.
    pub path_len: u16,
    /// Length of the typed text in the tail.
    pub typed_len: u16,
    /// A [`PathEnd`].
    pub path_end: u8,
    /// See [`open_traits`].
    pub traits: u8,
    /// Padding; 0.
    pub reserved: [u8; 6],
}

/// Bits of [`OpenRaw::traits`].
pub mod open_traits {
    /// The call created the file.
    pub const CREATED: u8 = 1;
    /// The file lies in the upper layer of an overlay.
    pub const UPPER: u8 = 1 << 1;
    /// It came through `io_uring`.
    pub const IO_URING: u8 = 1 << 2;
    /// The file is not known: the path is that of the directory that the text is relative to, though the open may not
    /// have failed. Not shown to plugins.
    pub const BY_WORDS: u8 = 1 << 7;
}

/// [`Kind::Change`]: a call that makes, renames, removes or alters names and attributes of files, successful or not.
///
/// Tail: path, its text as typed, target, its text as typed, detail.
///
/// Where the kernel side knows the file itself, the path is the file's. Else it is the path of the directory that the
/// text is relative to, and absent for an absolute text; `path_is_file` and `target_is_file` tell which.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
pub struct ChangeRaw {
    /// The process, and when.
    pub header: Header,
    /// See the interface's `changes.value`.
    pub value: u64,
    /// What the call returned, or the negated errno.
    pub result: i32,
    /// The call's flags.
    pub flags: u32,
    /// The mode that was asked for.
    pub mode: u32,
    /// Length of the path in the tail.
    pub path_len: u16,
    /// Length of the typed text in the tail.
    pub typed_len: u16,
    /// Length of the target's path in the tail.
    pub target_len: u16,
    /// Length of the target's typed text in the tail.
    pub target_typed_len: u16,
    /// Length of the detail in the tail.
    pub detail_len: u16,
    /// A [`ChangeOp`].
    pub op: u8,
    /// A [`PathEnd`].
    pub path_end: u8,
    /// A [`PathEnd`].
    pub target_end: u8,
    /// 1 if `path` is the file's own.
    pub path_is_file: u8,
    /// 1 if `target` is the new name's own.
    pub target_is_file: u8,
    /// Padding; 0.
    pub reserved: [u8; 5],
}

/// [`Kind::Privileged`].
///
/// Tail: detail. Where a descriptor is given or returned it is the path of the file, walked as `detail_end` says; for a
/// duplicated socket it is the remote end, 16 bytes of address and 2 of port in network order; else it is text.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
pub struct PrivilegedRaw {
    /// The process that made the call, and when.
    pub header: Header,
    /// See the interface's `privileged.argument`.
    pub argument: u64,
    /// Start of the process that it was done to, nanoseconds of `CLOCK_BOOTTIME`; 0 when not known.
    pub target_start_ns: u64,
    /// Process id of the process that it was done to, in the initial pid namespace; 0 when not known.
    pub target_pid: u32,
    /// See the interface's `privileged.code`.
    pub code: u32,
    /// What the call returned, or the negated errno.
    pub result: i64,
    /// Length of the detail in the tail.
    pub detail_len: u16,
    /// A [`PrivilegedOp`].
    pub op: u8,
    /// A [`PathEnd`]; [`PathEnd::Absent`] if the detail is no path.
    pub detail_end: u8,
    /// Padding; 0.
    pub reserved: u32,
}

/// [`Kind::Socket`].
///
/// Tail: name. For a Unix socket it is the `sun_path` as given; for DNS the first bytes of the datagram.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
pub struct SocketRaw {
    /// The process, and when.
    pub header: Header,
    /// What the call returned, or the negated errno.
    pub result: i64,
    /// Inode number of the network namespace.
    pub netns: u32,
    /// See the interface's `sockets.code`.
    pub code: u32,
    /// Local address, IPv4 in its IPv6-mapped form.
    pub local: [u8; 16],
    /// Remote address, IPv4 in its IPv6-mapped form.
    pub remote: [u8; 16],
    /// Local port.
    pub local_port: u16,
    /// Remote port.
    pub remote_port: u16,
    /// Length of the name in the tail.
    pub name_len: u16,
    /// A [`SocketOp`].
    pub op: u8,
    /// Address family.
    pub family: u8,
    /// Protocol of IP.
    pub protocol: u8,
    /// Padding; 0.
    pub reserved: [u8; 7],
}

/// [`Kind::Resource`]: a process that the kernel kills for want of memory. The header is the victim's.
///
/// What control groups use is no record: see [`crate::usage`].
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
pub struct ResourceRaw {
    /// The victim, and when.
    pub header: Header,
    /// Memory that it had, in bytes; 0 if it is not known.
    pub memory: u64,
}

const _: () = assert!(size_of::<Header>() == 48);
const _: () = assert!(size_of::<ForkRaw>() == 72);
const _: () = assert!(size_of::<ExecRaw>() == 184);
const _: () = assert!(size_of::<ExitRaw>() == 56);
const _: () = assert!(size_of::<ConnectionRaw>() == 144);
const _: () = assert!(size_of::<OpenRaw>() == 80);
const _: () = assert!(size_of::<ChangeRaw>() == 88);
const _: () = assert!(size_of::<PrivilegedRaw>() == 88);
const _: () = assert!(size_of::<SocketRaw>() == 112);
const _: () = assert!(size_of::<ResourceRaw>() == 56);
