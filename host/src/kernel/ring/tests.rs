//! Against a file that is laid out as the kernel lays out a ring, with records put in as it puts them in.
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use proptest::prelude::*;

use super::pages::Pages;
use super::{GIVE_BACK, Records};

const BYTES: usize = 16 * 1024;
const BUSY: u32 = 1 << 31;
const DISCARDED: u32 = 1 << 30;

/// The kernel's end.
struct Kernel {
    ring: File,
    page: usize,
    written: usize,
}

impl Kernel {
    fn new() -> Kernel {
        let ring = rustix::fs::memfd_create("ring", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        let ring = File::from(ring);
        let page = rustix::param::page_size();
        ring.set_len((2 * page + BYTES) as u64).unwrap();
        Kernel { ring, page, written: 0 }
    }

    fn records(&self) -> Records {
        Records::new(Pages::map(self.ring.as_fd(), BYTES).unwrap())
    }

    /// How far it may write over what was read.
    fn given_back(&self) -> usize {
        let mut position = [0; 8];
        self.ring.read_exact_at(&mut position, 0).unwrap();
        usize::from_ne_bytes(position)
    }

    fn room(&self) -> usize {
        BYTES - (self.written - self.given_back())
    }

    fn put(&self, position: usize, bytes: &[u8]) {
        let at = position % BYTES;
        let (first, rest) = bytes.split_at(bytes.len().min(BYTES - at));
        let data = 2 * self.page;
        self.ring.write_all_at(first, (data + at) as u64).unwrap();
        self.ring.write_all_at(rest, data as u64).unwrap();
    }

    /// Begins a record; where.
    fn reserve(&mut self, len: usize) -> usize {
        let begin = self.written;
        self.put(begin, &(u32::try_from(len).unwrap() | BUSY).to_ne_bytes());
        self.written += (8 + len).next_multiple_of(8);
        self.ring
            .write_all_at(&self.written.to_ne_bytes(), self.page as u64)
            .unwrap();
        begin
    }

    /// Completes it.
    fn commit(&self, begin: usize, record: &[u8], flags: u32) {
        self.put(begin + 8, record);
        self.put(begin, &(u32::try_from(record.len()).unwrap() | flags).to_ne_bytes());
    }

    fn write(&mut self, record: &[u8]) {
        let begin = self.reserve(record.len());
        self.commit(begin, record, 0);
    }
}

fn drained(records: &mut Records, limit: usize) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let count = records.drain(limit, |record| all.push(record.to_vec()));
    assert_eq!(count, all.len());
    all
}

proptest! {
    /// Whatever their lengths are, and wherever the end of the ring comes to lie in them.
    #[test]
    fn records_come_whole_and_in_order(lengths in prop::collection::vec(0_usize..3_000, 1..100), at_once in 1_usize..6) {
        let mut kernel = Kernel::new();
        let mut records = kernel.records();
        for (round, lengths) in lengths.chunks(at_once).enumerate() {
            let mut expected = Vec::new();
            for (nth, len) in lengths.iter().enumerate() {
                let record: Vec<u8> = (0..=u8::MAX).cycle().skip(7 * nth + 31 * round).take(*len).collect();
                if kernel.room() > 8 + len + 8 {
                    kernel.write(&record);
                    expected.push(record);
                }
            }
            prop_assert_eq!(drained(&mut records, usize::MAX), expected);
            prop_assert_eq!(kernel.given_back(), kernel.written);
        }
    }
}

#[test]
fn a_record_that_is_being_written_holds_up_those_after_it() {
    let mut kernel = Kernel::new();
    let mut records = kernel.records();
    kernel.write(b"first");
    let begun = kernel.reserve(6);
    kernel.write(b"third");
    assert_eq!(drained(&mut records, usize::MAX), [b"first"]);
    assert_eq!(kernel.given_back(), begun);
    assert!(drained(&mut records, usize::MAX).is_empty());
    kernel.commit(begun, b"second", 0);
    assert_eq!(
        drained(&mut records, usize::MAX),
        [b"second".to_vec(), b"third".to_vec()]
    );
}

#[test]
fn what_was_discarded_is_passed_over() {
    let mut kernel = Kernel::new();
    let mut records = kernel.records();
    let discarded = kernel.reserve(10);
    kernel.commit(discarded, b"not wanted", DISCARDED);
    kernel.write(b"wanted");
    assert_eq!(drained(&mut records, 1), [b"wanted"]);
    assert_eq!(kernel.given_back(), kernel.written);
}

#[test]
fn no_more_than_asked_for() {
    let mut kernel = Kernel::new();
    let mut records = kernel.records();
    for record in [b"1", b"2", b"3"] {
        kernel.write(record);
    }
    assert_eq!(drained(&mut records, 2), [b"1", b"2"]);
    assert_eq!(drained(&mut records, 2), [b"3"]);
}

#[test]
fn room_is_given_back_while_it_is_read() {
    let mut kernel = Kernel::new();
    let mut records = kernel.records();
    while kernel.room() > 1_016 {
        kernel.write(&[7; 1_000]);
    }
    let (mut read, mut most) = (0, 0);
    records.drain(usize::MAX, |record| {
        most = most.max(read - kernel.given_back());
        read += record.len() + 8;
    });
    assert!((1..=GIVE_BACK + 1_008).contains(&most), "{most}");
}

#[test]
fn goes_on_where_a_reader_before_it_left_off() {
    let mut kernel = Kernel::new();
    kernel.write(b"read before");
    assert_eq!(drained(&mut kernel.records(), usize::MAX), [b"read before"]);
    kernel.write(b"not yet");
    assert_eq!(drained(&mut kernel.records(), usize::MAX), [b"not yet"]);
}
