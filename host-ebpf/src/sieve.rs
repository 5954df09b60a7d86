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

/// Whether a call failed: the middle index of [`Sieve::classes`].
pub const OUTCOMES: usize = 2;

/// Where a name may be.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the path of what was opened: the file's own.
    Leaf = 0,
    /// There: that of the folder.
    Folder = 1,
    /// There: any.
    Anywhere = 2,
    /// In what a call names without that there is a file to ask: in a text, or in the path of the directory that it is
    /// relative to, any.
    Words = 3,
}

/// How many places there are.
pub const PLACES: usize = 4;

/// Names that can be looked for at a time, of all plugins.
pub const MAX_NAMES: usize = 4096;

/// Bytes of a name that are looked at; names that begin with the same ones are not told apart.
pub const NAME_BYTES: usize = 31;

/// A name that is looked for, padded with NUL, and in its last byte the generation of the sieve that it is of.
pub type NameKey = [u8; NAME_BYTES + 1];

/// By [`Place`], the filters that look for a name there.
pub type NameRule = [Mask; PLACES];

/// What names look like that are looked for. A name that does not is not looked up, which takes longer than all else about
/// it.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Immutable, IntoBytes)]
pub struct Likeness {
    /// By [`Place`]: bit `n` is set if a name of `n` bytes is looked for; the last one stands for all that are longer.
    pub lengths: [u64; PLACES],
    /// A bit for the beginning of each name: see [`first_bit`].
    pub firsts: [u64; FIRSTS],
}

/// Filters, of all plugins, as bits. A call passes if there is one of which every condition may hold.
///
/// Two filters that differ in their names only are one here. Of more than there are bits, those that are left share one: it
/// stands for whatever any of them describes by each condition.
pub type Mask = u64;

/// The bit of a filter that describes everything.
pub const EVERYTHING: Mask = 1 << (Mask::BITS - 1);

/// How many others there are.
pub const FILTERS: u32 = Mask::BITS - 1;

/// What a filter can tell calls of a kind apart by, before anything else: the number of their operation; of opens, the
/// [`access`] that they ask for.
pub const CLASSES: usize = 32;

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

/// Filters that have no such condition.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Immutable, IntoBytes)]
pub struct Without {
    /// On a path.
    pub path: Mask,
    /// On users.
    pub user: Mask,
    /// On executables or on containers: on what [`ImageOf`] leads to.
    pub image: Mask,
    /// On namespaces.
    pub namespace: Mask,
    /// On each of what an [`EndKey`] is about.
    pub ends: [Mask; ENDS],
}

/// Users that can be told apart at a time, of all plugins.
pub const MAX_USERS: usize = 8192;

/// A user, and the generation of the sieve that it is of.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Immutable, IntoBytes)]
pub struct UserKey {
    /// Its number.
    pub uid: u32,
    /// 0 or 1.
    pub generation: u32,
}

/// Networks and ranges of ports that can be told apart at a time, of all plugins. A range is made of some of these.
pub const MAX_ENDS: usize = 16384;

/// What an [`EndKey`] is about.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// The local port.
    LocalPort = 0,
    /// The remote port.
    RemotePort = 1,
    /// The remote address.
    RemoteNetwork = 2,
}

/// How many there are.
pub const ENDS: usize = 3;

/// An address or a port, as the longest prefix of it is looked for: what it is and of which generation, in a word each of
/// which a byte is used, then its bytes as on the wire. IPv4 is in its IPv6-mapped form.
pub type EndKey = [u8; 4 + 16];

/// Bits of an [`EndKey`] that are no part of the address or port.
pub const END_HEAD: u32 = 32;

/// The beginning of an [`EndKey`].
#[must_use]
pub const fn end_head(end: End, generation: u32) -> [u8; 4] {
    [end as u8, (generation & 1) as u8, 0, 0]
}

/// Processes of which it is known what they run, at a time. Of what is beyond, the daemon judges.
pub const MAX_IMAGES: usize = 16384;

/// Executables, each by the control group that it runs in, of which is known what filters say, at a time.
pub const MAX_ANSWERS: usize = 8192;

/// A process, in one of the times in which somebody wants to know of processes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Immutable, IntoBytes)]
pub struct ImageOf {
    /// Its id.
    pub pid: u32,
    /// As [`Sieve::epoch`].
    pub epoch: u32,
}

/// What a process runs, and where: a number for which the daemon has an answer, or will have.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Immutable, IntoBytes)]
pub struct Image {
    /// When the process started, as far as is known: to a clock tick, or to the nanosecond.
    pub start_ns: u64,
    /// The number.
    pub key: u64,
}

/// How far two starts may be apart that are the same: a clock tick.
pub const START_TOLERANCE_NS: u64 = 10_000_000;

/// The bit that no number has which the programs give to an executable; those that the daemon gives have it.
pub const GIVEN: u64 = 1 << 63;

/// What the daemon has an answer for: which filters describe it.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Immutable, IntoBytes)]
pub struct AnswerKey {
    /// As in [`Image`].
    pub key: u64,
    /// 0 or 1.
    pub generation: u64,
}

/// What passes. One of two generations is in force, so that an exchange is one write.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Immutable, IntoBytes)]
pub struct Sieve {
    /// By [`Kind::index`], by whether the call failed, and by its class: the filters that may describe it.
    pub classes: [[[Mask; CLASSES]; OUTCOMES]; Kind::ALL.len()],
    /// By [`access`], what names look like that are looked for. Of what is no open, the last one counts.
    pub likenesses: [Likeness; CLASSES],
    /// Filters without conditions.
    pub without: Without,
    /// Filters without any of them. What is of the class of one of these passes, whatever else is to be said of it.
    pub free: Mask,
    /// Filters that have one on namespaces. Whoever may want a call by such a filter is told the namespaces of its task with
    /// it ([`crate::TOLD`]): this side's and the daemon's judgement are of the same.
    pub telling: Mask,
    /// What they are about.
    pub tests: [NamespaceTest; TESTS],
    /// By which of the tests are met, as bits: the filters for which that is where they are about.
    pub inside: [Mask; 1 << TESTS],
    /// For how many nanoseconds identical opens are merged into one record ([`crate::merge`]); 0 if not at all.
    pub merge_ns: u64,
    /// Not 0: a filter is about executables or containers, so it is noted what processes run. Another number each time that
    /// this begins anew.
    pub epoch: u32,
    /// Mask of the kinds of which anything passes at all.
    pub kinds: u32,
}

impl Without {
    /// Filters that have none of the conditions.
    #[must_use]
    pub const fn any(&self) -> Mask {
        let [local, remote, network] = self.ends;
        self.path & self.user & self.image & self.namespace & local & remote & network
    }
}

impl Sieve {
    /// Lets nothing pass.
    pub const SHUT: Sieve = Sieve {
        classes: [[[0; CLASSES]; OUTCOMES]; Kind::ALL.len()],
        likenesses: [Likeness {
            lengths: [0; PLACES],
            firsts: [0; FIRSTS],
        }; CLASSES],
        without: Without {
            path: EVERYTHING,
            user: EVERYTHING,
            image: EVERYTHING,
            namespace: EVERYTHING,
            ends: [EVERYTHING; ENDS],
        },
        free: EVERYTHING,
        telling: 0,
        tests: [NamespaceTest { kind: 0, inode: 0 }; TESTS],
        inside: [0; 1 << TESTS],
        merge_ns: 0,
        epoch: 0,
        kinds: 0,
    };

    /// Lets everything pass.
    pub const OPEN: Sieve = Sieve::SHUT.opened();

    /// The same, but that everything passes.
    #[must_use]
    pub const fn opened(mut self) -> Sieve {
        let mut kind = 0;
        while kind < Kind::ALL.len() {
            let mut class = 0;
            while class < CLASSES {
                self.classes[kind][0][class] |= EVERYTHING;
                self.classes[kind][1][class] |= EVERYTHING;
                class += 1;
            }
            kind += 1;
        }
        self.kinds = u32::MAX;
        self
    }
}

/// The bit in [`Likeness::lengths`] for a name of this length.
#[must_use]
pub const fn length_bit(len: u64) -> u64 {
    1 << (len % 64)
}

/// 1 if a name of this length may be one of those whose bits these are, otherwise 0.
#[must_use]
pub const fn has_length(lengths: u64, len: u64) -> u64 {
    lengths >> (len % 64) & 1
}

/// Words of [`Likeness::firsts`].
pub const FIRSTS: usize = 32;

/// The bit in [`Likeness::firsts`] for a name that begins with these eight bytes, or is as short and padded with NUL. Others
/// may have it, too.
#[must_use]
pub const fn first_bit(begins: u64) -> u64 {
    // 2^64 divided by the golden ratio.
    begins.wrapping_mul(0x61c8_8646_80b5_83eb) >> 53
}

const _: () = assert!(FIRSTS * 64 == 1 << 11);

/// Kinds of access that an open with these `O_*` flags asks for.
///
/// Without a branch: the kernel's verifier would go through all that follows for each combination.
#[must_use]
pub const fn access(flags: u32) -> u32 {
    // Bits in include/uapi/asm-generic/fcntl.h.
    const CREATE: u32 = 6;
    const TRUNCATE: u32 = 9;
    const PATH: u32 = 21;
    // By the two lowest bits. 3 asks for neither, and is granted to whom both would be.
    const BOTH: u32 = accesses::READ | accesses::WRITE;
    const MODES: u32 = accesses::READ | (accesses::WRITE << 2) | (BOTH << 4) | (BOTH << 6);
    let mode = (MODES >> ((flags & 3) * 2)) & 3;
    let create = (flags >> CREATE & 1) * accesses::CREATE;
    let truncate = (flags >> TRUNCATE & 1) * accesses::TRUNCATE;
    let name_only = flags >> PATH & 1;
    let others = (mode | create | truncate) & name_only.wrapping_sub(1);
    others | (name_only * accesses::NAME_ONLY)
}

#[cfg(test)]
mod tests {
    use super::access;
    use super::accesses::{CREATE, NAME_ONLY, READ, TRUNCATE, WRITE};

    #[test]
    fn flags_say_what_access_is_asked_for() {
        let cases = [
            (0, READ),
            (1, WRITE),
            (2, READ | WRITE),
            (3, READ | WRITE),
            (0o1101, WRITE | CREATE | TRUNCATE),
            (0o100, READ | CREATE),
            // O_PATH, whatever else; O_CLOEXEC and O_DIRECTORY, which say nothing of it.
            (0o1000_0000 | 0o1102, NAME_ONLY),
            (0o200_0000 | 0o20_0000, READ),
        ];
        for (flags, asks) in cases {
            assert_eq!(access(flags), asks, "{flags:o}");
        }
    }
}
