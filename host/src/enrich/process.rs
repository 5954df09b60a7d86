//! A process as the table holds it.
//!
//! What a child inherits is shared with the parent until one of them calls `execve`; so a fork copies no text.
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::container::is_root;
use super::containers::ContainerId;
use crate::event::{self, process_flags};

/// `/proc` tells starts in clock ticks of 1/100 s (`USER_HZ`), rounded down.
pub(super) const TICK_NS: u64 = 10_000_000;

/// A slot of the table: stays the same as long as the table holds the process, and is then used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcessId(pub(super) u32);

impl ProcessId {
    /// The slot's number; slots are numbered densely from 0.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A process.
#[derive(Clone, Debug)]
pub struct Process {
    /// Process id.
    pub pid: u32,
    /// Process id of the parent that created it.
    pub ppid: u32,
    /// Start in Unix nanoseconds; 0 if not known.
    pub start: u64,
    /// The parent; or, below very deep trees, the nearest ancestor that is kept.
    pub parent: Option<ProcessId>,
    /// Real user id; `u32::MAX` if not known.
    pub uid: u32,
    /// Real group id; `u32::MAX` if not known.
    pub gid: u32,
    /// Effective user id.
    pub euid: u32,
    /// User who logged in; `u32::MAX` if nobody did.
    pub login_uid: u32,
    /// See [`process_flags`].
    pub flags: u32,
    /// Changes with everything a row of the batch shows of the process, and is never used twice.
    pub version: u64,
    pub(super) image: Arc<Image>,
    pub(super) namespaces: [u32; 8],
    pub(super) group: Arc<Group>,
    /// Id of the v2 control group; 0 if not known.
    pub(super) cgroup_id: u64,
    /// Whether `start` came from the kernel rather than from `/proc`.
    pub(super) exact: bool,
    /// In the queue of ended processes.
    pub(super) queued: bool,
    /// When it ended; meaningful with [`process_flags::EXITED`].
    pub(super) ended: u64,
    /// Entries whose parent this is.
    pub(super) children: u32,
    /// An earlier process with the same pid.
    pub(super) older: Option<ProcessId>,
    /// The table's clock at the last event.
    pub(super) last_seen: u64,
}

impl Process {
    /// Short name.
    #[must_use]
    pub fn comm(&self) -> &[u8] {
        self.image.text(0)
    }

    /// Controlling terminal, or empty.
    #[must_use]
    pub fn tty(&self) -> &[u8] {
        self.image.text(1)
    }

    /// Absolute path of the executable.
    #[must_use]
    pub fn exe(&self) -> &[u8] {
        self.image.text(2)
    }

    /// Arguments, each with its NUL.
    #[must_use]
    pub fn args(&self) -> &[u8] {
        self.image.text(3)
    }

    /// Working directory when the image was started.
    #[must_use]
    pub fn cwd(&self) -> &[u8] {
        self.image.text(4)
    }

    /// The texts of what it runs (comm, tty, exe, args, cwd) one after the other, and where each ends.
    pub(crate) fn image_text(&self) -> (&[u8], &[u32; 5]) {
        (&self.image.text, &self.image.ends)
    }

    /// Tells what it runs from everything else: processes for which it is equal have the same texts.
    pub(crate) fn image_serial(&self) -> u64 {
        self.image.serial
    }

    /// Path of the control group.
    #[must_use]
    pub fn cgroup(&self) -> &[u8] {
        &self.group.path
    }

    /// Tells the control group's path as [`Process::image_serial`] tells texts.
    pub(crate) fn cgroup_serial(&self) -> u64 {
        self.group.serial
    }

    /// The container it runs in.
    #[must_use]
    pub fn container(&self) -> Option<ContainerId> {
        self.group.container
    }

    /// Whether it runs in a container, if that stays so until it has another image. At the root of all control groups that
    /// is not sure: a container may be found out later.
    #[must_use]
    pub fn is_contained(&self) -> Option<bool> {
        match self.group.container {
            Some(_) => Some(true),
            None if is_root(&self.group.path) => None,
            None => Some(false),
        }
    }

    /// Inode numbers of the namespaces, in the order of [`vespid_ebpf::NAMESPACES`]; 0 if not known.
    #[must_use]
    pub fn namespaces(&self) -> &[u32; 8] {
        &self.namespaces
    }

    /// Effective capabilities when the image was started; 0 if not known.
    #[must_use]
    pub fn capabilities(&self) -> u64 {
        self.image.capabilities
    }

    /// Whether it has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.flags & process_flags::EXITED != 0
    }

    /// Whether its start is known to the nanosecond, rather than to a clock tick.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.exact
    }

    pub(super) fn is_incomplete(&self) -> bool {
        self.flags & process_flags::INCOMPLETE != 0
    }

    /// Whether a process with this pid that started then is this one.
    pub(crate) fn started(&self, start: u64, exact: bool) -> bool {
        let known = self.start != 0 && start != 0;
        !known || self.start == start || (!(self.exact && exact) && self.start.abs_diff(start) <= TICK_NS)
    }
}

/// Where a process runs.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) path: Box<[u8]>,
    pub(super) container: Option<ContainerId>,
    serial: u64,
}

impl Group {
    pub(super) fn new(path: &[u8], container: Option<ContainerId>) -> Group {
        Group {
            path: path.into(),
            container,
            serial: serial(),
        }
    }
}

/// A number that nothing else has, for what is shared and never changes.
fn serial() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// How many times its text an image may have room for: what took a long one has shorter ones later.
const MOST_ROOM: usize = 4;
/// Bytes of text for which it may always have so much.
const FEW_BYTES: usize = 64;

/// What a process runs.
pub(super) struct Image {
    /// comm, tty, exe, args, cwd.
    text: Vec<u8>,
    ends: [u32; 5],
    pub(super) capabilities: u64,
    /// Another one each time that it is set.
    serial: u64,
    /// Bytes of text that all images together hold.
    total: Arc<AtomicUsize>,
}

impl Image {
    pub(super) fn empty(total: &Arc<AtomicUsize>) -> Image {
        Image {
            text: Vec::new(),
            ends: [0; 5],
            capabilities: 0,
            serial: 0,
            total: Arc::clone(total),
        }
    }

    pub(super) fn set(&mut self, image: &event::Image<'_>) {
        self.clear();
        let parts = [&image.comm, &image.tty, &image.exe, &image.args, &image.cwd].map(|part| part.as_slice());
        let len: usize = parts.iter().map(|part| part.len()).sum();
        if self.text.capacity() > MOST_ROOM * len.max(FEW_BYTES) {
            self.text.shrink_to(len);
        }
        self.text.reserve_exact(len);
        self.ends = parts.map(|part| {
            self.text.extend_from_slice(part);
            u32::try_from(self.text.len()).unwrap_or(u32::MAX)
        });
        self.capabilities = image.capabilities;
        self.serial = serial();
        self.total.fetch_add(self.text.len(), Ordering::Relaxed);
    }

    pub(super) fn clear(&mut self) {
        self.total.fetch_sub(self.text.len(), Ordering::Relaxed);
        self.text.clear();
    }

    /// Bytes of text that there is room for.
    pub(super) fn room(&self) -> usize {
        self.text.capacity()
    }

    /// The same with at most `most` bytes of arguments; none if there are no more.
    pub(super) fn with_fewer_args(&self, most: usize) -> Option<Arc<Image>> {
        let [comm, tty, exe, args, cwd] = [0, 1, 2, 3, 4].map(|part| self.text(part));
        let args = args.get(..most).filter(|fewer| fewer.len() < args.len())?;
        let mut fewer = Image::empty(&self.total);
        fewer.set(&event::Image {
            comm: comm.into(),
            tty: tty.into(),
            exe: exe.into(),
            args: args.into(),
            cwd: cwd.into(),
            capabilities: self.capabilities,
            ..event::Image::default()
        });
        Some(Arc::new(fewer))
    }

    #[cfg(test)]
    pub(super) fn text_len(&self) -> usize {
        self.text.len()
    }

    fn text(&self, part: usize) -> &[u8] {
        let start = if part == 0 { 0 } else { self.ends[part - 1] };
        &self.text[start as usize..self.ends[part] as usize]
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        self.clear();
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::bytes::Bytes::from(self.text.as_slice()).fmt(f)
    }
}
