//! One verdict for one cause: the first at once, how often it came again when its window closes.
use std::hash::Hash;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::keyed::nanoseconds;
use crate::lru::Lru;

#[derive(Serialize, Deserialize)]
struct Window<V> {
    opened: u64,
    repeated: u64,
    what: V,
}

/// Holds back what was said within a window already. `V` is what the caller wants to remember for the closing note.
///
/// ```
/// # use std::time::Duration;
/// use vespid_plugin::Repeats;
/// # let second = 1_000_000_000;
///
/// let mut repeats = Repeats::new(1000, Duration::from_secs(60));
/// assert!(repeats.is_first(0, "curl", || "curl ran"));
/// assert!(!repeats.is_first(5 * second, "curl", || "curl ran"));
/// assert!(!repeats.is_first(9 * second, "curl", || "curl ran"));
/// // In `tick`:
/// assert_eq!(repeats.closed(60 * second), [("curl ran", 2)]);
/// ```
#[derive(Serialize, Deserialize)]
#[serde(bound(
    serialize = "K: Serialize, V: Serialize",
    deserialize = "K: Deserialize<'de>, V: Deserialize<'de>"
))]
pub struct Repeats<K: Hash + Eq, V> {
    /// Never promoted, so that the order is the one in which windows were opened.
    windows: Lru<K, Window<V>>,
    capacity: usize,
    length: u64,
    closed: Vec<(V, u64)>,
}

impl<K: Hash + Eq, V> Repeats<K, V> {
    /// At most `capacity` windows of `length` at a time. When one too many opens, the oldest closes early.
    #[must_use]
    pub fn new(capacity: usize, length: Duration) -> Self {
        Repeats {
            windows: Lru::default(),
            capacity: capacity.max(1),
            length: nanoseconds(length),
            closed: Vec::new(),
        }
    }

    /// Whether to say it now. If not, it has been counted.
    pub fn is_first(&mut self, now: u64, key: K, what: impl FnOnce() -> V) -> bool {
        self.are_first(now, key, 1, what)
    }

    /// The same of something that happened so many times at once: to be said once, if at all.
    pub fn are_first(&mut self, now: u64, key: K, count: u64, what: impl FnOnce() -> V) -> bool {
        if let Some(window) = self.windows.peek_mut(&key) {
            if now < window.opened.saturating_add(self.length) {
                window.repeated = window.repeated.saturating_add(count);
                return false;
            }
            self.windows
                .pop(&key)
                .into_iter()
                .for_each(|(_, window)| Self::close(&mut self.closed, window));
        }
        let (_, gone) = self.windows.get_or_insert(key, self.capacity, || Window {
            opened: now,
            repeated: count.saturating_sub(1),
            what: what(),
        });
        gone.into_iter()
            .for_each(|(_, window)| Self::close(&mut self.closed, window));
        true
    }

    fn close(closed: &mut Vec<(V, u64)>, window: Window<V>) {
        if window.repeated > 0 {
            closed.push((window.what, window.repeated));
        }
    }

    /// What was held back in windows that have closed since the last call, and how often.
    pub fn closed(&mut self, now: u64) -> Vec<(V, u64)> {
        while self
            .windows
            .peek_oldest()
            .is_some_and(|(_, window)| window.opened.saturating_add(self.length) <= now)
        {
            let Some((_, window)) = self.windows.pop_oldest() else {
                break;
            };
            Self::close(&mut self.closed, window);
        }
        std::mem::take(&mut self.closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repeats(capacity: usize) -> Repeats<&'static str, &'static str> {
        Repeats::new(capacity, Duration::from_nanos(10))
    }

    #[test]
    fn repeats_within_a_window_become_one_count() {
        let mut repeats = repeats(9);
        assert!(repeats.is_first(100, "k", || "what"));
        assert!(!repeats.is_first(105, "k", || "what"));
        assert!(!repeats.is_first(109, "k", || "what"));
        assert_eq!(repeats.closed(109), []);
        assert_eq!(repeats.closed(110), [("what", 2)]);
        assert!(repeats.are_first(200, "k", 3, || "what"));
        assert!(!repeats.are_first(201, "k", 4, || "what"));
        assert_eq!(repeats.closed(210), [("what", 6)]);
        assert!(repeats.is_first(110, "k", || "what"));
    }

    #[test]
    fn what_happened_once_needs_no_closing_note() {
        let mut repeats = repeats(9);
        assert!(repeats.is_first(1, "k", || "what"));
        assert_eq!(repeats.closed(99), []);
    }

    #[test]
    fn a_count_survives_even_if_its_window_has_to_go() {
        let mut repeats = repeats(1);
        assert!(repeats.is_first(1, "a", || "a"));
        assert!(!repeats.is_first(2, "a", || "a"));
        assert!(repeats.is_first(3, "b", || "b"));
        assert_eq!(repeats.closed(3), [("a", 1)]);
    }
}
