//! What became of look-backs.

/// How one ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It came to its end.
    Completed,
    /// The plugin failed in it, or the recordings cannot be read.
    Failed,
    /// The plugin was replaced or removed, or the daemon ended.
    Stopped,
    /// It never began: there is no flight recorder, or too many waited.
    Skipped,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Outcome; 4] = [Outcome::Completed, Outcome::Failed, Outcome::Stopped, Outcome::Skipped];

    /// As it is shown in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Completed => "completed",
            Outcome::Failed => "failed",
            Outcome::Stopped => "stopped",
            Outcome::Skipped => "skipped",
        }
    }
}

/// Counts of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    ended: [u64; Outcome::ALL.len()],
    /// Events shown to plugins.
    pub events: u64,
    /// Verdicts that came of them.
    pub verdicts: u64,
    /// Whether one is under way.
    pub is_running: bool,
}

impl Books {
    pub(super) fn end(&mut self, outcome: Outcome) {
        self.ended[outcome as usize] += 1;
    }

    /// How many ended so.
    #[must_use]
    pub fn ended(&self, outcome: Outcome) -> u64 {
        self.ended[outcome as usize]
    }
}
