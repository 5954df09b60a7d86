//! Which system calls change files, by number.
use super::super::syscall::{Calls, table};

/// What a call does. Calls with the same arguments in the same places share one.
pub(super) mod action {
    pub(in super::super) const RENAME: u8 = 1;
    pub(in super::super) const RENAMEAT: u8 = 2;
    pub(in super::super) const RENAMEAT2: u8 = 3;
    pub(in super::super) const LINK: u8 = 4;
    pub(in super::super) const LINKAT: u8 = 5;
    pub(in super::super) const SYMLINK: u8 = 6;
    pub(in super::super) const SYMLINKAT: u8 = 7;
    pub(in super::super) const UNLINK: u8 = 8;
    pub(in super::super) const UNLINKAT: u8 = 9;
    pub(in super::super) const RMDIR: u8 = 10;
    pub(in super::super) const MKDIR: u8 = 11;
    pub(in super::super) const MKDIRAT: u8 = 12;
    pub(in super::super) const MKNOD: u8 = 13;
    pub(in super::super) const MKNODAT: u8 = 14;
    pub(in super::super) const TRUNCATE: u8 = 15;
    pub(in super::super) const FTRUNCATE: u8 = 16;
    /// With the length in two halves.
    pub(in super::super) const TRUNCATE64: u8 = 17;
    pub(in super::super) const FTRUNCATE64: u8 = 18;
    pub(in super::super) const CHMOD: u8 = 19;
    pub(in super::super) const FCHMOD: u8 = 20;
    pub(in super::super) const FCHMODAT: u8 = 21;
    pub(in super::super) const FCHMODAT2: u8 = 22;
    pub(in super::super) const CHOWN: u8 = 23;
    pub(in super::super) const FCHOWN: u8 = 24;
    pub(in super::super) const FCHOWNAT: u8 = 25;
    pub(in super::super) const SETXATTR: u8 = 26;
    pub(in super::super) const FSETXATTR: u8 = 27;
    pub(in super::super) const SETXATTRAT: u8 = 28;
    pub(in super::super) const REMOVEXATTR: u8 = 29;
    pub(in super::super) const FREMOVEXATTR: u8 = 30;
    pub(in super::super) const REMOVEXATTRAT: u8 = 31;
    pub(in super::super) const MOUNT: u8 = 32;
    pub(in super::super) const MOVE_MOUNT: u8 = 33;
    pub(in super::super) const UMOUNT: u8 = 34;
    /// Without flags.
    pub(in super::super) const UMOUNT_PLAIN: u8 = 35;
}
use action::*;

/// Whether a call names its file by a descriptor.
#[inline(always)]
pub(super) fn names_descriptor(action: u8) -> bool {
    matches!(
        action,
        FTRUNCATE | FTRUNCATE64 | FCHMOD | FCHOWN | FSETXATTR | FREMOVEXATTR
    )
}

/// The i386 calls that take users and groups of 16 bits are left out: no program has used them since Linux 2.4.
pub(in super::super) static CALLS: Calls = Calls {
    native: table(&[
        (76, TRUNCATE),
        (77, FTRUNCATE),
        (82, RENAME),
        (83, MKDIR),
        (84, RMDIR),
        (86, LINK),
        (87, UNLINK),
        (88, SYMLINK),
        (90, CHMOD),
        (91, FCHMOD),
        (92, CHOWN),
        (93, FCHOWN),
        (94, CHOWN),
        (133, MKNOD),
        (165, MOUNT),
        (166, UMOUNT),
        (188, SETXATTR),
        (189, SETXATTR),
        (190, FSETXATTR),
        (197, REMOVEXATTR),
        (198, REMOVEXATTR),
        (199, FREMOVEXATTR),
        (258, MKDIRAT),
        (259, MKNODAT),
        (260, FCHOWNAT),
        (263, UNLINKAT),
        (264, RENAMEAT),
        (265, LINKAT),
        (266, SYMLINKAT),
        (268, FCHMODAT),
        (316, RENAMEAT2),
        (429, MOVE_MOUNT),
        (452, FCHMODAT2),
        (463, SETXATTRAT),
        (466, REMOVEXATTRAT),
    ]),
    compat: table(&[
        (9, LINK),
        (10, UNLINK),
        (14, MKNOD),
        (15, CHMOD),
        (21, MOUNT),
        (22, UMOUNT_PLAIN),
        (38, RENAME),
        (39, MKDIR),
        (40, RMDIR),
        (52, UMOUNT),
        (83, SYMLINK),
        (92, TRUNCATE),
        (93, FTRUNCATE),
        (94, FCHMOD),
        (193, TRUNCATE64),
        (194, FTRUNCATE64),
        (198, CHOWN),
        (207, FCHOWN),
        (212, CHOWN),
        (226, SETXATTR),
        (227, SETXATTR),
        (228, FSETXATTR),
        (235, REMOVEXATTR),
        (236, REMOVEXATTR),
        (237, FREMOVEXATTR),
        (296, MKDIRAT),
        (297, MKNODAT),
        (298, FCHOWNAT),
        (301, UNLINKAT),
        (302, RENAMEAT),
        (303, LINKAT),
        (304, SYMLINKAT),
        (306, FCHMODAT),
        (353, RENAMEAT2),
        (429, MOVE_MOUNT),
        (452, FCHMODAT2),
        (463, SETXATTRAT),
        (466, REMOVEXATTRAT),
    ]),
};
