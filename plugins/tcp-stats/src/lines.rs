//! A batch's connections by process, direction and class of port.
//!
//! Rows that have these in common have their label values in common too. A batch has few such lines and many rows: what
//! depends on the line alone is worked out at its first row, and no later row hashes a label.
use std::rc::Rc;

use vespid_plugin::{Batch, Connection, Direction, SeriesId};

use crate::graph::End;
use crate::labels::{Labels, Namer};
use crate::port::Class;

/// No line.
const NONE: u32 = u32::MAX;

/// The lines of one batch.
pub(crate) struct Lines<'a> {
    /// The first line of each process, by its row; that of connections without a process is the last.
    first: Vec<u32>,
    lines: Vec<Line<'a>>,
}

/// What rows of one line have in common, each as soon as a row needed it.
pub(crate) struct Line<'a> {
    direction: Direction,
    class: Class,
    /// Another line of the same process.
    next: u32,
    pub(crate) labels: Labels<'a>,
    pub(crate) series: LineSeries,
    /// This end among services.
    pub(crate) end: Option<Rc<End>>,
    /// Whether no verdict is about the process.
    pub(crate) is_excepted: Option<bool>,
}

/// The series that a line has so far.
#[derive(Default)]
pub(crate) struct LineSeries {
    pub(crate) opened: Option<SeriesId>,
    pub(crate) accepted: Option<SeriesId>,
    pub(crate) active: Option<SeriesId>,
    /// Those of the last error.
    pub(crate) failed: Option<(u32, SeriesId)>,
    pub(crate) closed: Option<(u32, SeriesId)>,
    pub(crate) sent: Option<SeriesId>,
    pub(crate) received: Option<SeriesId>,
    pub(crate) retransmits: Option<SeriesId>,
    pub(crate) duration: Option<SeriesId>,
    pub(crate) rtt: Option<SeriesId>,
}

impl<'a> Lines<'a> {
    pub(crate) fn of(batch: Batch<'_>) -> Self {
        Lines {
            first: vec![NONE; batch.columns().processes.pid.len() + 1],
            lines: Vec::new(),
        }
    }

    /// The line of a connection of this batch; none only if there are too many to number.
    #[inline]
    pub(crate) fn find(&mut self, connection: Connection<'a>, namer: &mut Namer) -> Option<&mut Line<'a>> {
        let (direction, class) = (connection.direction(), Class::of(called_port(connection)));
        let without = self.first.len() - 1;
        let process = connection.process().map_or(without, |process| process.row());
        let mut at = self.first.get(process).copied()?;
        while let Some(line) = self.lines.get(at as usize) {
            if line.direction == direction && line.class == class {
                return self.lines.get_mut(at as usize);
            }
            at = line.next;
        }
        let new = u32::try_from(self.lines.len()).ok()?;
        self.lines.push(Line {
            direction,
            class,
            next: std::mem::replace(self.first.get_mut(process)?, new),
            labels: Labels::of(connection, class, namer),
            series: LineSeries::default(),
            end: None,
            is_excepted: None,
        });
        self.lines.last_mut()
    }
}

/// The port that says which service it is.
fn called_port(connection: Connection<'_>) -> u16 {
    match connection.direction() {
        Direction::Outbound => connection.remote_port(),
        Direction::Inbound => connection.local_port(),
        // Servers sit on low ports.
        Direction::Unknown => connection.remote_port().min(connection.local_port()),
    }
}
