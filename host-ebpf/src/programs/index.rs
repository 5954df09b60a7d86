//! Indices that the verifier believes: the compiler leaves out a mask that it can prove to change nothing, and the verifier
//! can prove less.
use core::arch::asm;

/// The lowest bits of a number, as many as `MASK` has.
#[inline(always)]
pub(super) fn masked<const MASK: i32>(number: u64) -> usize {
    let mut index = number;
    // SAFETY: no memory is involved.
    unsafe { asm!("{index} &= {mask}", index = inout(reg) index, mask = const MASK, options(pure, nomem)) };
    index as usize
}
