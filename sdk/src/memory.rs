//! Where the lists of a call lie.
//!
//! The host asks for room for each list that it hands over, thirty to seventy of them with a batch, and all of them go when
//! the call is over. Finding room for each, and joining what is given back, was half of a guest's instructions in a call that
//! finds nothing. So they are put one after the other into one stretch of memory, which is empty again once the last of them is gone.
//! What does not fit goes where everything else goes, and the stretch is longer for the next call.
#![allow(unsafe_code, reason = "an allocator")]
use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;
use core::ptr::{NonNull, copy_nonoverlapping, null_mut};

/// The stretch grows by so many bytes, or a multiple.
const STEP: usize = 16 * 1024;
/// And up to so many, a batch of 16,000 rows; instances have 64 MB in all, if nothing else is said.
const MOST: usize = 2 * 1024 * 1024;
/// As the columns of a batch are aligned at most.
const ALIGN: usize = 16;

/// An allocator beside which there is a stretch for lists.
pub(crate) struct Memory<A> {
    general: A,
    stretch: Cell<Option<NonNull<u8>>>,
    len: Cell<usize>,
    /// Where the next list begins.
    next: Cell<usize>,
    /// How many are in it.
    lists: Cell<usize>,
    /// Bytes that did not fit since it grew.
    missed: Cell<usize>,
}

// SAFETY: a plugin has one thread; where it could have more, this is not the allocator (see below).
unsafe impl<A: Sync> Sync for Memory<A> {}

impl<A: GlobalAlloc> Memory<A> {
    pub(crate) const fn new(general: A) -> Memory<A> {
        Memory {
            general,
            stretch: Cell::new(None),
            len: Cell::new(0),
            next: Cell::new(0),
            lists: Cell::new(0),
            missed: Cell::new(0),
        }
    }

    /// Room for a list; null if there is none. To be given back like everything else.
    ///
    /// # Safety
    /// As for [`GlobalAlloc::alloc`].
    #[inline]
    pub(crate) unsafe fn list(&self, layout: Layout) -> *mut u8 {
        if self.lists.get() == 0 && self.missed.get() > 0 {
            self.grow();
        }
        let below = layout.align() - 1;
        let begin = (self.next.get() + below) & !below;
        match (self.stretch.get(), begin.checked_add(layout.size())) {
            (Some(stretch), Some(end)) if end <= self.len.get() && layout.align() <= ALIGN => {
                self.next.set(end);
                self.lists.set(self.lists.get() + 1);
                // SAFETY: up to `end` it is within the stretch.
                unsafe { stretch.as_ptr().add(begin) }
            }
            _ => {
                self.missed.set(self.missed.get().saturating_add(layout.size()));
                // SAFETY: the caller's promise.
                unsafe { self.general.alloc(layout) }
            }
        }
    }

    /// Makes the stretch, which is empty, as long as what was asked of it would have needed.
    #[cold]
    fn grow(&self) {
        let wanted = self.len.get().saturating_add(self.missed.take());
        let len = wanted.checked_next_multiple_of(STEP).map_or(MOST, |len| len.min(MOST));
        let old = Layout::from_size_align(self.len.get(), ALIGN);
        let new = Layout::from_size_align(len, ALIGN);
        let (Ok(old), Ok(new)) = (old, new) else { return };
        if new.size() <= old.size() {
            return;
        }
        if let Some(stretch) = self.stretch.take() {
            // SAFETY: was allocated with this layout, and nothing is in it.
            unsafe { self.general.dealloc(stretch.as_ptr(), old) };
        }
        // SAFETY: the layout is not of nothing.
        self.stretch.set(NonNull::new(unsafe { self.general.alloc(new) }));
        self.len.set(if self.stretch.get().is_some() { len } else { 0 });
    }

    #[inline]
    fn is_list(&self, ptr: *mut u8) -> bool {
        let begin = self.stretch.get().map_or(null_mut(), NonNull::as_ptr);
        ptr.addr().wrapping_sub(begin.addr()) < self.len.get()
    }
}

// SAFETY: what is handed out comes from the allocator behind it or is a part of what came from there, which no other list
// has; it goes back to where it came from.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Memory<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { self.general.alloc(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        if !self.is_list(ptr) {
            // SAFETY: the caller's promise.
            return unsafe { self.general.dealloc(ptr, layout) };
        }
        let left = self.lists.get() - 1;
        self.lists.set(left);
        if left == 0 {
            self.next.set(0);
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { self.general.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !self.is_list(ptr) {
            // SAFETY: the caller's promise.
            return unsafe { self.general.realloc(ptr, layout, size) };
        }
        // SAFETY: the caller's promise, as for the standard library's own way to do this.
        unsafe {
            let new = self
                .general
                .alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !new.is_null() {
                copy_nonoverlapping(ptr, new, layout.size().min(size));
                self.dealloc(ptr, layout);
            }
            new
        }
    }
}

/// As a plugin's allocator. A plugin that has another one leaves out the feature `allocator`. Other targets than the usual one
/// bring a `cabi_realloc` of their own.
#[cfg(all(
    feature = "allocator",
    target_family = "wasm",
    target_os = "unknown",
    not(target_feature = "atomics")
))]
mod global {
    use core::alloc::{GlobalAlloc, Layout};
    use std::alloc::System;

    use super::Memory;

    #[global_allocator]
    static MEMORY: Memory<System> = Memory::new(System);

    /// What the host calls for room, instead of the function that comes with the bindings.
    ///
    /// # Safety
    /// As the component model has it: a size of 0 to begin with, and an alignment that is a power of two.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn cabi_realloc(old: *mut u8, old_size: usize, align: usize, size: usize) -> *mut u8 {
        // SAFETY: the host's promise.
        let room = unsafe {
            if old_size > 0 {
                MEMORY.realloc(old, Layout::from_size_align_unchecked(old_size, align), size)
            } else if size > 0 {
                MEMORY.list(Layout::from_size_align_unchecked(size, align))
            } else {
                return core::ptr::without_provenance_mut(align);
            }
        };
        if room.is_null() {
            core::arch::wasm32::unreachable();
        }
        room
    }
}

#[cfg(test)]
mod tests;
