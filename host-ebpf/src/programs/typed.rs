//! Texts as the caller typed them.
use core::ffi::c_void;

use aya_ebpf::helpers::generated::bpf_probe_read_user_str;

use super::scratch::{Scratch, place};

/// Appends a text of the caller's, at most `MAX` bytes with its NUL; says how long it is. 0 if it cannot be read.
///
/// # Safety
/// `scratch` must point into its map.
#[inline(always)]
pub(super) unsafe fn append_typed<const SIZE: usize, const MAX: usize>(
    scratch: *mut Scratch<SIZE>,
    text: u64,
) -> Option<u16> {
    // SAFETY: the caller's promise; `place` makes sure of the room.
    unsafe {
        let (from, out) = place(scratch, MAX)?;
        let with_nul = bpf_probe_read_user_str(out.cast(), MAX as u32, text as *const c_void);
        let len = if with_nul > 0 { with_nul as u64 - 1 } else { 0 };
        (&raw mut (*scratch).walk.at).write_volatile(from + len);
        Some(len as u16)
    }
}
