//! State by key that cannot grow without bound, however many keys the world invents.
use std::borrow::Borrow;
use std::hash::Hash;
use std::num::NonZeroUsize;
use std::time::Duration;

use foldhash::fast::FixedState;
use lru::LruCache;

/// A map with at most `capacity` keys, which forgets keys that were not touched for a while: the oldest when it is
/// full, and all that are idle for too long when [`expire`](Keyed::expire) is called.
pub struct Keyed<K: Hash + Eq, V> {
    entries: LruCache<K, (u64, V), FixedState>,
    idle: u64,
}

impl<K: Hash + Eq, V> Keyed<K, V> {
    /// An empty map. Capacity 0 is read as 1.
    #[must_use]
    pub fn new(capacity: usize, idle: Duration) -> Self {
        Keyed {
            entries: LruCache::unbounded_with_hasher(FixedState::default()).resized(capacity),
            idle: nanoseconds(idle),
        }
    }

    /// The value of `key`, made if it is not there; with it, the entry that had to go for it.
    pub fn touch(&mut self, now: u64, key: K, make: impl FnOnce() -> V) -> (&mut V, Option<(K, V)>) {
        let mut gone = None;
        if !self.entries.contains(&key) && self.entries.len() >= self.entries.cap().get() {
            gone = self.entries.pop_lru().map(|(key, (_, value))| (key, value));
        }
        let (last, value) = self.entries.get_or_insert_mut(key, || (now, make()));
        *last = now.max(*last);
        (value, gone)
    }

    /// The value of `key`, if it is there.
    pub fn get<Q: Hash + Eq + ?Sized>(&mut self, now: u64, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let (last, value) = self.entries.get_mut(key)?;
        *last = now.max(*last);
        Some(value)
    }

    /// Takes `key` out.
    pub fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.entries.pop(key).map(|(_, value)| value)
    }

    /// Takes out what was idle for too long, oldest first.
    pub fn expire(&mut self, now: u64) -> Vec<(K, V)> {
        let mut gone = Vec::new();
        while self
            .entries
            .peek_lru()
            .is_some_and(|(_, (last, _))| last.saturating_add(self.idle) <= now)
        {
            gone.extend(self.entries.pop_lru().map(|(key, (_, value))| (key, value)));
        }
        gone
    }

    /// All entries, in no order to rely on but always the same for the same history: the most recent first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.entries.iter().map(|(key, (_, value))| (key, value))
    }

    /// All entries, to be changed without being touched; the most recent first.
    pub fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = (&K, &mut V)> {
        self.entries.iter_mut().map(|(key, (_, value))| (key, value))
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// An unbounded cache allocates as it fills; one made with its capacity would allocate all of it at once.
trait Resized {
    fn resized(self, capacity: usize) -> Self;
}

impl<K: Hash + Eq, V> Resized for LruCache<K, V, FixedState> {
    fn resized(mut self, capacity: usize) -> Self {
        self.resize(NonZeroUsize::new(capacity).unwrap_or(NonZeroUsize::MIN));
        self
    }
}

/// A duration in the unit of event time.
pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_key_goes_when_there_is_no_room() {
        let mut keyed = Keyed::new(2, Duration::from_secs(10));
        keyed.touch(1, "a", || 1);
        keyed.touch(2, "b", || 2);
        keyed.touch(3, "a", || 0);
        let (_, gone) = keyed.touch(4, "c", || 3);
        assert_eq!(gone, Some(("b", 2)));
        assert_eq!(keyed.get(5, "a"), Some(&mut 1));
    }

    #[test]
    fn an_idle_key_expires_and_a_touched_one_does_not() {
        let mut keyed = Keyed::new(9, Duration::from_nanos(10));
        keyed.touch(1, "a", || ());
        keyed.touch(2, "b", || ());
        keyed.get(8, "a");
        assert_eq!(keyed.expire(11), []);
        assert_eq!(keyed.expire(12), [("b", ())]);
        assert_eq!(keyed.len(), 1);
    }
}
