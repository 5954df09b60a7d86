//! Giving memory back that only the start needed.
#![allow(
    unsafe_code,
    reason = "the allocator of the system's C library is asked by a function of its own"
)]

/// Gives the kernel back what was freed and is kept for later. Reading the kernel's types takes some 20 MB for a moment,
/// which a daemon would hold for as long as it lives.
pub(super) fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it touches nothing but the allocator's own books and what is free by them, and may be called at any time.
    let _was_any = unsafe { libc::malloc_trim(0) };
}
