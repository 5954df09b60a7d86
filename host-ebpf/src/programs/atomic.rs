//! Counting where several CPUs, or a program and one that interrupted it, may be at the same cell. The BPF target has no
//! atomic types, only the instructions.
use core::arch::asm;

/// Adds to a cell.
///
/// # Safety
/// `cell` must be in a live map value, and aligned.
#[inline(always)]
pub(super) unsafe fn add(cell: *mut u64, by: u64) {
    // SAFETY: the caller's promise.
    unsafe { asm!("lock *(u64 *)({cell} + 0) += {by}", cell = in(reg) cell, by = in(reg) by) };
}

/// What the cell had; it has 0 then.
///
/// # Safety
/// As for [`add`].
#[inline(always)]
pub(super) unsafe fn take(cell: *mut u64) -> u64 {
    let mut value = 0_u64;
    // SAFETY: the caller's promise.
    unsafe { asm!("{value} = xchg_64({cell} + 0, {value})", cell = in(reg) cell, value = inout(reg) value) };
    value
}
