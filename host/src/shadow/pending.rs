//! Verdicts that wait for their like from the other side.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::{SLACK, Side, VerdictSeen, WITHIN};
use crate::interface::vespid::plugin::reports::Severity;

/// Verdicts that wait at a time, of both sides.
pub(super) const MOST: usize = 4_096;
/// Bytes that they may have together.
const MOST_BYTES: usize = 8 << 20;

/// What a verdict is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct About {
    pub(super) rule: String,
    pub(super) key: String,
    pub(super) subject: Option<u64>,
}

/// A verdict that waits.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) side: Side,
    pub(super) about: Arc<About>,
    pub(super) severity: Severity,
    pub(super) time: u64,
    pub(super) message: String,
    pub(super) line: Arc<[u8]>,
}

impl Pending {
    pub(super) fn new(side: Side, seen: VerdictSeen) -> Pending {
        let (rule, key, subject) = (seen.rule, seen.key, seen.subject);
        Pending {
            side,
            about: Arc::new(About { rule, key, subject }),
            severity: seen.severity,
            time: seen.time,
            message: seen.message,
            line: seen.line,
        }
    }

    /// The earliest time of a verdict about the same.
    pub(super) fn from(&self) -> u64 {
        self.about
            .subject
            .map_or(self.time.saturating_sub(WITHIN), |_| self.time)
    }

    /// The latest time of a verdict about the same.
    pub(super) fn to(&self) -> u64 {
        self.about
            .subject
            .map_or(self.time.saturating_add(WITHIN), |_| self.time)
    }

    /// The event time that both sides must have reached before a verdict of `time` is unmatched. A partner may be `WITHIN` later, and that
    /// partner's own match as much again.
    fn due_at(&self, time: u64) -> u64 {
        let reach = if self.about.subject.is_some() { 0 } else { 2 * WITHIN };
        time.saturating_add(SLACK + reach)
    }

    fn like(&self) -> Like {
        Like {
            about: Arc::clone(&self.about),
            side: self.side,
            severity: self.severity as u8,
        }
    }

    fn bytes(&self) -> usize {
        size_of::<Pending>() + self.about.rule.len() + self.about.key.len() + self.message.len() + self.line.len()
    }
}

/// When a verdict is due, and its number among all. Among those about the same, the order is that of their times.
type Turn = (u64, u64);

/// All severities, as they are kept in [`Like`].
const SEVERITIES: std::ops::RangeInclusive<u8> = Severity::Info as u8..=Severity::Critical as u8;

/// What verdicts have in common that a partner may be any one of.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Like {
    about: Arc<About>,
    side: Side,
    severity: u8,
}

/// All verdicts that wait. Whatever a plugin says, a step costs the logarithm of how many wait: both workers share this.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    turns: BTreeMap<Turn, Pending>,
    alike: HashMap<Like, BTreeSet<Turn>, RandomState>,
    counts: [u64; 2],
    bytes: usize,
    next: u64,
}

impl Waiting {
    /// How many wait.
    pub(super) fn count(&self, side: Side) -> u64 {
        self.counts[side as usize]
    }

    /// Takes the oldest verdict of the other side that is about the same and as bad.
    pub(super) fn take_partner(&mut self, seen: &Pending) -> Option<Pending> {
        let turn = self.partner(seen, seen.severity as u8)?;
        self.take(turn)
    }

    /// Takes the oldest verdict of the other side that is about the same.
    pub(super) fn take_partner_of_any_severity(&mut self, seen: &Pending) -> Option<Pending> {
        let turn = SEVERITIES.filter_map(|severity| self.partner(seen, severity)).min()?;
        self.take(turn)
    }

    fn partner(&self, seen: &Pending, severity: u8) -> Option<Turn> {
        let (about, side) = (Arc::clone(&seen.about), seen.side.other());
        let alike = self.alike.get(&Like { about, side, severity })?;
        if seen.about.subject.is_some() {
            return alike.first().copied();
        }
        let turns = (seen.due_at(seen.from()), 0)..=(seen.due_at(seen.to()), u64::MAX);
        alike.range(turns).next().copied()
    }

    /// Lets a verdict wait. Returns those that are given up for it, the oldest first.
    pub(super) fn add(&mut self, seen: Pending) -> Vec<Pending> {
        let turn = (seen.due_at(seen.time), self.next);
        self.next += 1;
        self.alike.entry(seen.like()).or_default().insert(turn);
        self.counts[seen.side as usize] += 1;
        self.bytes += seen.bytes();
        self.turns.insert(turn, seen);
        let mut given_up = Vec::new();
        while self.turns.len() > MOST || self.bytes > MOST_BYTES {
            let Some((&oldest, _)) = self.turns.first_key_value() else {
                break;
            };
            given_up.extend(self.take(oldest));
        }
        given_up
    }

    /// Takes the oldest verdict, if it is due when both sides have reached `passed`.
    pub(super) fn take_due(&mut self, passed: u64) -> Option<Pending> {
        let (&turn, _) = self.turns.first_key_value().filter(|(turn, _)| turn.0 < passed)?;
        self.take(turn)
    }

    fn take(&mut self, turn: Turn) -> Option<Pending> {
        let taken = self.turns.remove(&turn)?;
        self.counts[taken.side as usize] -= 1;
        self.bytes -= taken.bytes();
        let like = taken.like();
        if let Some(alike) = self.alike.get_mut(&like) {
            alike.remove(&turn);
            if alike.is_empty() {
                self.alike.remove(&like);
            }
        }
        Some(taken)
    }
}
