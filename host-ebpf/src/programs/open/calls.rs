//! Which system calls open files, by number.
use super::super::syscall::{Calls, table};

/// What a call does.
pub(super) mod action {
    pub(in super::super) const OPEN: u8 = 1;
    pub(in super::super) const CREAT: u8 = 2;
    pub(in super::super) const OPENAT: u8 = 3;
    pub(in super::super) const OPENAT2: u8 = 4;
}
use action::{CREAT, OPEN, OPENAT, OPENAT2};

pub(in super::super) static CALLS: Calls = Calls {
    native: table(&[(2, OPEN), (85, CREAT), (257, OPENAT), (437, OPENAT2)]),
    compat: table(&[(5, OPEN), (8, CREAT), (295, OPENAT), (437, OPENAT2)]),
};
