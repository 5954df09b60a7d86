//! Identical opens that come as one row, where every plugin allows it.
//!
//! The first of them is a record, and is kept; those that follow within the window are counted and are none. The first
//! one after the window is a record again, and stands for those before it as well; if none follows for as long again, the
//! daemon takes what was kept and makes the record of it. Programs and daemon never are at the same entry: which of them
//! it belongs to follows from its age.
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Opens that others can be merged into at a time. Of what is beyond, each is a record.
pub const MAX_MERGED: usize = 2048;

/// Records that are this long or longer are not merged.
pub const MERGED_BYTES: usize = 512;

/// What identical opens have in common: everything that a plugin or its filters see, except the text and the descriptor.
/// Never leaves the kernel.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
pub struct MergeKey {
    /// Of the names in the resolved path, as the kernel has them.
    pub path: u64,
    /// Address of the inode.
    pub inode: u64,
    /// The process's v2 control group.
    pub cgroup: u64,
    /// Start of the process.
    pub start_ns: u64,
    /// How many images the process and its ancestors had: another one is another executable.
    pub images: u64,
    /// The process.
    pub pid: u32,
    /// Its user and group.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its mount namespace.
    pub mnt_ns: u32,
    /// `O_*` flags.
    pub flags: u32,
    /// The file's mode.
    pub mode: u32,
    /// How the path ended, and the file's traits.
    pub ends: u32,
    /// Its namespaces in a word, if a filter may be about them; else 0.
    pub namespaces: u32,
}

/// A record, and those that it is to stand for.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
pub struct Merged {
    /// Boot time up to which an open is merged into it.
    pub until_ns: u64,
    /// Boot time from which on it is the daemon's, and no program touches it.
    pub stale_ns: u64,
    /// Opens that were merged and that no record has stood for yet.
    pub count: u64,
    /// Length of the record.
    pub len: u32,
    /// Padding; 0.
    pub reserved: u32,
    /// The record.
    pub record: [u8; MERGED_BYTES],
}

const _: () = assert!(size_of::<MergeKey>() == 72);
const _: () = assert!(size_of::<Merged>() == 32 + MERGED_BYTES);
