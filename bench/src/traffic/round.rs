//! A round of the traffic, made ready.
use vespid::event::Event;
use vespid::recording::Line;

use super::{Traffic, record};

/// What happens in a round of the traffic.
#[derive(Default)]
pub struct Round {
    /// What is known of processes besides.
    pub known: Vec<Line<'static>>,
    /// Its events.
    pub events: Vec<Event<'static>>,
    /// The same as in the ring: one record after another.
    pub records: Vec<u8>,
    /// Where each of them ends.
    pub ends: Vec<usize>,
}

impl Round {
    /// The next round's, of its events those that are wanted.
    pub fn new(traffic: &mut Traffic, wanted: impl Fn(&Event<'_>) -> bool) -> Round {
        let mut round = Round::default();
        for line in traffic.next_round() {
            match line {
                Line::Event(event) if wanted(&event) => {
                    record(&event, &mut round.records);
                    round.ends.push(round.records.len());
                    round.events.push(event);
                }
                Line::Known(_) | Line::Container(_) | Line::Account(_) => round.known.push(line),
                _ => {}
            }
        }
        round
    }
}
