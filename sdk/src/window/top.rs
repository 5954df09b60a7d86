//! What comes most often, among however many different things.
use std::hash::Hash;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Merge;

/// The most frequent keys of a stream, with the memory of `capacity` counters ("space-saving": Metwally, Agrawal and
/// El Abbadi, 2005). Whatever makes up more than `1 / capacity` of all that was added is among them.
///
/// ```
/// use vespid_plugin::window::TopK;
///
/// let mut paths = TopK::new(100);
/// for path in ["/etc/passwd", "/etc/hosts", "/etc/passwd"] {
///     paths.add(path.to_owned(), 1);
/// }
/// let top = paths.top(1);
/// assert_eq!((top[0].key.as_str(), top[0].count), ("/etc/passwd", 2));
/// ```
#[derive(Clone, Debug)]
pub struct TopK<K> {
    capacity: usize,
    counters: HashMap<K, Counter, FixedState>,
    next: u64,
}

#[derive(Clone, Copy, Debug)]
struct Counter {
    count: u64,
    over: u64,
    /// Order of arrival, which decides between equal counts.
    order: u64,
}

/// A key and how often it came.
///
/// ```
/// use vespid_plugin::window::Top;
///
/// fn is_certain<K>(top: &Top<'_, K>, limit: u64) -> bool {
///     top.count - top.over > limit
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Top<'a, K> {
    /// The key.
    pub key: &'a K,
    /// How often it came, at most,
    pub count: u64,
    /// and how much of that may belong to keys that had to go.
    pub over: u64,
}

impl<K: Hash + Eq> TopK<K> {
    /// Nothing yet. Capacity 0 is read as 1.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        TopK {
            capacity: capacity.max(1),
            counters: HashMap::with_hasher(FixedState::default()),
            next: 0,
        }
    }

    /// Adds `n` to a key. When there is no counter left, the rarest key gives up its own.
    pub fn add(&mut self, key: K, n: u64) {
        self.put(key, n, 0);
    }

    fn put(&mut self, key: K, n: u64, over: u64) {
        if let Some(counter) = self.counters.get_mut(&key) {
            counter.count = counter.count.saturating_add(n);
            counter.over = counter.over.saturating_add(over);
            return;
        }
        let floor = if self.counters.len() < self.capacity {
            0
        } else {
            self.evict()
        };
        let counter = Counter {
            count: floor.saturating_add(n),
            over: floor.saturating_add(over),
            order: self.next,
        };
        self.next += 1;
        self.counters.insert(key, counter);
    }

    /// Takes out the rarest, of equal ones the oldest, and says how often it came.
    fn evict(&mut self) -> u64 {
        let rarest = self
            .counters
            .values()
            .map(|counter| (counter.count, counter.order))
            .min();
        let Some((count, order)) = rarest else { return 0 };
        self.counters.retain(|_, counter| counter.order != order);
        count
    }

    /// The most frequent `k` keys, the most frequent first.
    #[must_use]
    pub fn top(&self, k: usize) -> Vec<Top<'_, K>> {
        let mut all = self.sorted();
        all.truncate(k);
        let top = |(key, counter): (_, &Counter)| Top {
            key,
            count: counter.count,
            over: counter.over,
        };
        all.into_iter().map(top).collect()
    }

    fn sorted(&self) -> Vec<(&K, &Counter)> {
        let mut all: Vec<_> = self.counters.iter().collect();
        all.sort_unstable_by_key(|(_, counter)| (std::cmp::Reverse(counter.count), counter.order));
        all
    }
}

impl<K: Hash + Eq + Clone> Merge for TopK<K> {
    fn merge(&mut self, other: &Self) {
        for (key, counter) in other.sorted() {
            self.put(key.clone(), counter.count, counter.over);
        }
    }
}

impl<K: Hash + Eq + Serialize> Serialize for TopK<K> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut all: Vec<_> = self.counters.iter().collect();
        all.sort_unstable_by_key(|(_, counter)| counter.order);
        let rows: Vec<(&K, u64, u64)> = all
            .into_iter()
            .map(|(key, counter)| (key, counter.count, counter.over))
            .collect();
        (self.capacity as u64, rows).serialize(to)
    }
}

impl<'de, K: Hash + Eq + Deserialize<'de>> Deserialize<'de> for TopK<K> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let (capacity, rows) = <(u64, Vec<(K, u64, u64)>)>::deserialize(from)?;
        let mut top = TopK::new(usize::try_from(capacity).unwrap_or(usize::MAX));
        for (key, count, over) in rows {
            top.put(key, count, over);
        }
        Ok(top)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::state;

    proptest! {
        #[test]
        fn counts_are_bounds_and_the_frequent_are_there(keys in prop::collection::vec(0_u32..30, 0..300)) {
            let mut top = TopK::new(8);
            let mut exact = HashMap::<u32, u64>::new();
            for key in &keys {
                top.add(*key, 1);
                *exact.entry(*key).or_default() += 1;
            }
            let found = top.top(99);
            prop_assert!(found.len() <= 8);
            for row in &found {
                let exact = exact[row.key];
                prop_assert!(row.count >= exact && row.count - row.over <= exact);
            }
            for (key, count) in exact {
                prop_assert!(count * 8 <= keys.len() as u64 || found.iter().any(|row| *row.key == key));
            }
        }
    }

    #[test]
    fn it_goes_on_after_a_swap_as_if_there_had_been_none() {
        let mut top = TopK::new(2);
        ["a", "a", "b", "c"]
            .iter()
            .for_each(|key| top.add((*key).to_owned(), 1));
        let mut other: TopK<String> = state::load(&state::save(&top)).unwrap();
        for it in [&mut top, &mut other] {
            it.add("d".to_owned(), 1);
        }
        assert_eq!(top.top(9), other.top(9));
    }
}
