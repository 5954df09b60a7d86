//! From a descriptor of the current task to its `struct file`, and on to its path.
use super::globals::offset;
use super::read::{Task, direct, word};

/// `AT_FDCWD`: the working directory.
pub(super) const WORKING_DIRECTORY: i32 = -100;

/// Address of the file that a descriptor of the current task stands for, or 0.
#[inline(always)]
pub(super) fn file(descriptor: u32) -> u64 {
    file_of(Task::current(), descriptor)
}

/// The same of a task.
#[inline(always)]
pub(super) fn file_of(task: Task, descriptor: u32) -> u64 {
    let files = task.follow(offset!(task_files));
    // SAFETY: the verifier knows the type of each pointer on the way.
    let (slots, len) = unsafe {
        let table: *const u8 = direct(files, offset!(files_fdt));
        (
            direct::<*const u8>(table, offset!(fdt_fd)),
            direct(table, offset!(fdt_max_fds)),
        )
    };
    if descriptor >= len {
        return 0;
    }
    word(slots as u64 + u64::from(descriptor) * 8, 0)
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
pub(super) fn directory(descriptor: i32) -> u64 {
    if descriptor == WORKING_DIRECTORY {
        Task::current().pointer(offset!(task_fs)) + u64::from(offset!(fs_pwd))
    } else {
        path_of(file(descriptor as u32))
    }
}
