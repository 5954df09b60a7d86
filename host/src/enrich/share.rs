//! A share of the time, for what an overloaded daemon must not spend all of it on.
use std::time::{Duration, Instant};

/// Time that may be spent: some of that which passes, and so much at once after a quiet time.
#[derive(Debug)]
pub(super) struct Share {
    /// One part in so many.
    of: u32,
    most: Duration,
    saved: Duration,
    /// What was spent beyond what there was: it is made up for before anything is saved again.
    owed: Duration,
    last: Instant,
}

impl Share {
    pub(super) fn new(of: u32, most: Duration) -> Share {
        Share {
            of,
            most,
            saved: most,
            owed: Duration::ZERO,
            last: Instant::now(),
        }
    }

    /// What may be spent from `now` on.
    pub(super) fn left(&mut self, now: Instant) -> Duration {
        let gained = now.saturating_duration_since(self.last) / self.of;
        self.saved = self.most.min(self.saved + gained.saturating_sub(self.owed));
        self.owed = self.owed.saturating_sub(gained);
        self.last = now;
        self.saved
    }

    /// Takes off what has been spent.
    pub(super) fn spend(&mut self, spent: Duration) {
        self.owed += spent.saturating_sub(self.saved);
        self.saved = self.saved.saturating_sub(spent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_a_share_of_the_time_is_spent() {
        let ms = Duration::from_millis;
        let mut share = Share::new(4, ms(100));
        let begin = share.last;
        assert_eq!(share.left(begin), ms(100));
        share.spend(ms(150));
        assert_eq!(share.left(begin), ms(0));
        assert_eq!(
            share.left(begin + ms(150)),
            ms(0),
            "the time that was spent is no saving"
        );
        assert_eq!(share.left(begin + ms(240)), ms(10));
        assert_eq!(share.left(begin + ms(4_000)), ms(100));
    }
}
