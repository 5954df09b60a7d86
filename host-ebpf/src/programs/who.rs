//! By whom something was, as far as filters ask.
use super::globals::offset;
use super::header::start_ns;
use super::read::{Task, direct};

/// By whom something was.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Who {
    pub(super) uid: u32,
    /// 0 if it is not known.
    pub(super) pid: u32,
    pub(super) start_ns: u64,
}

impl Who {
    /// A task: the current one, or its process's first.
    #[inline(always)]
    pub(super) fn of(task: Task) -> Who {
        let cred: *const u8 = task.follow(offset!(task_real_cred));
        Who {
            // SAFETY: the verifier knows the type of `task_struct.real_cred`.
            uid: unsafe { direct(cred, offset!(cred_uid)) },
            pid: task.field(offset!(task_tgid)),
            start_ns: start_ns(task),
        }
    }
}
