//! Files of an overlay: whether they are the lower layers' own, as in the image of a container, or lie in the upper one.
use vespid_ebpf::ABSENT;

use super::globals::{has, offset};
use super::read::word;

/// `OVERLAYFS_SUPER_MAGIC`.
const MAGIC: u32 = 0x794c_7630;

/// Whether a file lies in the upper layer: it was made there, or copied up to be changed.
///
/// Where an overlay keeps that is no part of the kernel's own types: in the word that follows its `struct inode`. What is
/// found there is believed only if it is an entry of a file system that is no overlay.
#[inline(always)]
pub(super) fn is_upper(inode: u64) -> bool {
    if !(has!(inode_sb) && has!(sb_magic) && has!(dentry_inode)) || offset!(inode_size) == ABSENT {
        return false;
    }
    let magic = |inode: u64| word(word(inode, offset!(inode_sb)), offset!(sb_magic)) as u32;
    if magic(inode) != MAGIC {
        return false;
    }
    let entry = word(inode, offset!(inode_size));
    let below = word(entry, offset!(dentry_inode));
    entry != 0 && below != 0 && !matches!(magic(below), 0 | MAGIC)
}
