//! File opens.
use super::{Fact, Process, cell, fact, string};
use crate::bindings::vespid::plugin::{events, reports};

fact!(
    /// An `open`, `openat`, `openat2` or `creat`.
    ///
    /// ```
    /// # use vespid_plugin::testing::{BatchBuilder, EPOCH};
    /// # use vespid_plugin::{Batch, PathKind, errno};
    /// # let mut builder = BatchBuilder::new();
    /// # let vi = builder.process("/bin/vi").id();
    /// # builder.open(vi, "/etc/hosts").flags(0o1001).typed("hosts");
    /// # builder.open(vi, "/etc/shadow").fails(errno::EACCES);
    /// # let columns = builder.columns();
    /// # let mut opens = Batch::new(&columns).opens();
    /// let open = opens.next().unwrap();
    /// assert_eq!((open.seq(), open.time()), (1, EPOCH));
    /// assert_eq!((open.path(), open.typed()), (&b"/etc/hosts"[..], &b"hosts"[..]));
    /// assert_eq!(open.path_kind(), PathKind::Resolved);
    /// assert!(open.writes() && open.truncates() && !open.reads());
    /// assert!(!open.is_directory() && !open.is_path_only());
    /// assert!(!open.created() && !open.is_upper() && !open.through_io_uring());
    /// assert_eq!((open.fd(), open.mode(), open.flags()), (Some(3), 0o100_644, 0o1001));
    /// assert_eq!(open.process().unwrap().name(), b"vi");
    ///
    /// let open = opens.next().unwrap();
    /// assert!(open.failed());
    /// assert_eq!(errno::name(open.errno()), "EACCES");
    /// assert_eq!(open.path_kind(), PathKind::Typed);
    /// ```
    Open, Opens, Open
);

/// How far a path, such as [`Open::path`], can be trusted.
///
/// ```
/// use vespid_plugin::{Open, PathKind};
///
/// fn is_certain(open: Open<'_>) -> bool {
///     open.path_kind() == PathKind::Resolved
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathKind {
    /// The kernel resolved it.
    Resolved,
    /// Made from the typed text: the call failed, or the kernel could not be asked.
    Typed,
    /// Resolved, but outside the root directory of the process.
    OutsideRoot,
    /// Leading components are missing.
    Partial,
    /// It has no place in any directory tree.
    Unplaced,
}

impl PathKind {
    #[inline]
    pub(super) fn from_column(number: u8) -> Self {
        match number {
            0 => PathKind::Resolved,
            1 => PathKind::Typed,
            2 => PathKind::OutsideRoot,
            3 => PathKind::Partial,
            _ => PathKind::Unplaced,
        }
    }
}

// `open(2)`; the same on x86-64 and arm64. O_TMPFILE is its own bit together with O_DIRECTORY.
const O_ACCMODE: u32 = 0o3;
const O_WRONLY: u32 = 0o1;
const O_RDWR: u32 = 0o2;
const O_CREAT: u32 = 0o100;
const O_TRUNC: u32 = 0o1000;
const O_PATH: u32 = 0o10_000_000;
const O_TMPFILE_BIT: u32 = 0o20_000_000;
// Bits of `opens.traits`.
const CREATED: u8 = 1;
const UPPER: u8 = 2;
const IO_URING: u8 = 4;
const S_IFMT: u32 = 0o170_000;
const S_IFDIR: u32 = 0o040_000;

impl<'a> Open<'a> {
    /// Absolute path of what was opened, with symbolic links, `..`, mounts and `chroot` resolved; of a failed open, the
    /// typed text made absolute.
    #[must_use]
    #[inline]
    pub fn path(self) -> &'a [u8] {
        string(self.batch, cell(&self.table.path, self.row))
    }

    /// The path as the caller typed it.
    #[must_use]
    #[inline]
    pub fn typed(self) -> &'a [u8] {
        string(self.batch, cell(&self.table.typed, self.row))
    }

    /// How far [`path`](Open::path) can be trusted.
    #[must_use]
    pub fn path_kind(self) -> PathKind {
        PathKind::from_column(cell(&self.table.path_kind, self.row))
    }

    /// The `O_*` flags of the call.
    #[must_use]
    #[inline]
    pub fn flags(self) -> u32 {
        cell(&self.table.flags, self.row)
    }

    /// Whether the descriptor can read contents.
    #[must_use]
    #[inline]
    pub fn reads(self) -> bool {
        self.flags() & O_PATH == 0 && matches!(self.flags() & O_ACCMODE, 0 | O_RDWR)
    }

    /// Whether the call can change the file: opened for writing, or created or cut by the open itself.
    #[must_use]
    #[inline]
    pub fn writes(self) -> bool {
        let flags = self.flags();
        flags & O_PATH == 0
            && (matches!(flags & O_ACCMODE, O_WRONLY | O_RDWR) || flags & (O_CREAT | O_TRUNC | O_TMPFILE_BIT) != 0)
    }

    /// Whether the call empties the file.
    #[must_use]
    #[inline]
    pub fn truncates(self) -> bool {
        self.flags() & O_TRUNC != 0 && self.flags() & O_PATH == 0
    }

    /// Whether the descriptor only names the file (`O_PATH`).
    #[must_use]
    #[inline]
    pub fn is_path_only(self) -> bool {
        self.flags() & O_PATH != 0
    }

    /// `st_mode` of the opened file; the mode argument if the open failed.
    #[must_use]
    #[inline]
    pub fn mode(self) -> u32 {
        cell(&self.table.mode, self.row)
    }

    /// Whether what was opened is a directory.
    #[must_use]
    #[inline]
    pub fn is_directory(self) -> bool {
        !self.failed() && self.mode() & S_IFMT == S_IFDIR
    }

    /// Whether the call made the file.
    #[must_use]
    #[inline]
    pub fn created(self) -> bool {
        cell(&self.table.traits, self.row) & CREATED != 0
    }

    /// Whether the file lies in the upper layer of an overlay: in a container, it is not the image's, or was changed
    /// since.
    #[must_use]
    #[inline]
    pub fn is_upper(self) -> bool {
        cell(&self.table.traits, self.row) & UPPER != 0
    }

    /// How many opens the row stands for: 1, unless the plugin's filters allow more
    /// ([`Filter::merged_within`](crate::Filter::merged_within)).
    #[must_use]
    #[inline]
    pub fn count(self) -> u32 {
        cell(&self.table.count, self.row)
    }

    /// Whether it came through `io_uring`. It has a descriptor only if one was asked for, and no result if none was.
    #[must_use]
    #[inline]
    pub fn through_io_uring(self) -> bool {
        cell(&self.table.traits, self.row) & IO_URING != 0
    }

    /// Whether the call failed.
    #[must_use]
    #[inline]
    pub fn failed(self) -> bool {
        cell(&self.table.result, self.row) < 0
    }

    /// Why the call failed, or 0.
    #[must_use]
    #[inline]
    pub fn errno(self) -> u32 {
        u32::try_from(cell(&self.table.result, self.row).saturating_neg()).unwrap_or(0)
    }

    /// The descriptor.
    #[must_use]
    #[inline]
    pub fn fd(self) -> Option<u32> {
        u32::try_from(cell(&self.table.result, self.row)).ok()
    }
}
