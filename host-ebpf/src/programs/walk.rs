//! Walking a path from its leaf to the root, as `prepend_path` in fs/d_path.c does.
//!
//! Names are appended leaf first, each with its NUL. The walk crosses mount points, stops at the root directory of the
//! task, and holds no lock: a rename on the way can mix the old path with the new.
use core::ffi::c_void;

use aya_ebpf::helpers::generated::{bpf_loop, bpf_probe_read_kernel, bpf_probe_read_kernel_str};
use vespid_ebpf::{ABSENT, MAX_DEPTH, MAX_PATH, PathEnd};

use super::globals::{has, offset, type_id};
use super::read::{Task, kernel, kernel_u64, word};
use super::scratch::{MAX_CGROUP, MAX_NAME, Scratch, Walk, place};

/// Deepest cgroup that is walked.
const MAX_CGROUP_DEPTH: u32 = 64;

/// What comes next on the way to the root.
pub(super) enum Next {
    /// Nothing: here the path ends.
    Ended(PathEnd),
    /// A mount point was crossed.
    Crossed,
    /// The entry cannot be read.
    Unreadable,
    /// An entry; without a parent of its own it is the last one.
    Name {
        parent: u64,
        len: u64,
        hash: u64,
        name: u64,
    },
}

/// Signature of a `bpf_loop` callback. It is given where the scratch is that it works on.
pub(super) type Step = unsafe extern "C" fn(u64, *mut c_void) -> i64;

const GO_ON: i64 = 0;
const STOP: i64 = 1;

/// Appends the path of a `struct path` to the record; says how long it is and how the walk ended.
///
/// # Safety
/// `scratch` must point into its map, and `step` must work on that same scratch.
#[inline(always)]
pub(super) unsafe fn append_path<const SIZE: usize>(
    scratch: *mut Scratch<SIZE>,
    step: Step,
    task: Task,
    path: u64,
) -> (u16, PathEnd) {
    let [vfsmount, dentry] = ends_of(path);
    // SAFETY: the caller's promise.
    unsafe { append_entry(scratch, step, task, vfsmount, dentry) }
}

/// Like [`append_path`], of a directory entry in a mount.
///
/// # Safety
/// As for [`append_path`].
#[inline(always)]
pub(super) unsafe fn append_entry<const SIZE: usize>(
    scratch: *mut Scratch<SIZE>,
    step: Step,
    task: Task,
    vfsmount: u64,
    dentry: u64,
) -> (u16, PathEnd) {
    // SAFETY: the caller's promise.
    unsafe {
        let walk = &raw mut (*scratch).walk;
        if !begin_at(walk, task, vfsmount, dentry) {
            return (0, PathEnd::Absent);
        }
        (*walk).from = (*walk).at;
        (*walk).names = 0;
        (*walk).end = PathEnd::Truncated as u64;
        let mut kept = scratch;
        bpf_loop(MAX_DEPTH as u32, step as *mut c_void, (&raw mut kept).cast(), 0);
        let end = PathEnd::from_number((*walk).end as u8).unwrap_or(PathEnd::Absent);
        (((*walk).at - (*walk).from) as u16, end)
    }
}

/// Begins at the leaf of a `struct path`. Whether there is one.
///
/// # Safety
/// `walk` must point into its map.
#[inline(always)]
pub(super) unsafe fn begin(walk: *mut Walk, task: Task, path: u64) -> bool {
    let [vfsmount, dentry] = ends_of(path);
    // SAFETY: the caller's promise.
    unsafe { begin_at(walk, task, vfsmount, dentry) }
}

/// The mount and the directory entry of a `struct path { vfsmount *mnt; dentry *dentry; }`; zeroes if it cannot be read.
#[inline(always)]
pub(super) fn ends_of(path: u64) -> [u64; 2] {
    if type_id!(word) == ABSENT {
        return kernel(path, 0).unwrap_or([0, 0]);
    }
    [word(path, 0), word(path, 8)]
}

/// Like [`begin`], at a directory entry in a mount.
///
/// # Safety
/// As for [`begin`].
#[inline(always)]
unsafe fn begin_at(walk: *mut Walk, task: Task, vfsmount: u64, dentry: u64) -> bool {
    if dentry == 0 {
        return false;
    }
    let [root_vfsmount, root_dentry] = ends_of(task.pointer(offset!(task_fs)) + u64::from(offset!(fs_root)));
    // SAFETY: the caller's promise.
    unsafe {
        (*walk).node = dentry;
        (*walk).vfsmount = vfsmount;
        (*walk).mount_root = root_of(vfsmount);
        (*walk).root_vfsmount = root_vfsmount;
        (*walk).root_dentry = root_dentry;
    }
    true
}

/// Looks at the entry that the walk has come to, and crosses the mount if that is its root. Going on to the parent is
/// left to the caller.
///
/// # Safety
/// `walk` must point into its map.
#[inline(always)]
pub(super) unsafe fn next(walk: *mut Walk, is_first: bool) -> Next {
    // SAFETY: the caller's promise.
    unsafe {
        let dentry = (*walk).node;
        if dentry == (*walk).root_dentry && (*walk).vfsmount == (*walk).root_vfsmount {
            return Next::Ended(PathEnd::TaskRoot);
        }
        if dentry == (*walk).mount_root {
            let [parent, mountpoint] = below((*walk).vfsmount);
            if parent == 0 {
                return Next::Ended(PathEnd::NamespaceRoot);
            }
            (*walk).node = mountpoint;
            (*walk).vfsmount = parent;
            (*walk).mount_root = root_of(parent);
            return Next::Crossed;
        }
        let Some([parent, hash, len, name]) = entry(dentry) else {
            return Next::Unreadable;
        };
        if parent == dentry && !is_first {
            return Next::Ended(PathEnd::NamespaceRoot);
        }
        Next::Name {
            parent,
            len: len & 0xff,
            hash,
            name,
        }
    }
}

/// The directory entry that is a mount's root.
#[inline(always)]
pub(super) fn root_of(vfsmount: u64) -> u64 {
    word(vfsmount, offset!(vfsmount_root))
}

/// The mount that another is mounted in, and where in it; zeroes if in none.
#[inline(always)]
pub(super) fn below(vfsmount: u64) -> [u64; 2] {
    let mount = vfsmount - u64::from(offset!(mount_mnt));
    let parent = word(mount, offset!(mount_parent));
    if parent == mount || parent == 0 {
        return [0, 0];
    }
    [
        parent + u64::from(offset!(mount_mnt)),
        word(mount, offset!(mount_mountpoint)),
    ]
}

/// Of a directory entry its parent, the hash of its name with the length above, the length, and the name's address.
#[inline(always)]
pub(super) fn entry(dentry: u64) -> Option<[u64; 4]> {
    // d_parent is followed by d_name { hash and length, pointer }; the daemon checks that before it loads this.
    let parent = offset!(dentry_parent);
    if type_id!(word) == ABSENT {
        let [parent, hash_len, name] = kernel::<[u64; 3]>(dentry, parent)?;
        return Some([parent, hash_len, hash_len >> 32, name]);
    }
    let up = word(dentry, parent);
    if up == 0 {
        return None;
    }
    let hash_len = word(dentry, parent + 8);
    Some([up, hash_len, hash_len >> 32, word(dentry, parent + 16)])
}

/// Mixes one more value into a hash.
#[inline(always)]
pub(super) fn mixed(hash: u64, value: u64) -> u64 {
    // 2^64 divided by the golden ratio, as in include/linux/hash.h.
    let hash = (hash ^ value).wrapping_mul(0x61c8_8646_80b5_83eb);
    hash ^ hash >> 29
}

/// One step of [`append_path`]: over a mount point, or one name.
///
/// # Safety
/// `scratch` must point into its map.
#[inline(always)]
pub(super) unsafe fn path_step<const SIZE: usize>(scratch: *mut Scratch<SIZE>) -> i64 {
    // SAFETY: the caller's promise; what is written is checked by `place`.
    unsafe {
        let walk = &raw mut (*scratch).walk;
        let (parent, len, hash, name) = match next(walk, (*walk).at == (*walk).from) {
            Next::Crossed => return GO_ON,
            Next::Ended(end) => return ended(walk, end),
            Next::Unreadable => return ended(walk, PathEnd::Absent),
            Next::Name {
                parent,
                len,
                hash,
                name,
            } => (parent, len, hash, name),
        };
        (*walk).names = mixed((*walk).names, hash);
        let Some((at, out)) = place(scratch, MAX_NAME) else {
            return ended(walk, PathEnd::Truncated);
        };
        if at + len >= (*walk).from + MAX_PATH as u64 {
            return ended(walk, PathEnd::Truncated);
        }
        copy_name(out, len, name);
        out.add(len as usize).write(0);
        (*walk).at = at + len + 1;
        if parent == (*walk).node {
            return ended(walk, PathEnd::Unnamed);
        }
        (*walk).node = parent;
        GO_ON
    }
}

/// Copies a name, and some of what follows it.
///
/// # Safety
/// There must be room for [`MAX_NAME`] bytes.
#[inline(always)]
unsafe fn copy_name(out: *mut u8, len: u64, name: u64) {
    // SAFETY: the caller's promise.
    unsafe {
        if type_id!(word) == ABSENT || len > 32 {
            bpf_probe_read_kernel(out.cast(), len as u32, name as *const c_void);
            return;
        }
        let copy = |at: u32| {
            let bytes = word(name, 8 * at);
            out.add(8 * at as usize).cast::<u64>().write_unaligned(bytes);
        };
        copy(0);
        copy(1);
        if len > 16 {
            copy(2);
            copy(3);
        }
    }
}

/// Appends the path of the task's cgroup to the record; says how long it is, and where its kernfs node is. On a node where the v2 hierarchy is not
/// the one in use, that of a v1 controller.
///
/// # Safety
/// As for [`append_path`].
#[inline(always)]
pub(super) unsafe fn append_cgroup<const SIZE: usize>(
    scratch: *mut Scratch<SIZE>,
    step: Step,
    task: Task,
) -> (u16, u64) {
    if !(has!(task_cgroups) && has!(css_dfl_cgrp) && has!(cgroup_kn) && has!(kn_parent) && has!(kn_name)) {
        return (0, 0);
    }
    // SAFETY: the caller's promise.
    unsafe {
        let walk = &raw mut (*scratch).walk;
        let css_set = task.pointer(offset!(task_cgroups));
        let mut node = kernel_u64(kernel_u64(css_set, offset!(css_dfl_cgrp)), offset!(cgroup_kn));
        if has!(css_v1) && has!(css_cgroup) && kernel_u64(node, offset!(kn_parent)) == 0 {
            let state = kernel_u64(css_set, offset!(css_v1));
            node = kernel_u64(kernel_u64(state, offset!(css_cgroup)), offset!(cgroup_kn));
        }
        (*walk).from = (*walk).at;
        (*walk).node = node;
        bpf_loop(MAX_CGROUP_DEPTH, step as *mut c_void, core::ptr::null_mut(), 0);
        (((*walk).at - (*walk).from) as u16, node)
    }
}

/// One step of [`append_cgroup`].
///
/// # Safety
/// As for [`path_step`].
#[inline(always)]
pub(super) unsafe fn cgroup_step<const SIZE: usize>(scratch: *mut Scratch<SIZE>) -> i64 {
    // SAFETY: the caller's promise; what is written is checked by `place`.
    unsafe {
        let walk = &raw mut (*scratch).walk;
        let node = (*walk).node;
        let parent = kernel_u64(node, offset!(kn_parent));
        if parent == 0 {
            return STOP;
        }
        let Some((at, out)) = place(scratch, MAX_NAME) else {
            return STOP;
        };
        if at >= (*walk).from + (MAX_CGROUP - MAX_NAME) as u64 {
            return STOP;
        }
        let name = kernel_u64(node, offset!(kn_name));
        let written = bpf_probe_read_kernel_str(out.cast(), MAX_NAME as u32, name as *const c_void);
        if written <= 0 {
            return STOP;
        }
        (*walk).at = at + written as u64;
        (*walk).node = parent;
        GO_ON
    }
}

#[inline(always)]
unsafe fn ended(walk: *mut Walk, end: PathEnd) -> i64 {
    // SAFETY: `walk` points into a map value.
    unsafe { (*walk).end = end as u64 };
    STOP
}
