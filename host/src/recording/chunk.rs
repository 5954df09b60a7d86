//! Lines on their way to a file, in its form, with what they count.
use serde::Serialize;

use super::{Form, Line, rows};
use crate::event::Event;
use crate::ledger::{ROWS, row};

/// A piece of a recording: whole lines. It is written as a whole, or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chunk {
    form: Form,
    bytes: Vec<u8>,
    events: [u64; ROWS],
}

impl Chunk {
    /// Size at which a chunk is worth writing: large enough to be compressed well, small enough that little is lost
    /// with it.
    pub const FULL: usize = 128 << 10;

    /// An empty chunk.
    #[must_use]
    pub fn new(form: Form) -> Chunk {
        Chunk {
            form,
            ..Chunk::default()
        }
    }

    /// A chunk with room for [`Chunk::FULL`] and a long line.
    #[must_use]
    pub fn with_room(form: Form) -> Chunk {
        Chunk {
            bytes: Vec::with_capacity(Self::FULL + (8 << 10)),
            ..Chunk::new(form)
        }
    }

    /// Appends a line.
    ///
    /// # Errors
    /// If it cannot be said in JSON, which no line is known for; the chunk is as before then.
    pub fn push(&mut self, line: &Line<'_>) -> serde_json::Result<()> {
        match (line, self.form) {
            (Line::Event(event), _) => return self.push_event(event),
            (line, Form::Text) => self.put(line)?,
            (line, Form::Rows) => rows::put(line, &mut self.bytes),
        }
        Ok(())
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
        match self.form {
            Form::Text => self.put(&Line { event })?,
            Form::Rows => rows::put_event(event, &mut self.bytes),
        }
        self.events[row(Some(event.body.kind()))] += 1;
        Ok(())
    }

    /// Appends a line of text, uncounted.
    pub(super) fn put(&mut self, line: &impl Serialize) -> serde_json::Result<()> {
        let before = self.bytes.len();
        if let Err(error) = serde_json::to_writer(&mut self.bytes, line) {
            self.bytes.truncate(before);
            return Err(error);
        }
        self.bytes.push(b'\n');
        Ok(())
    }

    /// Puts another chunk's lines before its own.
    pub(super) fn prepend(&mut self, mut first: Chunk) {
        first.bytes.append(&mut self.bytes);
        self.bytes = first.bytes;
        for (count, more) in self.events.iter_mut().zip(first.events) {
            *count += more;
        }
    }

    /// Empties it, and keeps its room.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.events = [0; ROWS];
    }

    /// Whether it is worth writing.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.bytes.len() >= Self::FULL
    }

    /// Whether it has no line.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Its lines, as they are in a file that is not compressed.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
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
