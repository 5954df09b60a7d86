//! An access, whatever table it came from.
use vespid_plugin::prelude::*;
use vespid_plugin::{Change, errno};

use crate::access::Access;
use crate::change;

/// One access to one file.
pub(crate) struct Event<'a, F> {
    pub(crate) fact: F,
    pub(crate) time: u64,
    pub(crate) process: Option<Process<'a>>,
    pub(crate) path: &'a [u8],
    pub(crate) access: Access,
    pub(crate) errno: u32,
    /// How many there were of it.
    pub(crate) count: u64,
    /// If it is more than an access: what was done.
    pub(crate) change: Option<Change<'a>>,
}

impl<F> Event<'_, F> {
    /// What happened, in a sentence.
    pub(crate) fn message(&self, access: Access) -> String {
        let who = self.process.map_or_else(
            || "an unknown process".to_owned(),
            |process| {
                format!(
                    "{} (pid {}, uid {})",
                    text(process.name()),
                    process.pid(),
                    process.uid()
                )
            },
        );
        let (path, tail) = match self.change {
            Some(change) => (text(change.path()), change::tail(change)),
            None => (text(self.path), String::new()),
        };
        let (done, tried) = match self.change {
            Some(change) => change::words(change.op()),
            None => (access.done(), access.tried()),
        };
        match self.errno {
            0 => format!("{who} {done} {path}{tail}"),
            errno => format!("{who} tried to {tried} {path}{tail}: {}", errno::name(errno)),
        }
    }
}
