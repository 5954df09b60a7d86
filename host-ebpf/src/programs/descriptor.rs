//! From a descriptor of the current task to its `struct file`, and on to its path.
use aya_ebpf::macros::map;
use aya_ebpf::maps::PerCpuArray;

use super::globals::{offset, type_id};
use super::read::{Task, direct, field};

/// `AT_FDCWD`: the working directory.
pub(super) const WORKING_DIRECTORY: i32 = -100;

/// Where the files of the current task are.
#[repr(C)]
struct Places {
    /// Its `struct fs_struct`.
    fs: u64,
    /// Its descriptors' files.
    slots: u64,
    /// How many descriptors there may be.
    len: u64,
}

/// By the last call of [`vespid_places`] on this CPU. The programs that call it never interrupt one another.
#[map]
static PLACES: PerCpuArray<Places> = PerCpuArray::with_max_entries(1, 0);

/// Looks them up. It is verified once in each program, as [`super::namespaces::vespid_look_up`] is, and for its reason.
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn vespid_places() -> i32 {
    let task = Task::current();
    if let Some(places) = PLACES.get_ptr_mut(0) {
        // SAFETY: a live map value; the verifier knows the type of each pointer on the way; `fdtable.fd` is only an address to
        // it.
        unsafe {
            (*places).fs = task.pointer(offset!(task_fs));
            let files: *const u8 = task.follow(offset!(task_files));
            let table: *const u8 = direct(files, offset!(files_fdt));
            (*places).slots = direct(table, offset!(fdt_fd));
            (*places).len = u64::from(direct::<u32>(table, offset!(fdt_max_fds)));
        }
    }
    0
}

#[inline(always)]
fn places() -> Places {
    vespid_places();
    // SAFETY: a live map value.
    let places = PLACES.get_ptr(0).map(|places| unsafe { places.read() });
    places.unwrap_or(Places {
        fs: 0,
        slots: 0,
        len: 0,
    })
}

/// Address of the file, or 0.
#[inline(always)]
pub(super) fn file(descriptor: u32) -> u64 {
    let Places { slots, len, .. } = places();
    if u64::from(descriptor) >= len {
        return 0;
    }
    field(type_id!(word), slots + u64::from(descriptor) * 8, 0)
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
        places().fs + u64::from(offset!(fs_pwd))
    } else {
        path_of(file(descriptor as u32))
    }
}
