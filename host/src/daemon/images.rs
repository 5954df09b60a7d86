//! Telling the programs in the kernel what processes run and where, while a filter is about that.
use crate::decode::{Clock, image_of};
use crate::enrich::ProcessTable;
use crate::event::Event;
use crate::kernel::{Images, Introduced};

/// Introduces the processes that are there, if somebody has begun to ask. The table must have taken in what happened before.
pub(super) fn introduce(mut images: Images<'_>, table: &ProcessTable, clock: &Clock) {
    if !images.are_due() {
        return;
    }
    let there = table.iter().filter(|process| !process.has_ended());
    images.introduce(there.map(|process| Introduced {
        pid: process.pid,
        start_ns: clock.since_boot(process.start),
        exe: process.exe(),
        place: process.is_contained(),
    }));
}

/// Says what an exec has run, as the table has it now.
pub(super) fn answer(images: &mut Images<'_>, record: &[u8], event: &Event<'_>, table: &ProcessTable) {
    if !images.are_asked_for() {
        return;
    }
    let key = image_of(record);
    if key == 0 {
        return;
    }
    let process = table.latest(event.subject.pid).and_then(|id| table.get(id));
    if let Some(process) = process {
        images.learn(key, process.exe(), process.is_contained());
    }
}
