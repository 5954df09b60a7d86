//! Where the kernel is about to do what a call asked for: entries to its functions, with files in the place of names.
use aya_ebpf::macros::{fentry, fexit};
use aya_ebpf::programs::{FEntryContext, FExitContext};
use vespid_ebpf::ChangeOp as Op;

use super::super::syscall::in_flight;
use super::calls::{CALLS, action};
use super::note::{self, Note, Which};

/// A hook that gets a folder's `struct path` and a name in it.
macro_rules! names {
    ($($program:ident = $function:literal, $op:ident, $which:ident;)*) => {
        $(#[fentry(function = $function)]
        fn $program(ctx: FEntryContext) -> i32 {
            if let Some((task, note)) = note::begin(|_| Some(Op::$op)) {
                // SAFETY: the note is the current task's.
                unsafe { Note::name(note, Which::$which, task, ctx.arg(0), ctx.arg(1)) };
            }
            0
        })*
    };
}

names! {
    vespid_path_unlink = "security_path_unlink", Unlink, Path;
    vespid_path_rmdir = "security_path_rmdir", RemoveDirectory, Path;
    vespid_path_mkdir = "security_path_mkdir", MakeDirectory, Path;
    vespid_path_mknod = "security_path_mknod", MakeNode, Path;
    vespid_path_symlink = "security_path_symlink", Symlink, Target;
}

/// A hook that gets a file's `struct path`.
macro_rules! paths {
    ($($program:ident = $function:literal, $op:ident;)*) => {
        $(#[fentry(function = $function)]
        fn $program(ctx: FEntryContext) -> i32 {
            if let Some((task, note)) = note::begin(|_| Some(Op::$op)) {
                // SAFETY: the note is the current task's.
                unsafe { Note::path(note, Which::Path, task, ctx.arg(0)) };
            }
            0
        })*
    };
}

paths! {
    vespid_path_truncate = "security_path_truncate", Truncate;
    vespid_path_chmod = "security_path_chmod", Mode;
    vespid_path_chown = "security_path_chown", Owner;
}

/// `security_path_rename(old_dir, old_dentry, new_dir, new_dentry, flags)`.
#[fentry(function = "security_path_rename")]
fn vespid_path_rename(ctx: FEntryContext) -> i32 {
    if let Some((task, note)) = note::begin(|_| Some(Op::Rename)) {
        // SAFETY: the note is the current task's.
        unsafe {
            Note::name(note, Which::Path, task, ctx.arg(0), ctx.arg(1));
            Note::name(note, Which::Target, task, ctx.arg(2), ctx.arg(3));
        }
    }
    0
}

/// `security_path_link(old_dentry, new_dir, new_dentry)`: both are in one mount, or there is no link.
#[fentry(function = "security_path_link")]
fn vespid_path_link(ctx: FEntryContext) -> i32 {
    if let Some((task, note)) = note::begin(|_| Some(Op::Link)) {
        // SAFETY: the note is the current task's.
        unsafe {
            Note::name(note, Which::Path, task, ctx.arg(1), ctx.arg(0));
            Note::name(note, Which::Target, task, ctx.arg(1), ctx.arg(2));
        }
    }
    0
}

/// `mnt_want_write(mnt)`: the hooks on extended attributes do not say which mount it is.
#[fentry(function = "mnt_want_write")]
fn vespid_xattr_mount(ctx: FEntryContext) -> i32 {
    let begun = note::begin(|action| match action {
        action::SETXATTR | action::SETXATTRAT => Some(Op::SetAttribute),
        action::REMOVEXATTR | action::REMOVEXATTRAT => Some(Op::RemoveAttribute),
        _ => None,
    });
    if let Some((_, note)) = begun {
        // SAFETY: the note is the current task's.
        unsafe { Note::keep_mount(note, ctx.arg(0)) };
    }
    0
}

/// `security_inode_setxattr(idmap, dentry, name, value, size, flags)`.
#[fentry(function = "security_inode_setxattr")]
fn vespid_xattr_set(ctx: FEntryContext) -> i32 {
    note_in_mount(&ctx, Op::SetAttribute);
    0
}

/// `security_inode_removexattr(idmap, dentry, name)`.
#[fentry(function = "security_inode_removexattr")]
fn vespid_xattr_remove(ctx: FEntryContext) -> i32 {
    note_in_mount(&ctx, Op::RemoveAttribute);
    0
}

#[inline(always)]
fn note_in_mount(ctx: &FEntryContext, op: Op) {
    let Some((task, _)) = in_flight(&CALLS) else { return };
    if let Some(note) = note::of(op) {
        // SAFETY: the note is the current task's.
        unsafe { Note::in_mount(note, task, ctx.arg(1)) };
    }
}

/// `security_sb_mount(dev_name, path, type, flags, data)`.
#[fentry(function = "security_sb_mount")]
fn vespid_mount(ctx: FEntryContext) -> i32 {
    if let Some((task, note)) = note::begin(|_| Some(Op::Mount)) {
        // SAFETY: the note is the current task's.
        unsafe { Note::path(note, Which::Target, task, ctx.arg(1)) };
    }
    0
}

/// `kern_path(name, flags, path)` returned: within a mount, with what is to be mounted.
#[fexit(function = "kern_path")]
fn vespid_mount_source(ctx: FExitContext) -> i32 {
    let Some((task, action::MOUNT)) = in_flight(&CALLS) else {
        return 0;
    };
    if let Some(note) = note::of(Op::Mount).filter(|_| ctx.arg::<i32>(3) == 0) {
        // SAFETY: the note is the current task's.
        unsafe {
            if !Note::has_path(note) {
                Note::path(note, Which::Path, task, ctx.arg(2));
            }
        }
    }
    0
}

/// `security_move_mount(from_path, to_path)`.
#[fentry(function = "security_move_mount")]
fn vespid_move_mount(ctx: FEntryContext) -> i32 {
    if let Some((task, note)) = note::begin(|_| Some(Op::Mount)) {
        // SAFETY: the note is the current task's.
        unsafe {
            Note::path(note, Which::Path, task, ctx.arg(0));
            Note::path(note, Which::Target, task, ctx.arg(1));
        }
    }
    0
}

/// `security_sb_umount(mnt, flags)`.
#[fentry(function = "security_sb_umount")]
fn vespid_umount(ctx: FEntryContext) -> i32 {
    if let Some((task, note)) = note::begin(|_| Some(Op::Unmount)) {
        // SAFETY: the note is the current task's.
        unsafe { Note::root(note, Which::Path, task, ctx.arg(0)) };
    }
    0
}
