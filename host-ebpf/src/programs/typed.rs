//! Texts as the caller typed them.
use core::ffi::c_void;

use aya_ebpf::helpers::generated::{bpf_probe_read_kernel_str, bpf_probe_read_user_str};

use super::read::{kernel, user};
use super::scratch::{Scratch, place};

/// Where a text is.
#[derive(Clone, Copy)]
pub(super) enum Text {
    /// In the caller's memory.
    User(u64),
    /// Where the kernel has copied it.
    Kernel(u64),
}

impl Text {
    /// Its first byte, which may be its end; `None` if it cannot be read.
    #[inline(always)]
    pub(super) fn first(self) -> Option<u8> {
        match self {
            Text::User(text) => user(text),
            Text::Kernel(text) => kernel(text, 0),
        }
    }
}

/// Appends a text of the caller's, at most `MAX` bytes with its NUL; says how long it is. 0 if it cannot be read.
///
/// # Safety
/// `scratch` must point into its map.
#[inline(always)]
pub(super) unsafe fn append_typed<const SIZE: usize, const MAX: usize>(
    scratch: *mut Scratch<SIZE>,
    text: u64,
) -> Option<u16> {
    // SAFETY: the caller's promise.
    unsafe { append_text::<SIZE, MAX>(scratch, Text::User(text)) }
}

/// Like [`append_typed`], of a text wherever it is.
///
/// # Safety
/// `scratch` must point into its map.
#[inline(always)]
pub(super) unsafe fn append_text<const SIZE: usize, const MAX: usize>(
    scratch: *mut Scratch<SIZE>,
    text: Text,
) -> Option<u16> {
    // SAFETY: the caller's promise; `place` makes sure of the room.
    unsafe {
        let (from, out) = place(scratch, MAX)?;
        let with_nul = match text {
            Text::User(text) => bpf_probe_read_user_str(out.cast(), MAX as u32, text as *const c_void),
            Text::Kernel(text) => bpf_probe_read_kernel_str(out.cast(), MAX as u32, text as *const c_void),
        };
        let len = if with_nul > 0 { with_nul as u64 - 1 } else { 0 };
        (&raw mut (*scratch).walk.at).write_volatile(from + len);
        Some(len as u16)
    }
}
