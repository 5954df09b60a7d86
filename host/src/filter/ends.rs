//! Networks and ranges of ports, as the kernel side looks them up: by the longest prefix of the bits.
use std::collections::BTreeMap;

use vespid_ebpf::sieve::{End, Mask};

use super::Filter;

/// Bits that a port or an address has in common with others, from the left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Prefix {
    /// What they are of.
    pub end: End,
    /// From the highest bit on. A port is in the highest 16; IPv4 is in its IPv6-mapped form.
    pub bits: u128,
    /// How many count.
    pub len: u32,
}

/// Filters by prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prefixes(BTreeMap<Prefix, Mask>);

impl Prefixes {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds what a filter says of ends; `without` is filters that say nothing of each.
    pub(super) fn add(&mut self, bit: Mask, filter: &Filter, without: &mut [Mask; 3]) {
        let ports = |end, ranges: &[(u16, u16)]| -> Vec<Prefix> {
            let prefixes = ranges.iter().flat_map(|(first, last)| of_ports(*first, *last));
            prefixes
                .map(|(port, len)| Prefix {
                    end,
                    bits: u128::from(port) << 112,
                    len,
                })
                .collect()
        };
        let networks = filter.remote_networks.iter().map(|network| Prefix {
            end: End::RemoteNetwork,
            bits: network.bits(),
            len: network.prefix(),
        });
        for (end, prefixes) in [
            (End::LocalPort, ports(End::LocalPort, &filter.local_ports)),
            (End::RemotePort, ports(End::RemotePort, &filter.remote_ports)),
            (End::RemoteNetwork, networks.collect()),
        ] {
            if prefixes.is_empty() {
                without[end as usize] |= bit;
            }
            for prefix in prefixes {
                *self.0.entry(prefix).or_default() |= bit;
            }
        }
    }

    /// Each prefix, with the filters that it fits: its own, and those of every shorter one that it begins with. A look-up
    /// finds the longest only.
    pub fn iter(&self) -> impl Iterator<Item = (Prefix, Mask)> {
        // In order, a prefix comes right after all that it begins with, but for others that do so too.
        let mut around: Vec<(Prefix, Mask)> = Vec::new();
        self.0.iter().map(move |(prefix, own)| {
            while around.pop_if(|(outer, _)| !outer.contains(prefix)).is_some() {}
            let filters = own | around.last().map_or(0, |(_, filters)| *filters);
            around.push((*prefix, filters));
            (*prefix, filters)
        })
    }
}

impl Prefix {
    fn contains(&self, other: &Prefix) -> bool {
        let differing = (self.bits ^ other.bits).checked_shr(128 - self.len).unwrap_or(0);
        self.end == other.end && self.len <= other.len && differing == 0
    }
}

/// The prefixes of 16 bits that together are a range.
fn of_ports(first: u16, last: u16) -> Vec<(u16, u32)> {
    let (mut from, to) = (u32::from(first), u32::from(last) + 1);
    let mut prefixes = Vec::new();
    while from < to {
        // As large as the beginning is aligned to, and as fits.
        let aligned = if from == 0 { 16 } else { from.trailing_zeros() };
        let size = aligned.min((to - from).ilog2());
        prefixes.push((u16::try_from(from).unwrap_or(u16::MAX), 16 - size));
        from += 1 << size;
    }
    prefixes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_range_is_its_prefixes(a in any::<u16>(), b in any::<u16>(), port in any::<u16>()) {
            let (first, last) = (a.min(b), a.max(b));
            let prefixes = of_ports(first, last);
            let fits = |port: u16| {
                let fitting = prefixes.iter().filter(|(bits, len)| u32::from(port ^ bits) >> (16 - len) == 0);
                fitting.count()
            };
            prop_assert_eq!(fits(port), usize::from((first..=last).contains(&port)));
            prop_assert_eq!((fits(first), fits(last)), (1, 1));
            prop_assert!(prefixes.len() <= 30);
        }
    }
}
