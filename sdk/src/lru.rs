//! A map that knows in which order its keys were used, for [`Keyed`](crate::Keyed) and [`Repeats`](crate::Repeats).
//!
//! Every operation hashes its key once at most, and an entry takes the place of one that has gone: an event that comes and goes
//! allocates nothing. Crates with such a map allocate each entry apart, or hash once more for each step.
use std::borrow::Borrow;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::marker::PhantomData;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// No slot.
const NONE: u32 = u32::MAX;

pub(crate) struct Lru<K, V> {
    /// Where keys are in `slots`.
    index: HashTable<u32>,
    slots: Vec<Slot<K, V>>,
    newest: u32,
    oldest: u32,
    /// The first of the empty slots, each of which has the next one as its `older`.
    free: u32,
}

struct Slot<K, V> {
    entry: Option<(K, V)>,
    newer: u32,
    older: u32,
}

impl<K, V> Slot<K, V> {
    #[inline]
    fn has<Q: Eq + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.entry.as_ref().is_some_and(|(own, _)| own.borrow() == key)
    }

    fn entry(&self) -> Option<(&K, &V)> {
        self.entry.as_ref().map(|(key, value)| (key, value))
    }
}

#[inline]
fn hash_of<Q: Hash + ?Sized>(key: &Q) -> u64 {
    FixedState::default().hash_one(key)
}

impl<K, V> Default for Lru<K, V> {
    fn default() -> Self {
        Lru {
            index: HashTable::new(),
            slots: Vec::new(),
            newest: NONE,
            oldest: NONE,
            free: NONE,
        }
    }
}

impl<K: Hash + Eq, V> Lru<K, V> {
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    /// Where `key` is, or its hash. What comes is often about what came last: the newest is found without a hash.
    #[inline]
    fn find<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Result<u32, u64>
    where
        K: Borrow<Q>,
    {
        let same = |at: &u32| self.slots.get(*at as usize).is_some_and(|slot| slot.has(key));
        if same(&self.newest) {
            return Ok(self.newest);
        }
        let hash = hash_of(key);
        self.index.find(hash, same).copied().ok_or(hash)
    }

    /// The value of `key`, which stays where it is in the order.
    pub(crate) fn peek_mut<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let at = self.find(key).ok()?;
        self.value(at)
    }

    /// The value of `key`, which becomes the newest.
    pub(crate) fn get_mut<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let at = self.find(key).ok()?;
        self.promote(at);
        self.value(at)
    }

    /// The value of `key`, made if it is not there, as the newest; with it, the oldest entry if there were `most` already.
    #[inline]
    #[expect(clippy::expect_used, reason = "the slot has just been found or filled")]
    pub(crate) fn get_or_insert(&mut self, key: K, most: usize, make: impl FnOnce() -> V) -> (&mut V, Option<(K, V)>) {
        let (at, gone) = match self.find(&key) {
            Ok(at) => {
                self.promote(at);
                (at, None)
            }
            Err(hash) => {
                let gone = if self.len() >= most { self.pop_oldest() } else { None };
                (self.insert_new(hash, key, make()), gone)
            }
        };
        (self.value(at).expect("an entry"), gone)
    }

    /// Puts in what is not there.
    fn insert_new(&mut self, hash: u64, key: K, value: V) -> u32 {
        let slot = Slot {
            entry: Some((key, value)),
            newer: NONE,
            older: NONE,
        };
        let at = self.free;
        let at = if let Some(empty) = self.slots.get_mut(at as usize) {
            self.free = empty.older;
            *empty = slot;
            at
        } else {
            self.slots.push(slot);
            u32::try_from(self.slots.len() - 1).unwrap_or(NONE)
        };
        self.link(at);
        let slots = &self.slots;
        self.index.insert_unique(hash, at, |at| {
            let entry = slots.get(*at as usize).and_then(|slot| slot.entry.as_ref());
            entry.map_or(0, |(key, _)| hash_of(key))
        });
        at
    }

    /// Takes `key` out.
    pub(crate) fn pop<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<(K, V)>
    where
        K: Borrow<Q>,
    {
        let slots = &self.slots;
        let same = |at: &u32| slots.get(*at as usize).is_some_and(|slot| slot.has(key));
        let found = self.index.find_entry(hash_of(key), same).ok()?;
        let (at, _) = found.remove();
        self.empty(at)
    }

    pub(crate) fn peek_oldest(&self) -> Option<(&K, &V)> {
        self.slots.get(self.oldest as usize)?.entry()
    }

    pub(crate) fn pop_oldest(&mut self) -> Option<(K, V)> {
        let at = self.oldest;
        let hash = hash_of(self.peek_oldest()?.0);
        if let Ok(found) = self.index.find_entry(hash, |other| *other == at) {
            found.remove();
        }
        self.empty(at)
    }

    /// The newest first.
    pub(crate) fn iter(&self) -> Iter<'_, K, V> {
        Iter {
            slots: &self.slots,
            newest: self.newest,
            oldest: self.oldest,
            left: self.len(),
        }
    }

    /// The same, to be changed.
    pub(crate) fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = (&K, &mut V)> {
        let mut order = Vec::with_capacity(self.len());
        let mut at = self.newest;
        while let Some(slot) = self.slots.get(at as usize) {
            order.push(at);
            at = slot.older;
        }
        let mut entries: Vec<_> = self.slots.iter_mut().map(|slot| slot.entry.as_mut()).collect();
        let entry = move |at: u32| entries.get_mut(at as usize).and_then(Option::take);
        let ordered: Vec<_> = order.into_iter().filter_map(entry).collect();
        ordered.into_iter().map(|(key, value)| (&*key, value))
    }

    #[inline]
    fn value(&mut self, at: u32) -> Option<&mut V> {
        let slot = self.slots.get_mut(at as usize)?;
        slot.entry.as_mut().map(|(_, value)| value)
    }

    #[inline]
    fn promote(&mut self, at: u32) {
        if at != self.newest {
            self.unlink(at);
            self.link(at);
        }
    }

    /// Makes a slot that is in no order the newest.
    #[inline]
    fn link(&mut self, at: u32) {
        let older = self.newest;
        if let Some(slot) = self.slots.get_mut(at as usize) {
            (slot.newer, slot.older) = (NONE, older);
        }
        match self.slots.get_mut(older as usize) {
            Some(slot) => slot.newer = at,
            None => self.oldest = at,
        }
        self.newest = at;
    }

    #[inline]
    fn unlink(&mut self, at: u32) {
        let Some(slot) = self.slots.get(at as usize) else {
            return;
        };
        let (newer, older) = (slot.newer, slot.older);
        match self.slots.get_mut(newer as usize) {
            Some(slot) => slot.older = older,
            None => self.newest = older,
        }
        match self.slots.get_mut(older as usize) {
            Some(slot) => slot.newer = newer,
            None => self.oldest = newer,
        }
    }

    /// Empties a slot that the index no longer knows.
    #[inline]
    fn empty(&mut self, at: u32) -> Option<(K, V)> {
        self.unlink(at);
        let free = self.free;
        let slot = self.slots.get_mut(at as usize)?;
        slot.older = free;
        self.free = at;
        slot.entry.take()
    }
}

pub(crate) struct Iter<'a, K, V> {
    slots: &'a [Slot<K, V>],
    newest: u32,
    oldest: u32,
    left: usize,
}

impl<'a, K, V> Iter<'a, K, V> {
    fn take(&mut self, at: u32) -> Option<&'a Slot<K, V>> {
        self.left = self.left.checked_sub(1)?;
        self.slots.get(at as usize)
    }
}

impl<'a, K, V> Iterator for Iter<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        let slot = self.take(self.newest)?;
        self.newest = slot.older;
        slot.entry()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<K, V> DoubleEndedIterator for Iter<'_, K, V> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let slot = self.take(self.oldest)?;
        self.oldest = slot.newer;
        slot.entry()
    }
}

/// As a list, oldest first, so that entries are in the same order once they have been put back.
impl<K: Hash + Eq + Serialize, V: Serialize> Serialize for Lru<K, V> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.iter().rev())
    }
}

impl<'de, K: Hash + Eq + Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for Lru<K, V> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Entries<K, V>(PhantomData<(K, V)>);

        impl<'de, K: Hash + Eq + Deserialize<'de>, V: Deserialize<'de>> Visitor<'de> for Entries<K, V> {
            type Value = Lru<K, V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of entries")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Lru<K, V>, A::Error> {
                let mut entries = Lru::default();
                while let Some((key, value)) = list.next_element()? {
                    entries.get_or_insert(key, usize::MAX, || value);
                }
                Ok(entries)
            }
        }

        from.deserialize_seq(Entries(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        /// Against a list that is searched from one end to the other, the newest last.
        #[test]
        fn it_is_as_a_list_would_be(steps in proptest::collection::vec((0_u8..5, 0_u8..9), 0..80)) {
            let mut lru = Lru::default();
            let mut list: Vec<(u8, usize)> = Vec::new();
            for (i, (step, key)) in steps.into_iter().enumerate() {
                let place = list.iter().position(|(other, _)| *other == key);
                match step {
                    0 | 1 => {
                        let gone = (place.is_none() && list.len() >= 4).then(|| list.remove(0));
                        let entry = place.map_or((key, i), |place| list.remove(place));
                        list.push(entry);
                        let (value, evicted) = lru.get_or_insert(key, 4, || i);
                        proptest::prop_assert_eq!((*value, evicted), (entry.1, gone));
                    }
                    2 => {
                        let entry = place.map(|place| list.remove(place));
                        list.extend(entry);
                        proptest::prop_assert_eq!(lru.get_mut(&key).copied(), entry.map(|(_, value)| value));
                    }
                    3 => proptest::prop_assert_eq!(lru.pop(&key), place.map(|place| list.remove(place))),
                    _ => {
                        let oldest = (!list.is_empty()).then(|| list.remove(0));
                        proptest::prop_assert_eq!(lru.pop_oldest(), oldest);
                    }
                }
                let entries: Vec<(u8, usize)> = lru.iter().rev().map(|(key, value)| (*key, *value)).collect();
                proptest::prop_assert_eq!(&entries, &list);
                let newest_first: Vec<u8> = lru.iter_mut().map(|(key, _)| *key).collect();
                proptest::prop_assert!(newest_first.into_iter().eq(list.iter().rev().map(|(key, _)| *key)));
            }
        }
    }
}
