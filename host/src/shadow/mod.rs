//! What a new version of a plugin would have said, compared with what the active one says.
//!
//! Both get the same events, on two threads that know nothing of each other: they may cut batches in different places, one
//! may be ahead, one may lose a batch. So verdicts are paired by what they are about, and a verdict counts as unmatched
//! only when both versions are known to be past it.
//!
//! **When two verdicts are about the same.** They have the same rule and key, and
//! - the same subject event, by its sequence number; or
//! - neither has a subject, and their times are at most [`WITHIN`] apart. The time of such a verdict is that of its
//!   batch or tick, which is why it may differ. Several are paired in order of time, so that as many agree as possible:
//!   within [`WITHIN`], one that was removed and another that was added look like one that moved.
//!
//! **What becomes of a verdict**, once, in this order:
//! - `agreed`: the other side has one about the same, of the same severity;
//! - `severity`: the other side has one about the same, of another severity: one disagreement, not two;
//! - `undecided`: the other side dropped events around its time, or too many verdicts waited to be paired;
//! - `missing`: only the active version gave it; `extra`: only the shadow gave it.
//!
//! The last three are decided when both sides' event time is [`SLACK`] past it (and, without a subject, twice [`WITHIN`]
//! more): batches overlap a little in time, so a later one may still hold a verdict about an earlier event.
mod gaps;
mod pending;
mod samples;
mod summary;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use summary::{Counts, Sample, SideSummary, Summary, VerdictJson};

use crate::interface::vespid::plugin::reports::Severity;
use gaps::Gaps;
use pending::{Pending, Waiting};
use samples::Samples;

const SECOND: u64 = 1_000_000_000;
/// How far apart in event time two verdicts without a subject may be that are about the same.
pub const WITHIN: u64 = SECOND;
/// How far event time may fall back from one batch to the next.
pub const SLACK: u64 = SECOND;
/// Rules that are counted by name.
const RULES: usize = 256;
/// What further rules are counted as. No plugin can name a rule so.
pub const OTHER_RULES: &str = "(other rules)";

/// Which of the two versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The one whose verdicts are delivered.
    Active,
    /// The one that is on trial.
    Shadow,
}

impl Side {
    fn other(self) -> Side {
        match self {
            Side::Active => Side::Shadow,
            Side::Shadow => Side::Active,
        }
    }
}

/// A verdict, as far as it is compared.
#[derive(Clone, Debug)]
pub struct VerdictSeen {
    /// The rule.
    pub rule: String,
    /// How bad.
    pub severity: Severity,
    /// What the plugin tells repeated verdicts apart by.
    pub key: String,
    /// Sequence number of the event that it is about.
    pub subject: Option<u64>,
    /// Unix nanoseconds: of the subject, else of the batch's newest event, or of the tick.
    pub time: u64,
    /// One sentence.
    pub message: String,
    /// The verdict as it is delivered, a line of JSON.
    pub line: Arc<[u8]>,
}

/// Pairs the verdicts of two versions. Its size is bounded, whatever the two say and however far apart they run.
#[derive(Debug)]
pub struct Comparison {
    since: u64,
    sides: [SideState; 2],
    waiting: Waiting,
    rules: BTreeMap<String, Counts>,
    samples: Samples,
}

#[derive(Debug, Default)]
struct SideState {
    /// All verdicts up to this event time have been given.
    watermark: u64,
    gaps: Gaps,
    events: u64,
    dropped: u64,
    verdicts: u64,
    undecided: u64,
    given_up: u64,
}

impl Comparison {
    /// A comparison from the event time `since`, from which both versions see the events. Verdicts about what was before
    /// are left out.
    #[must_use]
    pub fn new(since: u64) -> Comparison {
        Comparison {
            since,
            sides: [SideState::default(), SideState::default()],
            waiting: Waiting::default(),
            rules: BTreeMap::new(),
            samples: Samples::default(),
        }
    }

    /// `side` gave a verdict. To be called before the `progress` of its batch or tick.
    pub fn verdict(&mut self, side: Side, seen: VerdictSeen) {
        if seen.time < self.since {
            return;
        }
        self.sides[side as usize].verdicts += 1;
        let seen = Pending::new(side, seen);
        if self.waiting.take_partner(&seen).is_some() {
            self.count(&seen.about.rule).agreed += 1;
            self.samples.agreed(seen);
            return;
        }
        for given_up in self.waiting.add(seen) {
            self.sides[given_up.side as usize].given_up += 1;
            self.undecided(&given_up);
        }
    }

    /// `side` is done with `events` events up to the event time `time`, or with a tick at `time` and no events. Its
    /// verdicts about them have been given. To be called for a batch that failed as well, with no events.
    pub fn progress(&mut self, side: Side, time: u64, events: u64) {
        let state = &mut self.sides[side as usize];
        state.watermark = state.watermark.max(time);
        state.events += events;
        self.settle();
    }

    /// `side` did not get `events` events between the event times `first` and `last`, which may be ahead of its progress.
    pub fn dropped(&mut self, side: Side, events: u64, first: u64, last: u64) {
        let state = &mut self.sides[side as usize];
        state.dropped += events;
        state.gaps.add(first, last);
    }

    /// Counts by rule, for metrics. At most 256 rules have a name of their own here, the others share [`OTHER_RULES`].
    #[must_use]
    pub fn rules(&self) -> &BTreeMap<String, Counts> {
        &self.rules
    }

    /// All there is to tell. Cheap: verdicts are shared, not copied.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let side = |side: Side| {
            let state = &self.sides[side as usize];
            SideSummary {
                events: state.events,
                dropped: state.dropped,
                verdicts: state.verdicts,
                undecided: state.undecided,
                given_up: state.given_up,
                pending: self.waiting.count(side),
                up_to: state.watermark,
            }
        };
        Summary {
            since: self.since,
            active: side(Side::Active),
            shadow: side(Side::Shadow),
            rules: self.rules.clone(),
            ..self.samples.summary()
        }
    }

    /// Decides what can be decided.
    fn settle(&mut self) {
        let passed = self.sides[0].watermark.min(self.sides[1].watermark);
        while let Some(seen) = self.waiting.take_due(passed) {
            if let Some(partner) = self.waiting.take_partner_of_any_severity(&seen) {
                self.count(&seen.about.rule).severity += 1;
                self.samples.severity(seen, partner);
            } else if self.sides[seen.side.other() as usize]
                .gaps
                .touch(seen.from(), seen.to())
            {
                self.undecided(&seen);
            } else if seen.side == Side::Active {
                self.count(&seen.about.rule).missing += 1;
                self.samples.missing(seen);
            } else {
                self.count(&seen.about.rule).extra += 1;
                self.samples.extra(seen);
            }
        }
        // Whatever arrives from now on and is older would be late by more than any batch is.
        let horizon = passed.saturating_sub(SLACK + 4 * WITHIN);
        for state in &mut self.sides {
            state.gaps.forget_before(horizon);
        }
    }

    fn undecided(&mut self, seen: &Pending) {
        self.sides[seen.side as usize].undecided += 1;
        self.count(&seen.about.rule).undecided += 1;
    }

    fn count(&mut self, rule: &str) -> &mut Counts {
        let name = if self.rules.contains_key(rule) || self.rules.len() < RULES {
            rule
        } else {
            OTHER_RULES
        };
        self.rules.entry(name.to_owned()).or_default()
    }
}
