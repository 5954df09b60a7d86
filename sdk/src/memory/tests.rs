use std::alloc::System;

use proptest::prelude::*;

use super::*;

/// Room that its owner filled.
struct Room {
    at: NonNull<u8>,
    layout: Layout,
    mark: u8,
}

impl Room {
    fn list(memory: &Memory<System>, size: usize, align: usize, mark: u8) -> Room {
        let layout = Layout::from_size_align(size, align).unwrap();
        // SAFETY: the layout is not of nothing.
        Room::new(unsafe { memory.list(layout) }, layout, mark)
    }

    /// For something that is no list.
    fn other(memory: &Memory<System>, size: usize, mark: u8) -> Room {
        let layout = Layout::from_size_align(size, 8).unwrap();
        // SAFETY: as above.
        Room::new(unsafe { memory.alloc(layout) }, layout, mark)
    }

    fn new(at: *mut u8, layout: Layout, mark: u8) -> Room {
        let at = NonNull::new(at).unwrap();
        assert_eq!(at.addr().get() % layout.align(), 0);
        // SAFETY: the allocator says that it is ours.
        unsafe { at.write_bytes(mark, layout.size()) };
        Room { at, layout, mark }
    }

    fn is_intact(&self) -> bool {
        // SAFETY: it is ours, and was filled.
        let bytes = unsafe { core::slice::from_raw_parts(self.at.as_ptr(), self.layout.size()) };
        bytes.iter().all(|byte| *byte == self.mark)
    }

    fn grow(self, memory: &Memory<System>, size: usize) -> Room {
        let layout = Layout::from_size_align(size, self.layout.align()).unwrap();
        // SAFETY: was allocated here with this layout.
        let at = unsafe { memory.realloc(self.at.as_ptr(), self.layout, size) };
        let begin = Room {
            at: NonNull::new(at).unwrap(),
            ..self
        };
        assert!(begin.is_intact());
        Room::new(at, layout, self.mark)
    }

    fn free(self, memory: &Memory<System>) {
        assert!(self.is_intact());
        // SAFETY: was allocated here with this layout.
        unsafe { memory.dealloc(self.at.as_ptr(), self.layout) };
    }

    fn is_in_stretch(&self, memory: &Memory<System>) -> bool {
        memory.is_list(self.at.as_ptr())
    }
}

fn lists(memory: &Memory<System>, sizes: &[usize]) -> Vec<Room> {
    let lists = (0..).zip(sizes);
    lists
        .map(|(mark, size)| Room::list(memory, *size, 1 << (mark % 4), mark))
        .collect()
}

proptest! {
    #[test]
    fn no_list_is_written_over(calls in prop::collection::vec(prop::collection::vec(1_usize..40_000, 1..40), 1..8), last_first: bool) {
        let memory = Memory::new(System);
        for sizes in calls {
            let mut lists = lists(&memory, &sizes);
            // Something else is asked for in the meantime, and something grows.
            let other = Room::other(&memory, 100, 0xaa).grow(&memory, 200);
            prop_assert!(lists.iter().all(Room::is_intact));
            prop_assert!(!other.is_in_stretch(&memory));
            other.free(&memory);
            if last_first {
                lists.reverse();
            }
            lists.into_iter().for_each(|list| list.free(&memory));
            prop_assert_eq!((memory.lists.get(), memory.next.get()), (0, 0));
        }
    }
}

#[test]
fn lists_of_the_next_call_lie_together() {
    let memory = Memory::new(System);
    let sizes = [8_000, 4_000, 16, 90_000];
    lists(&memory, &sizes).into_iter().for_each(|list| list.free(&memory));
    let lists = lists(&memory, &sizes);
    assert!(lists.iter().all(|list| list.is_in_stretch(&memory)));
    let first = lists[0].at.addr().get();
    assert!(lists.iter().all(|list| list.at.addr().get() - first < 110_000));
    lists.into_iter().for_each(|list| list.free(&memory));
}

/// It does not take all memory for lists that nobody else sends.
#[test]
fn what_is_larger_than_the_stretch_goes_elsewhere() {
    let memory = Memory::new(System);
    for _ in 0..3 {
        let lists = lists(&memory, &[3 * MOST, 100]);
        assert!(!lists[0].is_in_stretch(&memory));
        lists.into_iter().for_each(|list| list.free(&memory));
    }
    assert_eq!(memory.len.get(), MOST);
}

/// As one that becomes a part of the plugin's state.
#[test]
fn a_list_can_be_kept_and_can_grow() {
    let memory = Memory::new(System);
    lists(&memory, &[100, 100])
        .into_iter()
        .for_each(|list| list.free(&memory));
    let mut lists = lists(&memory, &[100, 100]);
    let kept = lists.pop().unwrap();
    lists.into_iter().for_each(|list| list.free(&memory));
    let more = Room::list(&memory, 200, 8, 9);
    assert!(kept.is_intact());
    let grown = kept.grow(&memory, 10_000);
    assert!(!grown.is_in_stretch(&memory));
    more.free(&memory);
    grown.free(&memory);
    assert_eq!(memory.lists.get(), 0);
}
