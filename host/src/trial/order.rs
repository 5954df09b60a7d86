//! Whether a recording's events are in order. Those of different CPUs may pass each other by little; a plugin is promised
//! no more than that, so what it makes of a recording in disorder proves nothing.
use anyhow::anyhow;

use crate::clock;
use crate::recording::{Line, Reader};

/// How far an event may be behind the newest one before it, in nanoseconds.
const MOST: u64 = 1_000_000_000;

/// Looks for events that come too late.
#[derive(Clone, Copy, Debug, Default)]
pub struct OutOfOrder {
    newest: u64,
    is_event: bool,
}

/// An event that came too late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Late {
    behind: u64,
}

impl OutOfOrder {
    /// Looks at a line.
    pub fn check(&mut self, line: &Line<'_>) -> Option<Late> {
        let Line::Event(event) = line else {
            self.is_event = false;
            return None;
        };
        self.is_event = true;
        let behind = self.newest.saturating_sub(event.time);
        self.newest = self.newest.max(event.time);
        (behind > MOST).then_some(Late { behind })
    }

    /// Whether the last line was an event.
    #[must_use]
    pub fn is_event(&self) -> bool {
        self.is_event
    }
}

impl Late {
    /// Says so, of the line that was read last.
    #[must_use]
    pub fn at(self, reader: &Reader) -> anyhow::Error {
        anyhow!(
            "{}:{}: this event is {:.1} s older than one before it; events must be in order of time, save for what CPUs \
             differ: put the line in its place, or remove it",
            reader.name().display(),
            reader.line_number(),
            clock::seconds(self.behind)
        )
    }
}
