//! Processes and their ancestors.
use super::{Container, cell, string};
use crate::basename;
use crate::bindings::vespid::plugin::events;

/// Names a process once and for all: process ids are used again, a pair of id and start time is not.
///
/// ```
/// use std::time::Duration;
/// use vespid_plugin::{Exec, Keyed, ProcessId};
///
/// fn count(children: &mut Keyed<ProcessId, u64>, exec: Exec<'_>) {
///     if let Some(parent) = exec.process().and_then(|process| process.parent()) {
///         *children.touch(exec.time(), parent.id(), || 0).0 += 1;
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct ProcessId {
    /// Process id in the initial pid namespace.
    pub pid: u32,
    /// When it was created, in Unix nanoseconds.
    pub start: u64,
}

/// A process with one of its images.
///
/// ```
/// # use vespid_plugin::testing::BatchBuilder;
/// # use vespid_plugin::{Batch, Process};
/// # let mut builder = BatchBuilder::new();
/// # let web = builder.container("3f2a9c", "nginx:1.27");
/// # let nginx = builder.process("/usr/sbin/nginx").container(web).id();
/// # let sh = builder.process("/bin/sh").parent(nginx).container(web).args(["sh", "-c", "id"]).id();
/// # builder.exec(sh);
/// # let columns = builder.columns();
/// # let process = Batch::new(&columns).execs().next().and_then(|exec| exec.process()).unwrap();
/// assert_eq!((process.name(), process.exe(), process.comm()), (&b"sh"[..], &b"/bin/sh"[..], &b"sh"[..]));
/// assert_eq!(process.args().nth(1), Some(&b"-c"[..]));
/// assert_eq!(process.command_line(), b"sh -c id");
/// assert_eq!((process.cwd(), process.tty(), process.cgroup()), (&b"/"[..], &b""[..], &b""[..]));
///
/// assert_eq!(process.id().pid, process.pid());
/// assert_eq!((process.uid(), process.gid(), process.euid()), (0, 0, 0));
/// assert_eq!((process.user(), process.group()), (&b""[..], &b""[..]));
/// println!("logged in as {:?}, in namespaces {:?}", process.login_uid(), process.namespaces());
///
/// let parent = process.parent().unwrap();
/// assert_eq!((parent.name(), parent.pid()), (&b"nginx"[..], process.ppid()));
/// assert!(process.ancestors().any(|ancestor| ancestor.exe() == b"/usr/sbin/nginx"));
/// assert_eq!(process.container().map(|container| container.image()), Some(&b"nginx:1.27"[..]));
///
/// assert!(!process.is_memfd() && !process.is_deleted() && !process.args_truncated());
/// assert!(!process.is_upper() && process.capabilities() == 0 && !process.has_capability(21));
/// assert!(!process.is_kernel_thread() && !process.is_from_proc());
/// assert!(!process.has_exited() && !process.is_incomplete());
///
/// // A memo that lives as long as the batch can be a list by row.
/// let mut seen = vec![false; columns.processes.pid.len()];
/// seen[process.row()] = true;
/// ```
#[derive(Clone, Copy)]
pub struct Process<'a> {
    batch: &'a events::Batch,
    row: usize,
}

/// How far [`Process::ancestors`] goes, should the parents ever run in a circle.
const MAX_ANCESTORS: usize = 64;

const ARGS_TRUNCATED: u32 = 1;
const MEMFD: u32 = 1 << 1;
const DELETED: u32 = 1 << 2;
const KERNEL: u32 = 1 << 3;
const FROM_PROC: u32 = 1 << 4;
const EXITED: u32 = 1 << 5;
const INCOMPLETE: u32 = 1 << 6;
const UPPER: u32 = 1 << 7;

impl<'a> Process<'a> {
    #[inline]
    pub(super) fn at(batch: &'a events::Batch, row: u32) -> Option<Self> {
        let row = row as usize;
        (row < batch.processes.pid.len()).then_some(Process { batch, row })
    }

    #[inline]
    fn text(self, column: &[u32]) -> &'a [u8] {
        string(self.batch, cell(column, self.row))
    }

    #[inline]
    fn has(self, flag: u32) -> bool {
        cell(&self.batch.processes.flags, self.row) & flag != 0
    }

    /// Its place in the batch's table, for memos that live as long as the batch.
    #[must_use]
    #[inline]
    pub fn row(self) -> usize {
        self.row
    }

    /// Process id in the initial pid namespace.
    #[must_use]
    #[inline]
    pub fn pid(self) -> u32 {
        cell(&self.batch.processes.pid, self.row)
    }

    /// Process id and start time.
    #[must_use]
    #[inline]
    pub fn id(self) -> ProcessId {
        ProcessId {
            pid: self.pid(),
            start: cell(&self.batch.processes.start, self.row),
        }
    }

    /// Process id of the parent when the process was created.
    #[must_use]
    #[inline]
    pub fn ppid(self) -> u32 {
        cell(&self.batch.processes.ppid, self.row)
    }

    /// Effective capabilities when the image was started: bit `n` for the capability with number `n`.
    #[must_use]
    #[inline]
    pub fn capabilities(self) -> u64 {
        cell(&self.batch.processes.capabilities, self.row)
    }

    /// Whether it had the capability with this number when its image was started.
    #[must_use]
    #[inline]
    pub fn has_capability(self, number: u32) -> bool {
        self.capabilities().checked_shr(number).unwrap_or(0) & 1 != 0
    }

    /// The parent, if it is known.
    #[must_use]
    #[inline]
    pub fn parent(self) -> Option<Process<'a>> {
        Process::at(self.batch, self.batch.processes.parent.get(self.row).copied()?)
    }

    /// Parent, grandparent and so on, nearest first; at most 64.
    pub fn ancestors(self) -> impl Iterator<Item = Process<'a>> {
        std::iter::successors(self.parent(), |process| process.parent()).take(MAX_ANCESTORS)
    }

    /// Real user id.
    #[must_use]
    #[inline]
    pub fn uid(self) -> u32 {
        cell(&self.batch.processes.uid, self.row)
    }

    /// Real group id.
    #[must_use]
    #[inline]
    pub fn gid(self) -> u32 {
        cell(&self.batch.processes.gid, self.row)
    }

    /// Name of the real user in `/etc/passwd`, of the container's own for a process in one; empty if not known. A container
    /// calls its users what it likes: judge by [`uid`](Process::uid), and show the name.
    #[must_use]
    #[inline]
    pub fn user(self) -> &'a [u8] {
        self.text(&self.batch.processes.user)
    }

    /// Name of the real group, from `/etc/group` likewise.
    #[must_use]
    #[inline]
    pub fn group(self) -> &'a [u8] {
        self.text(&self.batch.processes.group)
    }

    /// Effective user id.
    #[must_use]
    #[inline]
    pub fn euid(self) -> u32 {
        cell(&self.batch.processes.euid, self.row)
    }

    /// The user who logged in, if anybody did.
    #[must_use]
    #[inline]
    pub fn login_uid(self) -> Option<u32> {
        self.batch
            .processes
            .login_uid
            .get(self.row)
            .copied()
            .filter(|uid| *uid != u32::MAX)
    }

    /// The kernel's short name, at most 15 bytes.
    #[must_use]
    #[inline]
    pub fn comm(self) -> &'a [u8] {
        self.text(&self.batch.processes.comm)
    }

    /// Absolute path of the executable; for a script, that of its interpreter.
    #[must_use]
    #[inline]
    pub fn exe(self) -> &'a [u8] {
        self.text(&self.batch.processes.exe)
    }

    /// File name of the executable, or the short name if the executable is not known.
    #[must_use]
    #[inline]
    pub fn name(self) -> &'a [u8] {
        match basename(self.exe()) {
            b"" => self.comm(),
            name => name,
        }
    }

    /// The arguments, `argv[0]` first.
    pub fn args(self) -> impl Iterator<Item = &'a [u8]> {
        let args = self.text(&self.batch.processes.args);
        let whole = args.strip_suffix(b"\0").unwrap_or(args);
        whole
            .split(|byte| *byte == 0)
            .take(if args.is_empty() { 0 } else { usize::MAX })
    }

    /// The arguments with a space between them.
    #[must_use]
    pub fn command_line(self) -> Vec<u8> {
        self.args().collect::<Vec<_>>().join(&b' ')
    }

    /// Working directory when the image was started.
    #[must_use]
    #[inline]
    pub fn cwd(self) -> &'a [u8] {
        self.text(&self.batch.processes.cwd)
    }

    /// Controlling terminal (`pts/0`), or empty.
    #[must_use]
    #[inline]
    pub fn tty(self) -> &'a [u8] {
        self.text(&self.batch.processes.tty)
    }

    /// Path of the control group.
    #[must_use]
    #[inline]
    pub fn cgroup(self) -> &'a [u8] {
        self.text(&self.batch.processes.cgroup)
    }

    /// Its container; none for a process of the host.
    #[must_use]
    #[inline]
    pub fn container(self) -> Option<Container<'a>> {
        Container::at(self.batch, self.batch.processes.container.get(self.row).copied()?)
    }

    /// Inode numbers of its cgroup, ipc, mnt, net, pid, time, user and uts namespace; 0 for not known.
    #[must_use]
    pub fn namespaces(self) -> [u32; 8] {
        let cells = self.batch.processes.namespaces.get(self.row * 8..self.row * 8 + 8);
        cells.and_then(|cells| cells.try_into().ok()).unwrap_or_default()
    }

    /// Whether the arguments are longer than what [`args`](Process::args) shows.
    #[must_use]
    #[inline]
    pub fn args_truncated(self) -> bool {
        self.has(ARGS_TRUNCATED)
    }

    /// Whether the executable is a memfd: memory that was never a file.
    #[must_use]
    #[inline]
    pub fn is_memfd(self) -> bool {
        self.has(MEMFD)
    }

    /// Whether the executable had no link left.
    #[must_use]
    #[inline]
    pub fn is_deleted(self) -> bool {
        self.has(DELETED)
    }

    /// Whether the executable lies in the upper layer of an overlay: in a container, it is not the image's, or was
    /// changed since.
    #[must_use]
    #[inline]
    pub fn is_upper(self) -> bool {
        self.has(UPPER)
    }

    /// Whether it is a kernel thread.
    #[must_use]
    #[inline]
    pub fn is_kernel_thread(self) -> bool {
        self.has(KERNEL)
    }

    /// Whether it was read from /proc, and so may be younger than it looks, rather than seen to start.
    #[must_use]
    #[inline]
    pub fn is_from_proc(self) -> bool {
        self.has(FROM_PROC)
    }

    /// Whether it has ended.
    #[must_use]
    #[inline]
    pub fn has_exited(self) -> bool {
        self.has(EXITED)
    }

    /// Whether nothing is known but what the event itself carried.
    #[must_use]
    #[inline]
    pub fn is_incomplete(self) -> bool {
        self.has(INCOMPLETE)
    }
}
