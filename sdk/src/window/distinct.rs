//! How many different things, without remembering them.
use serde::{Deserialize, Serialize};

use super::Merge;

/// Registers are told apart by so many bits of the hash.
const BITS: u32 = 10;
const REGISTERS: usize = 1 << BITS;

/// Estimates the number of different byte strings, in 1 KiB, with a standard error of 3 % (HyperLogLog: Flajolet, Fusy,
/// Gandouet and Meunier, 2007, with the linear counting of small numbers).
///
/// The hash has no secret: who chooses what is counted can make the estimate wrong. Where that matters and numbers are
/// small, keep the things themselves in a [`Keyed`](crate::Keyed).
///
/// ```
/// use vespid_plugin::window::Distinct;
///
/// let mut hosts = Distinct::default();
/// for host in ["10.0.0.1", "10.0.0.2", "10.0.0.1"] {
///     hosts.add(host.as_bytes());
/// }
/// assert_eq!(hosts.count(), 2);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distinct {
    /// For each register the longest run of zero bits, plus 1. Empty until something comes.
    registers: Vec<u8>,
}

impl Distinct {
    /// Takes one in.
    pub fn add(&mut self, thing: &[u8]) {
        let hash = hash(thing);
        let register = usize::try_from(hash >> (u64::BITS - BITS)).unwrap_or(0);
        // The bit put in ends a run that would go beyond the hash.
        let run = u8::try_from(((hash << BITS) | 1 << (BITS - 1)).leading_zeros() + 1).unwrap_or(u8::MAX);
        self.registers.resize(REGISTERS, 0);
        if let Some(longest) = self.registers.get_mut(register) {
            *longest = run.max(*longest);
        }
    }

    /// How many different ones there were, about.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a thousand registers")]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive, and an estimate"
    )]
    pub fn count(&self) -> u64 {
        let empty = self.registers.iter().filter(|run| **run == 0).count();
        if self.registers.is_empty() || empty == REGISTERS {
            return 0;
        }
        let all = REGISTERS as f64;
        let sum: f64 = self.registers.iter().map(|run| (-f64::from(*run)).exp2()).sum();
        let estimate = 0.7213 / (1.0 + 1.079 / all) * all * all / sum;
        let estimate = if empty > 0 && estimate <= 2.5 * all {
            all * (all / empty as f64).ln()
        } else {
            estimate
        };
        estimate.round() as u64
    }
}

impl Merge for Distinct {
    fn merge(&mut self, other: &Self) {
        if self.registers.is_empty() {
            self.registers.clone_from(&other.registers);
        }
        for (run, other) in self.registers.iter_mut().zip(&other.registers) {
            *run = (*run).max(*other);
        }
    }
}

/// FNV-1a, with the finaliser of MurmurHash3 for its high bits: the same in each build, so that registers that were saved
/// can be filled further.
fn hash(bytes: &[u8]) -> u64 {
    let fnv = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mixed = (fnv ^ (fnv >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    mixed ^ (mixed >> 33)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(range: std::ops::Range<u32>) -> Distinct {
        let mut distinct = Distinct::default();
        range.for_each(|i| distinct.add(&i.to_le_bytes()));
        distinct
    }

    #[test]
    fn estimates_are_near_at_every_size() {
        for exact in [0_u32, 1, 10, 100, 1000, 2500, 3000, 10_000, 200_000] {
            let count = of(0..exact).count();
            assert!(
                count.abs_diff(u64::from(exact)) <= u64::from(exact) / 10,
                "{count} for {exact}"
            );
        }
    }

    proptest! {
        #[test]
        fn merging_is_as_good_as_having_seen_both(a in 0_u32..3000, b in 0_u32..3000, length in 0_u32..3000) {
            let mut merged = of(0..a);
            merged.merge(&of(b..b + length));
            let mut both = of(0..a);
            (b..b + length).for_each(|i| both.add(&i.to_le_bytes()));
            prop_assert_eq!(merged, both);
        }
    }
}
