//! The way from whoever runs plugins to the collector, which gives them their seats.
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::plugins;
use super::roster::Running;
use crate::clock;
use crate::filter::Subscription;
use crate::pipeline::Seat;

/// Most changes of seats that wait to be made.
const CHANGES: usize = 64;

/// Has the collector seat plugins, between two of its rounds.
#[derive(Clone)]
pub struct Seating(Sender<Change>);

pub(super) enum Change {
    Sit(Arc<Running>),
    Want(Seat, Subscription),
    Leave(Seat),
    /// Is dropped when all changes before it have been made.
    Done(Sender<Never>),
}

/// Nothing is ever sent.
pub(super) enum Never {}

impl Seating {
    /// The way to a collector, for both of its ends.
    #[must_use]
    pub fn new() -> (Seating, Changes) {
        let (sender, receiver) = bounded(CHANGES);
        (Seating(sender), Changes(receiver))
    }

    fn tell(&self, change: Change) {
        // One that has ended makes no changes any more.
        let _ended = self.0.send(change);
    }
}

impl plugins::Seating for Seating {
    fn sit(&self, running: &Arc<Running>) {
        self.tell(Change::Sit(running.clone()));
    }

    fn settle(&self) -> u64 {
        let (done, end) = bounded(1);
        self.tell(Change::Done(done));
        end.into_iter().for_each(drop);
        clock::now()
    }

    fn want(&self, seat: Seat, subscription: &Subscription) {
        self.tell(Change::Want(seat, subscription.clone()));
        self.settle();
    }

    fn leave(&self, seat: Seat) {
        self.tell(Change::Leave(seat));
        self.settle();
    }
}

/// The collector's end of a [`Seating`].
pub struct Changes(Receiver<Change>);

impl Changes {
    /// Those that wait.
    pub(super) fn take(&self) -> Vec<Change> {
        self.0.try_iter().collect()
    }
}
