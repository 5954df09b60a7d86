//! What never reached a plugin, added up.
use super::subscription::Rows;
use crate::interface::vespid::plugin::events::Lost;

impl Lost {
    /// Nothing was lost.
    pub const NONE: Lost = Lost {
        kernel: 0,
        decode: 0,
        queue: 0,
    };

    /// Both losses together.
    pub(super) fn and(self, other: Lost) -> Lost {
        Lost {
            kernel: self.kernel.saturating_add(other.kernel),
            decode: self.decode.saturating_add(other.decode),
            queue: self.queue.saturating_add(other.queue),
        }
    }

    /// This loss, and `rows` that never reached the guest.
    pub(super) fn and_rows(self, rows: &Rows) -> Lost {
        self.and(Lost {
            kernel: 0,
            decode: 0,
            queue: rows.iter().sum(),
        })
    }
}
