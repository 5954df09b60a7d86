//! State by key that cannot grow without bound, however many keys the world invents.
use std::borrow::Borrow;
use std::hash::Hash;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::lru::Lru;

/// A map with at most `capacity` keys, which forgets keys that were not touched for a while: the oldest when it is
/// full, and all that are idle for too long when [`expire`](Keyed::expire) is called.
///
/// ```
/// # use std::time::Duration;
/// use vespid_plugin::{Keyed, state};
/// # let second = 1_000_000_000;
///
/// let mut execs = Keyed::new(2, Duration::from_secs(60));
/// *execs.touch(0, "nginx".to_owned(), || 0).0 += 1;
/// *execs.touch(5 * second, "sshd".to_owned(), || 0).0 += 1;
/// *execs.touch(6 * second, "nginx".to_owned(), || 0).0 += 1;
/// let (_, gone) = execs.touch(7 * second, "cron".to_owned(), || 0);
/// assert_eq!(gone, Some(("sshd".to_owned(), 1)), "there was no more room");
/// assert_eq!(execs.get(7 * second, "nginx"), Some(&mut 2));
/// assert_eq!(execs.expire(67 * second).len(), 2);
///
/// // Another instance, with another bound, goes on with what was saved.
/// execs.touch(0, "bash".to_owned(), || 3);
/// let saved: Keyed<String, i32> = state::load(&state::save(&execs)).unwrap();
/// let mut execs = Keyed::new(10, Duration::from_secs(60));
/// execs.adopt(saved);
/// assert_eq!(execs.remove("bash"), Some(3));
///
/// execs.touch(0, "sh".to_owned(), || 4);
/// execs.iter_mut().for_each(|(_, count)| *count += 1);
/// assert_eq!(execs.iter().next(), Some((&"sh".to_owned(), &5)));
/// ```
#[derive(Serialize, Deserialize)]
#[serde(bound(
    serialize = "K: Serialize, V: Serialize",
    deserialize = "K: Deserialize<'de>, V: Deserialize<'de>"
))]
pub struct Keyed<K: Hash + Eq, V> {
    entries: Lru<K, (u64, V)>,
    capacity: usize,
    idle: u64,
}

impl<K: Hash + Eq, V> Keyed<K, V> {
    /// An empty map. Capacity 0 is read as 1.
    #[must_use]
    pub fn new(capacity: usize, idle: Duration) -> Self {
        Keyed {
            entries: Lru::default(),
            capacity: capacity.max(1),
            idle: nanoseconds(idle),
        }
    }

    /// The value of `key`, made if it is not there; with it, the entry that had to go for it.
    pub fn touch(&mut self, now: u64, key: K, make: impl FnOnce() -> V) -> (&mut V, Option<(K, V)>) {
        let ((last, value), gone) = self.entries.get_or_insert(key, self.capacity, || (now, make()));
        *last = now.max(*last);
        (value, gone.map(|(key, (_, value))| (key, value)))
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
        self.entries.pop(key).map(|(_, (_, value))| value)
    }

    /// Takes out what was idle for too long, oldest first.
    pub fn expire(&mut self, now: u64) -> Vec<(K, V)> {
        let mut gone = Vec::new();
        while self
            .entries
            .peek_oldest()
            .is_some_and(|(_, (last, _))| last.saturating_add(self.idle) <= now)
        {
            gone.extend(self.entries.pop_oldest().map(|(key, (_, value))| (key, value)));
        }
        gone
    }

    /// Takes over the entries of another map, one that was saved, say, and with them the times at which they were touched.
    /// Its own bounds stay: of too many entries, the oldest go.
    pub fn adopt(&mut self, mut other: Self) {
        while let Some((key, entry)) = other.entries.pop_oldest() {
            self.entries.pop(&key);
            self.entries.get_or_insert(key, self.capacity, || entry);
        }
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
        self.entries.len() == 0
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

    #[test]
    fn what_was_saved_keeps_order_and_times_and_the_newest_fit_into_less() {
        let mut keyed = Keyed::new(9, Duration::from_nanos(10));
        (1..=4).for_each(|now| *keyed.touch(now, now, || 0).0 = now * 2);
        let saved: Keyed<u64, u64> = crate::state::load(&crate::state::save(&keyed)).unwrap();
        let mut smaller = Keyed::new(3, Duration::from_nanos(10));
        smaller.adopt(saved);
        assert_eq!(smaller.iter().collect::<Vec<_>>(), [(&4, &8), (&3, &6), (&2, &4)]);
        assert_eq!(smaller.expire(13), [(2, 4), (3, 6)]);
    }

    proptest::proptest! {
        #[test]
        fn a_swap_in_the_middle_changes_nothing(steps in proptest::collection::vec((0_u64..8, 0_u8..9), 0..60), at in 0_usize..60) {
            let run = |swapped: bool| {
                let mut keyed = Keyed::new(4, Duration::from_nanos(20));
                let (mut now, mut said) = (0, Vec::new());
                for (i, (step, key)) in steps.iter().enumerate() {
                    now += step;
                    if swapped && i == at {
                        keyed = crate::state::load(&crate::state::save(&keyed)).unwrap();
                    }
                    let (value, gone) = keyed.touch(now, *key, || 0_u32);
                    *value += 1;
                    said.push((gone, keyed.expire(now), keyed.len()));
                }
                said
            };
            proptest::prop_assert_eq!(run(true), run(false));
        }
    }
}
