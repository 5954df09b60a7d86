//! Reading the kernel's memory, and user memory.
use core::ffi::c_void;
use core::mem::MaybeUninit;
use core::ptr::read_volatile;

use aya_ebpf::helpers::generated::{bpf_get_current_task_btf, bpf_probe_read_kernel, bpf_probe_read_user};
use vespid_ebpf::{ABSENT, CAST};

use super::globals::type_id;

/// A task that the verifier trusts: an argument of the tracepoint, or the current one.
#[derive(Clone, Copy)]
pub(super) struct Task(pub(super) *const u8);

impl Task {
    #[inline(always)]
    pub(super) fn current() -> Task {
        // SAFETY: the helper has no preconditions.
        Task(unsafe { bpf_get_current_task_btf() }.cast())
    }

    /// A field of the task.
    #[inline(always)]
    pub(super) fn field<T: Copy>(self, offset: u32) -> T {
        // SAFETY: the verifier refuses the program unless this is a field of the task.
        unsafe { direct(self.0, offset) }
    }

    /// What a field of the task points to.
    ///
    /// Of a pointer that is loaded from what the verifier trusts, newer kernels look through all their types whether it is to
    /// be trusted as well, at every such load: that would take them longer than all the rest of the verifying. So it is loaded
    /// from what is not, where the kernel has a way to say so.
    #[inline(always)]
    pub(super) fn follow(self, offset: u32) -> *const u8 {
        // SAFETY: as in `field`; without the kernel's function this does nothing.
        unsafe { direct(cast(self.0 as u64, type_id!(task_struct)), offset) }
    }

    /// A field of the task that is a pointer, as an address.
    #[inline(always)]
    pub(super) fn pointer(self, offset: u32) -> u64 {
        self.follow(offset) as u64
    }
}

/// Reads a field by a plain load.
///
/// # Safety
/// `base` must be a pointer whose type the verifier knows.
#[inline(always)]
pub(super) unsafe fn direct<T: Copy>(base: *const u8, offset: u32) -> T {
    // SAFETY: checked by the verifier; a stale pointer reads as zero (BPF_PROBE_MEM).
    unsafe { read_volatile(base.add(offset as usize).cast()) }
}

/// Reads a field of what is at an address; zero if it cannot be read. `id` is that of its type.
///
/// Where the kernel takes our word for the type this is a plain load, which costs a tenth of a helper's call. The verifier
/// wants such a load to be of one member, and as wide.
#[inline(always)]
pub(super) fn field<T: Copy>(id: u32, base: u64, offset: u32) -> T {
    if id != ABSENT {
        // SAFETY: a load that faults is zero (BPF_PROBE_MEM).
        return unsafe { direct(cast(base, id), offset) };
    }
    read(base, offset)
}

/// The same by a helper.
#[inline(always)]
fn read<T: Copy>(base: u64, offset: u32) -> T {
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: `kernel_into` writes all of it.
    unsafe {
        kernel_into(value.as_mut_ptr().cast(), size_of::<T>() as u32, base, offset);
        value.assume_init()
    }
}

/// Reads the eight bytes at an offset from an address, whatever that is of; zero if they cannot be read.
#[inline(always)]
pub(super) fn word(base: u64, offset: u32) -> u64 {
    field(type_id!(word), base + u64::from(offset), 0)
}

/// Reads a field of what is at an address, whatever that is of; zero if it cannot be read. The address is a multiple of 8,
/// and the field has one of the sizes that go into eight bytes, so it is a part of a word.
#[inline(always)]
pub(super) fn part<T: Copy>(base: u64, offset: u32) -> T {
    if type_id!(word) == ABSENT {
        return read(base, offset);
    }
    let within = if size_of::<T>() == 8 { 0 } else { offset & 7 };
    let bits = word(base, offset - within) >> (within * 8);
    // SAFETY: a number of at most eight bytes, of which the first are the low ones.
    unsafe { core::mem::transmute_copy(&bits) }
}

/// Tells the verifier what is at an address, so that it can be read there, and nothing else.
#[inline(always)]
fn cast(base: u64, id: u32) -> *const u8 {
    // SAFETY: the kernel's function, whose number the daemon puts in.
    unsafe {
        let cast: unsafe extern "C" fn(u64, u64) -> *const u8 = core::mem::transmute(CAST as usize);
        cast(base, u64::from(id))
    }
}

/// Reads kernel memory at any address.
#[inline(always)]
pub(super) fn kernel<T: Copy>(base: u64, offset: u32) -> Option<T> {
    let mut value = MaybeUninit::<T>::uninit();
    let from = (base + u64::from(offset)) as *const c_void;
    // SAFETY: the helper checks the address and writes all of `value` (zeroes if it fails).
    unsafe {
        let status = bpf_probe_read_kernel(value.as_mut_ptr().cast(), size_of::<T>() as u32, from);
        if status == 0 { Some(value.assume_init()) } else { None }
    }
}

/// Reads kernel memory to where it belongs; zeroes if the address cannot be read.
///
/// # Safety
/// `out` must be valid for writes of `len` bytes.
#[inline(always)]
pub(super) unsafe fn kernel_into(out: *mut u8, len: u32, base: u64, offset: u32) {
    let from = (base + u64::from(offset)) as *const c_void;
    // SAFETY: the caller's promise; the helper checks the address and fills with zeroes if it fails.
    unsafe { bpf_probe_read_kernel(out.cast(), len, from) };
}

/// Like [`kernel`], 0 if the address cannot be read. Without a branch, which would double the verifier's work.
#[inline(always)]
pub(super) fn kernel_u64(base: u64, offset: u32) -> u64 {
    read(base, offset)
}

/// Like [`kernel_u64`].
#[inline(always)]
pub(super) fn kernel_u32(base: u64, offset: u32) -> u32 {
    read(base, offset)
}

/// Like [`kernel_u64`].
#[inline(always)]
pub(super) fn kernel_u16(base: u64, offset: u32) -> u16 {
    read(base, offset)
}

/// Like [`kernel_u64`].
#[inline(always)]
pub(super) fn kernel_u8(base: u64, offset: u32) -> u8 {
    read(base, offset)
}

/// Reads memory of the current task.
#[inline(always)]
pub(super) fn user<T: Copy>(address: u64) -> Option<T> {
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: as for `kernel`.
    unsafe {
        let status = bpf_probe_read_user(
            value.as_mut_ptr().cast(),
            size_of::<T>() as u32,
            address as *const c_void,
        );
        if status == 0 { Some(value.assume_init()) } else { None }
    }
}
