//! Rows of a batch as things with names: views on columns, zero-copy.
//!
//! A getter never panics: a column that is too short reads as 0, and an id that points nowhere as "none" or as the
//! empty string.
mod change;
mod connection;
mod container;
mod exec;
mod exit;
mod open;
mod privileged;
mod process;
mod resource;
mod socket;

pub use change::{Change, ChangeOp};
pub use connection::{Connection, ConnectionOp, Direction};
pub use container::Container;
pub use exec::Exec;
pub use exit::Exit;
pub use open::{Open, PathKind};
pub use privileged::{Privileged, PrivilegedOp};
pub use process::{Process, ProcessId};
#[cfg(not(target_family = "wasm"))]
pub(crate) use resource::measured;
pub use resource::{Resource, ResourceOp};
pub use socket::{Socket, SocketOp};

use std::net::{IpAddr, Ipv6Addr};

use crate::bindings::vespid::plugin::{events, reports};

/// An event, whatever its kind; what a verdict can be about.
///
/// ```
/// use vespid_plugin::{Fact, Report, Severity};
///
/// fn strange(fact: &impl Fact, out: &mut Report) {
///     out.verdict("strange", Severity::Notice).about(fact).message("look at this");
/// }
/// ```
pub trait Fact {
    /// Where it stands in its batch.
    fn subject(&self) -> reports::Row;
}

/// String `id` of a batch.
#[inline]
fn string(batch: &events::Batch, id: u32) -> &[u8] {
    let strings = &batch.strings;
    let id = id as usize;
    // Asked first, so that the start needs no check of its own.
    let Some(end) = strings.ends.get(id).copied() else {
        return absent();
    };
    let start = match id.checked_sub(1) {
        Some(before) => cell(&strings.ends, before),
        None => 0,
    };
    match strings.blob.get(start as usize..end as usize) {
        Some(text) => text,
        None => absent(),
    }
}

/// Element `row` of a column.
#[inline]
fn cell<T: Copy + Default>(column: &[T], row: usize) -> T {
    match column.get(row) {
        Some(cell) => *cell,
        None => absent(),
    }
}

/// In place of what a batch does not have. No batch of a daemon lacks anything: out of line, so that rows cost what
/// columns do.
#[cold]
#[inline(never)]
fn absent<T: Default>() -> T {
    T::default()
}

/// One end of a row of `addresses`, which has 32 bytes a row: local, then remote.
#[inline]
fn address(addresses: &[u8], row: usize, end: usize) -> IpAddr {
    let at = row * 32 + end * 16;
    let bytes = addresses
        .get(at..at + 16)
        .and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
    Ipv6Addr::from(bytes.unwrap_or_default()).to_canonical()
}

/// An operation as a column holds it.
macro_rules! op {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $number:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
            /// Something that this version does not know.
            Unknown,
        }

        impl $name {
            #[inline]
            pub(super) fn from_column(number: u8) -> Self {
                match number {
                    $($number => $name::$variant,)*
                    _ => $name::Unknown,
                }
            }

            pub(crate) fn to_column(self) -> u8 {
                match self {
                    $($name::$variant => $number,)*
                    $name::Unknown => u8::MAX,
                }
            }
        }
    };
}
use op;

/// A view on one row of a fact table, with what every fact has.
macro_rules! fact {
    ($(#[$doc:meta])* $name:ident, $table:ident, $subject:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub struct $name<'a> {
            pub(crate) batch: &'a events::Batch,
            pub(crate) table: &'a events::$table,
            pub(crate) row: usize,
        }

        impl<'a> $name<'a> {
            /// Sequence number of the event.
            #[must_use]
            #[inline]
            pub fn seq(self) -> u64 {
                cell(&self.table.seq, self.row)
            }

            /// When, in Unix nanoseconds.
            #[must_use]
            #[inline]
            pub fn time(self) -> u64 {
                cell(&self.table.time, self.row)
            }

            /// The process, if it is known.
            #[must_use]
            #[inline]
            pub fn process(self) -> Option<Process<'a>> {
                Process::at(self.batch, self.table.process.get(self.row).copied()?)
            }
        }

        impl Fact for $name<'_> {
            fn subject(&self) -> reports::Row {
                reports::Row::$subject(u32::try_from(self.row).unwrap_or(u32::MAX))
            }
        }

        impl std::fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).field("seq", &self.seq()).finish_non_exhaustive()
            }
        }
    };
}
use fact;

#[cfg(all(test, not(target_family = "wasm")))]
mod tests;
