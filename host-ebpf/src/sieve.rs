//! What is left out before it is described: rows that no plugin's filter wants.
//!
//! The sieve only has to be right about what it rejects. The daemon holds every row that passes against the plugins'
//! own filters, so a condition that the kernel side cannot judge, or not cheaply, lets everything pass.
use zerocopy::{Immutable, IntoBytes};

use crate::Kind;

/// Kinds of access of an open, as bits: what [`access`] gives.
pub mod accesses {
    /// It can be read from.
    pub const READ: u32 = 1;
    /// It can be written to.
    pub const WRITE: u32 = 1 << 1;
    /// It is made if it is not there.
    pub const CREATE: u32 = 1 << 2;
    /// It is cut to nothing.
    pub const TRUNCATE: u32 = 1 << 3;
    /// None of these: for the name alone.
    pub const NAME_ONLY: u32 = 1 << 4;
}

/// How many kinds of access there are.
pub const ACCESSES: usize = 5;

/// Whether a call failed: the columns of [`Sieve::classes`].
pub const OUTCOMES: usize = 2;

/// Where a name may be: bit numbers in [`NameRule`] by a kind of access, in steps of [`ACCESSES`].
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the path of what was opened: the file's own.
    Leaf = 0,
    /// There: that of the folder.
    Folder = 1,
    /// There: any.
    Anywhere = 2,
    /// In the text of an open that failed, or in the path of the directory that it is relative to: any.
    Attempt = 3,
}

/// How many places there are.
pub const PLACES: usize = 4;

/// Names that can be looked for at a time, of all plugins.
pub const MAX_NAMES: usize = 4096;

/// Bytes of a name that are looked at; names that begin with the same ones are not told apart.
pub const NAME_BYTES: usize = 31;

/// A name that is looked for, padded with NUL, and in its last byte the generation of the sieve that it is of.
pub type NameKey = [u8; NAME_BYTES + 1];

/// Accesses and places with which a name is looked for: bit [`name_bit`].
pub type NameRule = u32;

/// The bits of a [`NameRule`] for kinds of access at a place.
#[must_use]
pub const fn name_bits(accesses: u32, place: Place) -> NameRule {
    accesses << (place as usize * ACCESSES)
}

/// Namespaces that can be told apart at a time, of all plugins.
pub const TESTS: usize = 8;

/// Whether a task is in a namespace.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Immutable, IntoBytes)]
pub struct NamespaceTest {
    /// Position in [`crate::NAMESPACES`].
    pub kind: u32,
    /// Inode number; 0 for no test.
    pub inode: u32,
}

/// What passes because of where it was done, beside what passes wherever that was. Whoever may want such a call is told the
/// namespaces of its task with it ([`crate::TOLD`]): this side's and the daemon's judgement are of the same.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Immutable, IntoBytes)]
pub struct Spaces {
    /// By [`Kind::index`]: bit `n` is set if a call passes whose task meets just the tests that are the bits of `n`.
    pub holding: [[u64; Spaces::WORDS]; Kind::ALL.len()],
    /// As [`Sieve::classes`]: what may pass so.
    pub classes: [[u32; OUTCOMES]; Kind::ALL.len()],
    /// As [`Sieve::named`]: of these.
    pub named: [u32; OUTCOMES],
    /// The tests.
    pub tests: [NamespaceTest; TESTS],
}

impl Spaces {
    /// For a bit for each outcome of all tests.
    pub const WORDS: usize = (1 << TESTS) / 64;

    /// Nothing has to do with namespaces.
    pub const NONE: Spaces = Spaces {
        holding: [[0; Spaces::WORDS]; Kind::ALL.len()],
        classes: [[0; OUTCOMES]; Kind::ALL.len()],
        named: [0; OUTCOMES],
        tests: [NamespaceTest { kind: 0, inode: 0 }; TESTS],
    };
}

/// What passes. One of two generations is in force, so that an exchange is one write.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Immutable, IntoBytes)]
pub struct Sieve {
    /// By place and kind of access: bit `n` is set if a name of `n` bytes is looked for; the last
    /// one stands for all that are longer.
    pub lengths: [[u64; ACCESSES]; PLACES],
    /// By [`Kind::index`], and by whether the call failed: a mask of what passes. Of opens it is one of
    /// [`accesses`]; of kinds with an `op`, bit `op`; of others, anything but 0 lets all pass.
    pub classes: [[u32; OUTCOMES]; Kind::ALL.len()],
    /// By whether the open failed: kinds of access for which it must have one of the names.
    pub named: [u32; OUTCOMES],
    /// For how many nanoseconds identical opens are merged into one record ([`crate::merge`]); 0 if not at all.
    pub merge_ns: u64,
    /// What passes beside.
    pub spaces: Spaces,
}

impl Sieve {
    /// Lets everything pass.
    pub const OPEN: Sieve = Sieve {
        lengths: [[0; ACCESSES]; PLACES],
        classes: [[u32::MAX; OUTCOMES]; Kind::ALL.len()],
        named: [0; OUTCOMES],
        merge_ns: 0,
        spaces: Spaces::NONE,
    };

    /// Lets nothing pass.
    pub const SHUT: Sieve = Sieve {
        classes: [[0; OUTCOMES]; Kind::ALL.len()],
        ..Sieve::OPEN
    };
}

/// The bit in [`Sieve::lengths`] for a name of this length.
#[must_use]
pub const fn length_bit(len: u64) -> u64 {
    1 << if len < 63 { len } else { 63 }
}

/// Kinds of access that an open with these `O_*` flags asks for.
#[must_use]
pub const fn access(flags: u32) -> u32 {
    // include/uapi/asm-generic/fcntl.h
    const ACCESS_MODE: u32 = 0o3;
    const CREATE: u32 = 0o100;
    const TRUNCATE: u32 = 0o1000;
    const PATH: u32 = 0o1000_0000;
    if flags & PATH != 0 {
        return accesses::NAME_ONLY;
    }
    let mode = match flags & ACCESS_MODE {
        0 => accesses::READ,
        1 => accesses::WRITE,
        // 3 asks for neither, and is granted to whom both would be.
        _ => accesses::READ | accesses::WRITE,
    };
    let create = if flags & CREATE != 0 { accesses::CREATE } else { 0 };
    let truncate = if flags & TRUNCATE != 0 { accesses::TRUNCATE } else { 0 };
    mode | create | truncate
}
