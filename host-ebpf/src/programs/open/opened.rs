//! What was opened, as far as the kernel knows.
use super::super::descriptor::path_of;
use super::super::globals::{has, offset, type_id};
use super::super::read::{field, word};

/// What was opened. An `Option` would leave registers undefined, which the verifier does not take.
#[derive(Clone, Copy)]
pub(in super::super) struct Opened {
    /// Address of its `struct path`; 0 if it is not known.
    pub(in super::super) path: u64,
    pub(in super::super) inode: u64,
    /// Its `f_mode`.
    pub(in super::super) mode: u32,
}

impl Opened {
    /// Nothing, or nothing that is known.
    pub(in super::super) const NOTHING: Opened = Opened {
        path: 0,
        inode: 0,
        mode: 0,
    };

    /// The file at an address.
    #[inline(always)]
    pub(in super::super) fn of(file: u64) -> Opened {
        if file == 0 {
            return Opened::NOTHING;
        }
        let mode = if has!(file_mode) {
            field(type_id!(file), file, offset!(file_mode))
        } else {
            0
        };
        Opened {
            path: path_of(file),
            inode: word(file, offset!(file_inode)),
            mode,
        }
    }
}
