//! How long to wait after an event for those that belong to it.
use std::time::{Duration, Instant};

/// How long to wait for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchSettings {
    /// A look follows an event when this long nothing else has happened.
    pub quiet: Duration,
    /// The same after an event that completes a file: a writer closed it, or it was renamed to its name.
    pub done: Duration,
    /// A look follows an event after at most this long, whatever else happens.
    pub longest: Duration,
    /// A look takes place this long after the last one without any event: for network file systems, which do not report
    /// what other machines do, and for files behind links.
    pub rescan: Duration,
}

impl Default for WatchSettings {
    fn default() -> WatchSettings {
        WatchSettings {
            quiet: Duration::from_millis(50),
            done: Duration::from_millis(5),
            longest: Duration::from_millis(500),
            rescan: Duration::from_secs(10),
        }
    }
}

/// What an event says about the file it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hint {
    /// Somebody is at it: more will follow.
    Begun,
    /// A writer closed it, or it was renamed to its name: as a rule it is complete.
    Done,
}

/// From the first event to the look that it leads to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    first: Instant,
    due: Instant,
}

impl Window {
    /// With one more event.
    pub(super) fn extended(window: Option<Window>, hint: Hint, now: Instant, settings: &WatchSettings) -> Window {
        let first = window.map_or(now, |window| window.first);
        let wait = match hint {
            Hint::Begun => settings.quiet,
            Hint::Done => settings.done,
        };
        let due = (now + wait).min(first + settings.longest);
        Window { first, due }
    }

    /// When to look.
    pub(super) fn due(&self) -> Instant {
        self.due
    }
}

/// Adds up: `now + time`, and a time too long to be represented is a day.
pub(super) fn later(now: Instant, time: Duration) -> Instant {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    now + time.min(DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due_ms(events: &[(u64, Hint)]) -> u64 {
        let (start, settings) = (Instant::now(), WatchSettings::default());
        let at = |ms| start + Duration::from_millis(ms);
        let window = events.iter().fold(None, |window, (ms, hint)| {
            Some(Window::extended(window, *hint, at(*ms), &settings))
        });
        let due = window.expect("an event").due() - start;
        u64::try_from(due.as_millis()).expect("small")
    }

    #[test]
    fn a_finished_file_is_looked_at_almost_at_once() {
        assert_eq!(due_ms(&[(0, Hint::Begun), (1, Hint::Begun), (2, Hint::Done)]), 7);
    }

    #[test]
    fn what_is_copied_together_is_looked_at_together() {
        let two_files = [(0, Hint::Begun), (2, Hint::Done), (4, Hint::Begun), (6, Hint::Done)];
        assert_eq!(due_ms(&two_files), 11);
        assert_eq!(due_ms(&[(0, Hint::Done), (3, Hint::Begun)]), 53);
    }

    #[test]
    fn nothing_delays_a_look_for_ever() {
        let endless: Vec<_> = (0..60).map(|event| (event * 10, Hint::Begun)).collect();
        assert_eq!(due_ms(&endless[..40]), 440);
        assert_eq!(due_ms(&endless), 500);
    }
}
