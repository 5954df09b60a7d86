//! Lines on their way to a file, as text, with what they count.
use serde::Serialize;

use super::Line;
use crate::event::Event;
use crate::ledger::{ROWS, row};

/// A piece of a recording: whole lines. It is written as a whole, or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chunk {
    text: Vec<u8>,
    events: [u64; ROWS],
}

impl Chunk {
    /// Size at which a chunk is worth writing: large enough to be compressed well, small enough that little is lost
    /// with it.
    pub const FULL: usize = 128 << 10;

    /// A chunk with room for [`Chunk::FULL`] and a long line.
    #[must_use]
    pub fn with_room() -> Chunk {
        Chunk {
            text: Vec::with_capacity(Self::FULL + (8 << 10)),
            events: [0; ROWS],
        }
    }

    /// Appends a line.
    ///
    /// # Errors
    /// If it cannot be said in JSON, which no line is known for; the chunk is as before then.
    pub fn push(&mut self, line: &Line<'_>) -> serde_json::Result<()> {
        match line {
            Line::Event(event) => self.push_event(event),
            line => self.put(line),
        }
    }

    /// Appends an event, as [`Chunk::push`] does its line.
    ///
    /// # Errors
    /// As [`Chunk::push`].
    pub(super) fn push_event(&mut self, event: &Event<'_>) -> serde_json::Result<()> {
        #[derive(Serialize)]
        struct Line<'a, 'b> {
            event: &'a Event<'b>,
        }
        self.put(&Line { event })?;
        self.events[row(Some(event.body.kind()))] += 1;
        Ok(())
    }

    /// Appends anything that is a line of a recording, uncounted.
    pub(super) fn put(&mut self, line: &impl Serialize) -> serde_json::Result<()> {
        let before = self.text.len();
        if let Err(error) = serde_json::to_writer(&mut self.text, line) {
            self.text.truncate(before);
            return Err(error);
        }
        self.text.push(b'\n');
        Ok(())
    }

    /// Puts another chunk's lines before its own.
    pub(super) fn prepend(&mut self, mut first: Chunk) {
        first.text.append(&mut self.text);
        self.text = first.text;
        for (count, more) in self.events.iter_mut().zip(first.events) {
            *count += more;
        }
    }

    /// Empties it, and keeps its room.
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.events = [0; ROWS];
    }

    /// Whether it is worth writing.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.text.len() >= Self::FULL
    }

    /// Whether it has no line.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Its lines.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Events among its lines, by [`row`].
    #[must_use]
    pub fn events(&self) -> &[u64; ROWS] {
        &self.events
    }

    /// All of its events.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.events.iter().sum()
    }
}
