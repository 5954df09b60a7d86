//! Where every event went: for each stage and kind, in = out + dropped, by reason.
//!
//! A stage books an event when it is done with it, so the identity holds whenever a ledger is read; what is on its way
//! between two stages is the difference between the one's `out` and the other's `in`, and is bounded by the queue
//! between them.
use std::collections::BTreeMap;

use serde::Serialize;
use vespid_ebpf::Kind;

/// Rows of a ledger: each kind by [`Kind::index`], then records of which not even the kind could be told.
pub const ROWS: usize = Kind::ALL.len() + 1;

/// The row of a kind; `None` is one that could not be told.
#[must_use]
pub fn row(kind: Option<Kind>) -> usize {
    kind.map_or(Kind::ALL.len(), Kind::index)
}

/// One stage's books.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stage {
    /// Events that reached the stage and left it, one way or the other, by kind.
    pub entered: [u64; ROWS],
    /// Events that went on to the next stage, by kind.
    pub left: [u64; ROWS],
    /// Events that ended here, by reason and kind. A reason is a fixed word, so this does not grow.
    pub dropped: BTreeMap<&'static str, [u64; ROWS]>,
}

impl Stage {
    /// Books `count` events that went on.
    pub fn pass(&mut self, kind: impl Into<Option<Kind>>, count: u64) {
        let at = row(kind.into());
        self.entered[at] += count;
        self.left[at] += count;
    }

    /// Books `count` events that ended here.
    pub fn drop(&mut self, kind: impl Into<Option<Kind>>, reason: &'static str, count: u64) {
        if count == 0 {
            return;
        }
        let at = row(kind.into());
        self.entered[at] += count;
        self.dropped.entry(reason).or_default()[at] += count;
    }

    /// All events dropped, whatever their kind and reason.
    #[must_use]
    pub fn total_dropped(&self) -> u64 {
        self.dropped.values().flatten().sum()
    }

    /// Whether in = out + dropped for every kind.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        (0..ROWS)
            .all(|at| self.entered[at] == self.left[at] + self.dropped.values().map(|by_kind| by_kind[at]).sum::<u64>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_booked_closes() {
        let mut stage = Stage::default();
        stage.pass(Kind::Open, 7);
        stage.drop(Kind::Open, "queue_full", 3);
        assert!(stage.is_closed());
        assert_eq!((stage.entered[Kind::Open.index()], stage.total_dropped()), (10, 3));
    }
}
