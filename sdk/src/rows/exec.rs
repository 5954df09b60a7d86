//! Executions.
use super::{Fact, Process, cell, fact, string};
use crate::bindings::vespid::plugin::{events, reports};

fact!(
    /// An `execve` or `execveat`.
    ///
    /// ```
    /// # use vespid_plugin::testing::{BatchBuilder, EPOCH};
    /// # use vespid_plugin::Batch;
    /// # let mut builder = BatchBuilder::new();
    /// # let bash = builder.process("/bin/bash").id();
    /// # let ls = builder.process("/bin/ls").id();
    /// # builder.exec(ls).previous(bash);
    /// # let columns = builder.columns();
    /// # let exec = Batch::new(&columns).execs().next().unwrap();
    /// assert_eq!((exec.seq(), exec.time()), (1, EPOCH));
    /// assert_eq!(exec.filename(), b"/bin/ls");
    /// assert_eq!(exec.process().unwrap().exe(), b"/bin/ls");
    /// assert_eq!(exec.previous().unwrap().exe(), b"/bin/bash");
    /// assert!(!exec.failed() && exec.errno() == 0);
    /// ```
    Exec, Execs, Exec
);

impl<'a> Exec<'a> {
    /// The image that was replaced, if the call succeeded and it is known.
    #[must_use]
    #[inline]
    pub fn previous(self) -> Option<Process<'a>> {
        Process::at(self.batch, self.table.previous.get(self.row).copied()?)
    }

    /// The file as the caller named it, perhaps relative; for a script, the script.
    #[must_use]
    #[inline]
    pub fn filename(self) -> &'a [u8] {
        string(self.batch, cell(&self.table.filename, self.row))
    }

    /// Why the call failed, or 0.
    #[must_use]
    #[inline]
    pub fn errno(self) -> u32 {
        cell(&self.table.errno, self.row)
    }

    /// Whether the call failed.
    #[must_use]
    #[inline]
    pub fn failed(self) -> bool {
        self.errno() != 0
    }
}
