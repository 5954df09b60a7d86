//! From a descriptor of the current task to its `struct file`, and on to its path.
use super::globals::offset;
use super::read::{Task, direct, kernel_u64};

/// `AT_FDCWD`: the working directory.
pub(super) const WORKING_DIRECTORY: i32 = -100;

/// Address of the file, or 0.
#[inline(always)]
pub(super) fn file(task: Task, descriptor: u32) -> u64 {
    // SAFETY: the verifier knows the type of each pointer on the way; `fdtable.fd` is only an address to it.
    let (slots, len): (u64, u32) = unsafe {
        let files: *const u8 = task.field(offset!(task_files));
        let table: *const u8 = direct(files, offset!(files_fdt));
        (direct(table, offset!(fdt_fd)), direct(table, offset!(fdt_max_fds)))
    };
    if descriptor >= len {
        return 0;
    }
    kernel_u64(slots + u64::from(descriptor) * 8, 0)
}

/// Address of a file's `struct path`, or 0.
#[inline(always)]
pub(super) fn path_of(file: u64) -> u64 {
    if file == 0 {
        0
    } else {
        file + u64::from(offset!(file_path))
    }
}

/// Address of the `struct path` that a relative text is relative to, or 0.
#[inline(always)]
pub(super) fn directory(task: Task, descriptor: i32) -> u64 {
    if descriptor == WORKING_DIRECTORY {
        task.pointer(offset!(task_fs)) + u64::from(offset!(fs_pwd))
    } else {
        path_of(file(task, descriptor as u32))
    }
}
