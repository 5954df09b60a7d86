//! Who is given up when the ring fills.
//!
//! Up to half of the ring everybody writes. Beyond, each kind has a ceiling, and what there is up to that is shared out:
//! of every quarter of the ring that is written, a turn, a control group may have a quarter of what is still free. Who
//! floods so comes to a stop early, and stays there until the daemon has caught up or others have written; who writes
//! little never meets its allowance. There is no rate and no clock in it: the more of them flood, and the further behind
//! the daemon is, the less each of them gets. (A larger part than a quarter would let a few that flood one after the other
//! take nearly all before a quiet one comes; a smaller one would leave the quiet less as well.)
//!
//! What processes are known by counts as used, but is itself neither limited nor given up before the ring is really full.
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::Kind;

/// Control groups whose shares are known at a time. Who has been quiet for longest makes room, and then has a full
/// allowance again.
pub const MAX_SHARES: usize = 1024;

/// Parts of the ring that ceilings are counted in.
const PARTS: u64 = 16;

/// What a control group has had. `used` is of turn `turn`, in bytes; what was given up of it counts from the start.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
pub struct Share {
    /// Which turn it last wrote in.
    pub turn: u64,
    /// Bytes that it wrote in that.
    pub used: u64,
    /// Records that were given up, by [`Kind::index`].
    pub given_up: [u64; Kind::ALL.len()],
}

impl Share {
    /// Nothing yet.
    pub const NONE: Share = Share {
        turn: 0,
        used: 0,
        given_up: [0; Kind::ALL.len()],
    };
}

/// Bytes in the ring from which on it is shared out.
#[inline(always)]
#[must_use]
pub const fn shared_from(ring: u64) -> u64 {
    ring / 2
}

/// Bytes in the ring from which on nothing more of a kind is written. Opens go first, as there are most of them and a
/// plugin can filter them; what verdicts are mostly about goes last. Of [`Kind::Exec`] it holds for those that failed.
#[inline(always)]
#[must_use]
pub const fn ceiling(ring: u64, kind: Kind) -> u64 {
    let parts = match kind {
        Kind::Open => 11,
        Kind::Connection | Kind::Socket => 12,
        Kind::Change | Kind::Exec => 13,
        Kind::Privileged => 14,
        // The process tree, and kills for want of memory, which are rare.
        Kind::Fork | Kind::Exit | Kind::Resource => PARTS,
    };
    ring / PARTS * parts
}

/// Bytes of a turn.
#[inline(always)]
#[must_use]
pub const fn turn(ring: u64) -> u64 {
    ring / 4
}

/// Bytes that a control group may have written of this turn and still write a record of this kind, with so much in the
/// ring; 0 from the kind's ceiling on.
#[inline(always)]
#[must_use]
pub const fn allowance(ring: u64, pending: u64, kind: Kind) -> u64 {
    if pending < shared_from(ring) {
        return u64::MAX;
    }
    ceiling(ring, kind).saturating_sub(pending) / 4
}

const _: () = assert!(size_of::<Share>() == 16 + 8 * Kind::ALL.len());
