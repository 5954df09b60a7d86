//! Ends of processes.
use super::{Fact, Process, cell, fact};
use crate::bindings::vespid::plugin::{events, reports};

fact!(
    /// The end of a process.
    Exit, Exits, Exit
);

impl Exit<'_> {
    /// Exit code; 0 for a process that was killed.
    #[must_use]
    #[inline]
    pub fn code(self) -> u32 {
        cell(&self.table.code, self.row)
    }

    /// The signal that killed it, if one did.
    #[must_use]
    #[inline]
    pub fn signal(self) -> Option<u32> {
        Some(cell(&self.table.signal, self.row)).filter(|signal| *signal != 0)
    }

    /// Nanoseconds from start to end.
    #[must_use]
    #[inline]
    pub fn lifetime(self) -> u64 {
        cell(&self.table.lifetime, self.row)
    }
}
