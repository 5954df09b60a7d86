//! The same events at another time.
use vespid::event::{Body, Event};
use vespid::recording::Line;

use super::is_known;

/// Moves what happened since `origin`; what was there before stays as it is.
#[derive(Clone, Copy)]
pub(super) struct Shift {
    pub(super) origin: u64,
    /// Modulo 2^64: a fixture may be newer than the one before it.
    pub(super) by: u64,
}

impl Shift {
    pub(super) fn line(self, line: &Line<'static>) -> Option<Line<'static>> {
        match line {
            Line::Event(event) => is_known(event).then(|| Line::Event(self.event(event))),
            Line::Known(known) => {
                let mut known = known.clone();
                known.subject.start = self.time(known.subject.start);
                known.image.parent_start = self.time(known.image.parent_start);
                Some(Line::Known(known))
            }
            Line::Container(_) | Line::Account(_) => Some(line.clone()),
            Line::Lost(_) | Line::End(_) => None,
        }
    }

    fn event(self, event: &Event<'static>) -> Event<'static> {
        let mut event = event.clone();
        event.time = self.time(event.time);
        event.subject.start = self.time(event.subject.start);
        match &mut event.body {
            Body::Fork(fork) => fork.child_start = self.time(fork.child_start),
            Body::Exec(exec) => exec.image.parent_start = self.time(exec.image.parent_start),
            _ => {}
        }
        event
    }

    fn time(self, time: u64) -> u64 {
        if time < self.origin {
            time
        } else {
            time.wrapping_add(self.by)
        }
    }
}
