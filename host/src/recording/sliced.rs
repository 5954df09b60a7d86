//! Reads a part of a recording as if it were one: its events, and before them what the rest said of their processes.
use std::collections::VecDeque;

use vespid_ebpf::Kind;

use super::context::Context;
use super::{End, Header, Line, Reader, RecordingError, Slice, SliceError};
use crate::bytes::Bytes;
use crate::enrich::{ContainerId, ProcessId};
use crate::event::{Body, Event};

/// A part of a recording that is being read. It never holds more than a line and two process tables.
pub struct Sliced {
    reader: Reader,
    header: Header,
    /// None for the whole.
    sieve: Option<Box<Sieve>>,
    /// Lines that come before the one at hand.
    pending: VecDeque<Line<'static>>,
    /// The reader's line comes after those.
    is_kept: bool,
}

impl Sliced {
    /// # Errors
    /// If the slice cannot hold anything.
    pub fn new(reader: Reader, slice: &Slice) -> Result<Sliced, SliceError> {
        slice.check()?;
        Ok(Sliced {
            header: slice.header(reader.header()),
            sieve: (!slice.is_whole()).then(|| Box::new(Sieve::new(slice))),
            pending: VecDeque::new(),
            is_kept: false,
            reader,
        })
    }

    /// The header of the slice.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// What is being read.
    #[must_use]
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// The next line of the slice; none after its end line, which counts the slice's events.
    ///
    /// # Errors
    /// As [`Reader::next`], and [`RecordingError::Ambiguous`].
    #[expect(
        clippy::should_implement_trait,
        reason = "a line borrows from the reader, which an iterator's item cannot"
    )]
    pub fn next(&mut self) -> Result<Option<Line<'_>>, RecordingError> {
        let Some(sieve) = &mut self.sieve else {
            return self.reader.next();
        };
        loop {
            if let Some(line) = self.pending.pop_front() {
                return Ok(Some(line));
            }
            if std::mem::take(&mut self.is_kept) {
                return self.reader.again();
            }
            let Some(line) = self.reader.next()? else {
                return Ok(None);
            };
            let is_kept = sieve.keeps(&line, &mut self.pending);
            self.is_kept = is_kept.map_err(|found| sieve.ambiguous(&self.reader, found))?;
        }
    }

    /// Reads one line of the recording and gives `take` what it adds to the slice, which may be nothing. Whether there
    /// may be more. Cheaper than [`Sliced::next`].
    ///
    /// # Errors
    /// As [`Sliced::next`].
    pub fn pull(&mut self, mut take: impl FnMut(&Line<'_>)) -> Result<bool, RecordingError> {
        let is_kept = match (self.reader.next()?, &mut self.sieve) {
            (None, _) => return Ok(false),
            (Some(line), None) => {
                take(&line);
                return Ok(true);
            }
            (Some(line), Some(sieve)) => sieve.keeps(&line, &mut self.pending).map(|is_kept| {
                self.pending.drain(..).for_each(|before| take(&before));
                if is_kept {
                    take(&line);
                }
            }),
        };
        match (is_kept, &self.sieve) {
            (Err(found), Some(sieve)) => Err(sieve.ambiguous(&self.reader, found)),
            _ => Ok(true),
        }
    }
}

/// Tells kept lines from others.
struct Sieve {
    slice: Slice,
    context: Context,
    /// Time of the first event.
    first: Option<u64>,
    /// Whether the last event was in time.
    is_in_time: bool,
    /// Start of the process whose descendants are kept.
    root: Option<u64>,
    container: Option<Box<[u8]>>,
    events: u64,
}

/// A second container that fits.
struct Second(Box<[u8]>);

impl Sieve {
    fn new(slice: &Slice) -> Sieve {
        Sieve {
            slice: slice.clone(),
            context: Context::new(),
            first: None,
            is_in_time: slice.from.is_none(),
            root: None,
            container: None,
            events: 0,
        }
    }

    fn keeps(&mut self, line: &Line<'_>, before: &mut VecDeque<Line<'static>>) -> Result<bool, Second> {
        match line {
            Line::Known(known) => self.context.learn(known, before),
            Line::Container(known) => self.context.learn_container(known),
            // There are few, and whoever is named may be named again.
            Line::Account(_) => return Ok(true),
            Line::Event(event) => return self.keeps_event(event, before),
            // Losses have no time of their own.
            Line::Lost(loss) => {
                let kind = Kind::ALL
                    .into_iter()
                    .find(|kind| Some(kind.name()) == loss.kind.as_deref());
                return Ok(self.is_in_time && kind.is_none_or(|kind| self.slice.keeps(kind)));
            }
            Line::End(_) => before.push_back(Line::End(End { events: self.events })),
        }
        Ok(false)
    }

    fn keeps_event(&mut self, event: &Event<'_>, before: &mut VecDeque<Line<'static>>) -> Result<bool, Second> {
        let first = *self.first.get_or_insert(event.time);
        self.is_in_time = self.slice.from.is_none_or(|from| from.of(first) <= event.time)
            && self.slice.to.is_none_or(|to| event.time < to.of(first));
        self.context.advance(event);
        let is_candidate = self.is_in_time && self.slice.keeps(event.body.kind());
        let known = self.context.subject(event);
        // An exec may move a process into a container, and an unknown one gets its ancestors.
        let is_settled = known.is_some() && !matches!(event.body, Body::Exec(_));
        if !is_candidate || (is_settled && !self.is_wanted(known, None)?) {
            self.context.observe(event);
            self.context.leave_out(event, before);
            return Ok(false);
        }
        let untold = self.context.untold(event);
        let whose = self.context.observe(event);
        let is_kept = is_settled || self.is_wanted(whose.process, whose.container)?;
        if is_kept {
            self.events += 1;
            self.context.keep(event, untold, before);
        } else {
            self.context.leave_out(event, before);
        }
        Ok(is_kept)
    }

    /// `container` is that of an event without a process.
    fn is_wanted(&mut self, process: Option<ProcessId>, container: Option<ContainerId>) -> Result<bool, Second> {
        Ok(self.is_of_tree(process) && self.is_of_container(process, container)?)
    }

    fn is_of_tree(&mut self, process: Option<ProcessId>) -> bool {
        let Some(pid) = self.slice.pid_tree else { return true };
        let table = self.context.whole();
        let mut next = process;
        while let Some(process) = next.and_then(|id| table.get(id)) {
            if process.pid == pid {
                let root = *self.root.get_or_insert(process.start);
                if process.is_about(root) {
                    return true;
                }
            }
            next = process.parent;
        }
        false
    }

    fn is_of_container(&mut self, process: Option<ProcessId>, container: Option<ContainerId>) -> Result<bool, Second> {
        let Some(prefix) = &self.slice.container else {
            return Ok(true);
        };
        let table = self.context.whole();
        let container = process.and_then(|id| table.get(id)?.container()).or(container);
        let Some(container) = container.and_then(|id| table.containers().get(id)) else {
            return Ok(false);
        };
        if !container.id.starts_with(prefix.as_bytes()) {
            return Ok(false);
        }
        let first = self.container.get_or_insert_with(|| container.id.clone());
        if *first == container.id {
            return Ok(true);
        }
        // A whole id is one container's, whatever else begins with it.
        if **first == *prefix.as_bytes() {
            return Ok(false);
        }
        Err(Second(container.id.clone()))
    }

    fn ambiguous(&self, reader: &Reader, Second(second): Second) -> RecordingError {
        let text = |id: &[u8]| Bytes::from(id).to_string();
        RecordingError::Ambiguous {
            file: reader.name().into(),
            prefix: self.slice.container.clone().unwrap_or_default(),
            first: text(self.container.as_deref().unwrap_or_default()),
            second: text(&second),
        }
    }
}
