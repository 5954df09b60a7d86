//! What came of asking runtimes about containers, counted.
use std::sync::atomic::{AtomicU64, Ordering};

/// What came of asking once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// A runtime described the container.
    Found,
    /// Every runtime answered, and none knows the container (yet).
    NotFound,
    /// There is no runtime to ask.
    NoRuntime,
    /// A runtime's socket cannot be connected to, or its file not be read.
    Unreachable,
    /// A runtime did not answer in time.
    TimedOut,
    /// A runtime refused to answer.
    Refused,
    /// A runtime had failed just before, and was left alone.
    BackingOff,
    /// Too many containers waited to be asked about.
    Overflow,
}

impl Outcome {
    /// All of them, in the order of their numbers.
    pub const ALL: [Outcome; 8] = [
        Outcome::Found,
        Outcome::NotFound,
        Outcome::NoRuntime,
        Outcome::Unreachable,
        Outcome::TimedOut,
        Outcome::Refused,
        Outcome::BackingOff,
        Outcome::Overflow,
    ];

    /// The value of the label `outcome`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Outcome::Found => "found",
            Outcome::NotFound => "not_found",
            Outcome::NoRuntime => "no_runtime",
            Outcome::Unreachable => "unreachable",
            Outcome::TimedOut => "timed_out",
            Outcome::Refused => "refused",
            Outcome::BackingOff => "backing_off",
            Outcome::Overflow => "overflow",
        }
    }
}

/// How often each came of it, in the order of [`Outcome::ALL`].
pub type LookupCounts = [u64; Outcome::ALL.len()];

/// Counters that two threads share.
#[derive(Debug, Default)]
pub struct Lookups([AtomicU64; Outcome::ALL.len()]);

impl Lookups {
    pub(super) fn count(&self, outcome: Outcome) {
        self.0[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// The counts so far.
    #[must_use]
    pub fn read(&self) -> LookupCounts {
        self.0.each_ref().map(|count| count.load(Ordering::Relaxed))
    }
}
