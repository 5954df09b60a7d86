//! Counts what is allocated, thread by thread: a cost that is the same in every run, whatever else the machine does.
#![expect(unsafe_code, reason = "an allocator is an unsafe trait")]
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Allocations and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allocated {
    /// How many; a reallocation is one.
    pub count: u64,
    /// Bytes asked for; of a reallocation, those that it added.
    pub bytes: u64,
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    // Without a destructor, so that it may be used as long as its thread allocates.
    static SO_FAR: Cell<Allocated> = const { Cell::new(Allocated { count: 0, bytes: 0 }) };
}

/// What this thread allocated while it did `work`.
pub fn counted<T>(work: impl FnOnce() -> T) -> (T, Allocated) {
    let before = SO_FAR.get();
    let outcome = work();
    let after = SO_FAR.get();
    let spent = Allocated {
        count: after.count - before.count,
        bytes: after.bytes - before.bytes,
    };
    (outcome, spent)
}

fn count(bytes: usize) {
    SO_FAR.with(|so_far| {
        let Allocated { count, bytes: sum } = so_far.get();
        so_far.set(Allocated {
            count: count + 1,
            bytes: sum + bytes as u64,
        });
    });
}

// SAFETY: everything is the system's allocator's; counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps this method's contract, which is the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size.saturating_sub(layout.size()));
        // SAFETY: as above.
        unsafe { System.realloc(block, layout, size) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_that_grows_is_counted_and_another_threads_is_not() {
        let (bytes, spent) = counted(|| {
            let other = std::thread::scope(|scope| scope.spawn(|| counted(|| vec![0_u8; 100]).1).join());
            (vec![0_u8; 50], other.ok())
        });
        assert_eq!(bytes.1, Some(Allocated { count: 1, bytes: 100 }));
        assert!(spent.count >= 1 && spent.bytes >= 50);
        let ((), spent) = counted(|| {
            let mut grown = Vec::<u8>::with_capacity(8);
            grown.reserve_exact(16);
            drop(grown);
        });
        assert_eq!(spent, Allocated { count: 2, bytes: 16 });
    }
}
