//! What a call asked for, in the terms of the interface's `changes`.
use vespid_ebpf::ChangeOp;

use super::super::descriptor::WORKING_DIRECTORY;
use super::super::syscall::Call;
use super::calls::action;

/// `AT_REMOVEDIR`.
const REMOVE_DIRECTORY: u32 = 0x200;
/// `MS_BIND` and `MS_MOVE`: what is mounted is a path.
const SOURCE_IS_PATH: u64 = 0x1000 | 0x2000;

/// How the caller named a file.
#[derive(Clone, Copy)]
pub(super) enum Name {
    Nothing,
    Descriptor(u32),
    /// A text that is relative to a directory.
    Text {
        directory: i32,
        text: u64,
    },
    /// A text that is taken as it is.
    Words(u64),
}

/// What a call asked for.
pub(super) struct Request {
    pub(super) op: ChangeOp,
    pub(super) path: Name,
    pub(super) target: Name,
    /// Address of a text, or 0.
    pub(super) detail: u64,
    pub(super) flags: u32,
    pub(super) mode: u32,
    pub(super) value: u64,
}

#[inline(always)]
fn here(text: u64) -> Name {
    Name::Text {
        directory: WORKING_DIRECTORY,
        text,
    }
}

#[inline(always)]
fn at(directory: u64, text: u64) -> Name {
    Name::Text {
        directory: directory as i32,
        text,
    }
}

/// Two halves in one number: user and group, or the length of an i386 call.
#[inline(always)]
fn halves(low: u64, high: u64) -> u64 {
    (low & 0xffff_ffff) | high << 32
}

#[inline(always)]
pub(super) fn request(call: Call, action: u8) -> Request {
    use ChangeOp as Op;

    let [a, b, c, d, e] = [
        call.argument(0),
        call.argument(1),
        call.argument(2),
        call.argument(3),
        call.argument(4),
    ];
    let of = |op, path| Request {
        op,
        path,
        target: Name::Nothing,
        detail: 0,
        flags: 0,
        mode: 0,
        value: 0,
    };
    let permissions = |mode: u64| (mode & 0o7777) as u32;
    match action {
        action::RENAME => Request {
            target: here(b),
            ..of(Op::Rename, here(a))
        },
        action::RENAMEAT | action::RENAMEAT2 => Request {
            target: at(c, d),
            flags: if action == action::RENAMEAT2 { e as u32 } else { 0 },
            ..of(Op::Rename, at(a, b))
        },
        action::LINK => Request {
            target: here(b),
            ..of(Op::Link, here(a))
        },
        action::LINKAT => Request {
            target: at(c, d),
            flags: e as u32,
            ..of(Op::Link, at(a, b))
        },
        action::SYMLINK => Request {
            target: here(b),
            ..of(Op::Symlink, Name::Words(a))
        },
        action::SYMLINKAT => Request {
            target: at(b, c),
            ..of(Op::Symlink, Name::Words(a))
        },
        action::UNLINK => of(Op::Unlink, here(a)),
        action::UNLINKAT => Request {
            flags: c as u32,
            ..of(
                if c as u32 & REMOVE_DIRECTORY == 0 {
                    Op::Unlink
                } else {
                    Op::RemoveDirectory
                },
                at(a, b),
            )
        },
        action::RMDIR => of(Op::RemoveDirectory, here(a)),
        action::MKDIR => Request {
            mode: permissions(b),
            ..of(Op::MakeDirectory, here(a))
        },
        action::MKDIRAT => Request {
            mode: permissions(c),
            ..of(Op::MakeDirectory, at(a, b))
        },
        action::MKNOD => Request {
            mode: b as u32 & 0xffff,
            value: c,
            ..of(Op::MakeNode, here(a))
        },
        action::MKNODAT => Request {
            mode: c as u32 & 0xffff,
            value: d,
            ..of(Op::MakeNode, at(a, b))
        },
        action::TRUNCATE => Request {
            value: b,
            ..of(Op::Truncate, here(a))
        },
        action::FTRUNCATE => Request {
            value: b,
            ..of(Op::Truncate, Name::Descriptor(a as u32))
        },
        action::TRUNCATE64 => Request {
            value: halves(b, c),
            ..of(Op::Truncate, here(a))
        },
        action::FTRUNCATE64 => Request {
            value: halves(b, c),
            ..of(Op::Truncate, Name::Descriptor(a as u32))
        },
        action::CHMOD => Request {
            mode: permissions(b),
            ..of(Op::Mode, here(a))
        },
        action::FCHMOD => Request {
            mode: permissions(b),
            ..of(Op::Mode, Name::Descriptor(a as u32))
        },
        action::FCHMODAT | action::FCHMODAT2 => Request {
            mode: permissions(c),
            flags: if action == action::FCHMODAT2 { d as u32 } else { 0 },
            ..of(Op::Mode, at(a, b))
        },
        action::CHOWN => Request {
            value: halves(b, c),
            ..of(Op::Owner, here(a))
        },
        action::FCHOWN => Request {
            value: halves(b, c),
            ..of(Op::Owner, Name::Descriptor(a as u32))
        },
        action::FCHOWNAT => Request {
            value: halves(c, d),
            flags: e as u32,
            ..of(Op::Owner, at(a, b))
        },
        action::SETXATTR => Request {
            detail: b,
            flags: e as u32,
            ..of(Op::SetAttribute, here(a))
        },
        action::FSETXATTR => Request {
            detail: b,
            flags: e as u32,
            ..of(Op::SetAttribute, Name::Descriptor(a as u32))
        },
        action::SETXATTRAT => Request {
            detail: d,
            flags: c as u32,
            ..of(Op::SetAttribute, at(a, b))
        },
        action::REMOVEXATTR => Request {
            detail: b,
            ..of(Op::RemoveAttribute, here(a))
        },
        action::FREMOVEXATTR => Request {
            detail: b,
            ..of(Op::RemoveAttribute, Name::Descriptor(a as u32))
        },
        action::REMOVEXATTRAT => Request {
            detail: d,
            flags: c as u32,
            ..of(Op::RemoveAttribute, at(a, b))
        },
        action::MOUNT => Request {
            target: here(b),
            detail: c,
            flags: d as u32,
            ..of(
                Op::Mount,
                if d & SOURCE_IS_PATH == 0 {
                    Name::Words(a)
                } else {
                    here(a)
                },
            )
        },
        action::MOVE_MOUNT => Request {
            target: at(c, d),
            flags: e as u32,
            ..of(Op::Mount, at(a, b))
        },
        _ => Request {
            flags: if action == action::UMOUNT { b as u32 } else { 0 },
            ..of(Op::Unmount, here(a))
        },
    }
}
