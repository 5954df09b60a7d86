//! Ends of processes.
use super::{Fact, Process, cell, fact};
use crate::bindings::vespid::plugin::{events, reports};

fact!(
    /// The end of a process.
    ///
    /// ```
    /// # use vespid_plugin::testing::{BatchBuilder, EPOCH};
    /// # use vespid_plugin::Batch;
    /// # let mut builder = BatchBuilder::new();
    /// # let ls = builder.process("/bin/ls").id();
    /// # builder.exit(ls).code = 2;
    /// # let columns = builder.columns();
    /// # let exit = Batch::new(&columns).exits().next().unwrap();
    /// assert_eq!((exit.seq(), exit.time()), (1, EPOCH));
    /// assert_eq!((exit.code(), exit.signal()), (2, None));
    /// let name = exit.process().map_or(&b"?"[..], |process| process.name());
    /// println!("{} lived for {} ms", vespid_plugin::text(name), exit.lifetime() / 1_000_000);
    /// ```
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
