//! Recordings: events as they came from the kernel, to be replayed later, elsewhere, without privileges.
//!
//! A recording is JSON Lines, so that people can read, compare and write it; as a whole it may be compressed with zstd.
//! Or it is binary ([`Form::Rows`]): the same lines, for programs, several times as fast to write and to read. The first line names the format's version and the node, the last one ends the recording. Between them stand, in the
//! order in which the daemon met them, events and everything else that the enrichment knew: processes from `/proc`,
//! containers from their runtimes, names of users, and losses.
mod anonymise;
mod chunk;
mod context;
mod form;
mod read;
mod rotate;
mod rows;
mod segment;
mod slice;
mod sliced;
mod tape;
mod write;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use anonymise::Anonymiser;
pub use chunk::Chunk;
pub use form::Form;
pub use read::Reader;
pub use rotate::{Place, Rotation, Segments, Store};
pub use slice::{EventKind, Moment, Slice, SliceError};
pub use sliced::Sliced;
pub use tape::{Reel, Tape, TapeBooks, WhenFull};
pub use write::Writer;

use crate::enrich::namespaces;
use crate::event::{Event, Known, KnownAccount, KnownContainer};

/// The version of text.
pub const VERSION: u32 = 1;

/// The version of the binary form, and the highest one that can be read.
pub const ROWS_VERSION: u32 = 2;

/// Longest line, in bytes. The longest event is some 100 KiB with every byte escaped.
pub const MAX_LINE: usize = 1 << 20;

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// [`VERSION`] or [`ROWS_VERSION`]: the form of the other lines.
    #[serde(rename = "vespid_recording")]
    pub version: u32,
    /// Name of the node.
    pub node: String,
    /// Boot id of its kernel.
    pub boot_id: String,
    /// Release of its kernel.
    pub kernel: String,
    /// When the recording was begun, in Unix nanoseconds.
    pub created: u64,
    /// The kinds of events that were asked for: `fork`, `exec`, `exit`, `connection`, `open`.
    pub kinds: Vec<String>,
    /// Its own namespaces, in the order of [`vespid_ebpf::NAMESPACES`]; 0 for not known.
    #[serde(default = "fixed_namespaces", skip_serializing_if = "are_fixed")]
    pub namespaces: [u32; 8],
}

fn fixed_namespaces() -> [u32; 8] {
    namespaces::FIXED
}

fn are_fixed(namespaces: &[u32; 8]) -> bool {
    *namespaces == namespaces::FIXED
}

/// Any other line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line<'a> {
    /// A process that the enrichment knew, from the next event on.
    #[serde(borrow)]
    Known(Known<'a>),
    /// A container that the enrichment knew, from the next event on.
    #[serde(borrow)]
    Container(KnownContainer<'a>),
    /// The name of a user or a group, from the next event on.
    #[serde(borrow)]
    Account(KnownAccount<'a>),
    /// An event.
    #[serde(borrow)]
    Event(Event<'a>),
    /// Events that are missing before the next one.
    #[serde(borrow)]
    Lost(Loss<'a>),
    /// Nothing comes after this.
    End(End),
}

/// Events that are missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss<'a> {
    /// Where they were lost: `kernel`, `decode`, `flight_recorder`, `recorder`.
    #[serde(borrow)]
    pub stage: Cow<'a, str>,
    /// Their kind, if it is known.
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Cow<'a, str>>,
    /// How many.
    pub count: u64,
}

/// The last line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// How many events there are.
    pub events: u64,
}

/// Why a recording could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The file could not be written or read.
    #[error("{}: {source}", file.display())]
    Io {
        /// Which.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is something else.
    #[error(
        "{}: not a recording: the first line is not a header ({reason}); `vespid record -o FILE` makes one",
        file.display()
    )]
    NotARecording {
        /// Which.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// It is of a version that is not known yet.
    #[error(
        "{}: made by a newer Vespid (format {found}); this one reads up to {ROWS_VERSION}: replay it with that one",
        file.display()
    )]
    Newer {
        /// Which.
        file: PathBuf,
        /// Its version.
        found: u64,
    },
    /// It ends before its last line. All complete lines before that have been read.
    #[error(
        "{}:{line}: the recording ends after {events} events without an end line: it was cut off, or is still being \
         written",
        file.display()
    )]
    Truncated {
        /// Which.
        file: PathBuf,
        /// The line that is missing or incomplete.
        line: u64,
        /// Events before it.
        events: u64,
    },
    /// A slice asks for a container by the beginning of its id, which is that of several.
    #[error("{}: both {first} and {second} begin with `{prefix}`: give more of the container's id", file.display())]
    Ambiguous {
        /// Which.
        file: PathBuf,
        /// What was asked for.
        prefix: String,
        /// A container.
        first: String,
        /// Another one.
        second: String,
    },
    /// A row is not what it should be.
    #[error("{}: row {row} of the recording is damaged; `vespid recording cut` keeps what comes before it", file.display())]
    Damaged {
        /// Which.
        file: PathBuf,
        /// Which row, counted as lines are.
        row: u64,
    },
    /// A line is not what it should be.
    #[error("{}:{line}: {reason}; correct the line or remove it", file.display())]
    Malformed {
        /// Which.
        file: PathBuf,
        /// Which line, counted from 1.
        line: u64,
        /// What is wrong.
        reason: String,
    },
}
