//! The pages of a ring that the kernel shares with us: one with the reader's position, one with the writers', and the data.
//!
//! The kernel offers the data twice, one after the other, so that no record is in two pieces. Whoever maps both has them
//! counted twice as resident memory, which of 8 MB is more than all else that the daemon holds; so here it is once, and the
//! one record in a whole round that goes on at the beginning comes in two pieces.
#![expect(unsafe_code, reason = "memory that the kernel writes to")]
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use memmap2::{MmapOptions, MmapRaw};

// include/uapi/linux/bpf.h: what stands before each record is its length, with two flags, and four bytes for the kernel.
const BUSY: u32 = 1 << 31;
const DISCARDED: u32 = 1 << 30;
const HEADER: usize = 8;

#[derive(Debug)]
pub(super) struct Pages {
    reader: MmapRaw,
    /// The writers' page and the data after it.
    writers: MmapRaw,
    page: usize,
    bytes: usize,
}

/// A record that was written completely. Positions count on from one round to the next.
pub(super) struct Record {
    begin: usize,
    len: usize,
    /// Where the next begins.
    pub(super) end: usize,
    /// The program that began it thought better of it.
    pub(super) is_discarded: bool,
}

impl Pages {
    /// `bytes` is the length of the data, a power of two and a multiple of the page size.
    pub(super) fn map(ring: BorrowedFd<'_>, bytes: usize) -> io::Result<Pages> {
        let page = rustix::param::page_size();
        let ring = ring.as_raw_fd();
        Ok(Pages {
            reader: MmapOptions::new().len(page).map_raw(ring)?,
            writers: MmapOptions::new()
                .offset(page as u64)
                .len(page + bytes)
                .map_raw_read_only(ring)?,
            page,
            bytes,
        })
    }

    /// How far the programs know that we have read.
    pub(super) fn read(&self) -> usize {
        self.read_position().load(Ordering::Relaxed)
    }

    /// Lets the programs write over what is before a position.
    pub(super) fn give_back(&mut self, position: usize) {
        // The kernel pairs this with an acquiring load before it uses the room again.
        self.read_position().store(position, Ordering::Release);
    }

    fn read_position(&self) -> &AtomicUsize {
        // SAFETY: a page of its own, at the beginning of which the kernel has its `unsigned long` and only reads it.
        unsafe { AtomicUsize::from_ptr(self.reader.as_mut_ptr().cast()) }
    }

    /// How far records were begun.
    pub(super) fn written(&self) -> usize {
        // SAFETY: at the beginning of the page the kernel has its `unsigned long`; an atomic load does not write.
        unsafe { &*self.writers.as_ptr().cast::<AtomicUsize>() }.load(Ordering::Acquire)
    }

    /// The record that was begun at a position; `None` as long as it is not complete.
    pub(super) fn record(&self, position: usize) -> Option<Record> {
        let at = self.page + (position & (self.bytes - 1) & !7);
        // SAFETY: within the mapping and aligned; the kernel changes the length by atomic operations.
        let header = unsafe { &*self.writers.as_ptr().add(at).cast::<AtomicU32>() }.load(Ordering::Acquire);
        if header & BUSY != 0 {
            return None;
        }
        let len = (header & !DISCARDED) as usize;
        Some(Record {
            begin: position.wrapping_add(HEADER),
            len,
            end: position.wrapping_add((HEADER + len).next_multiple_of(8)),
            is_discarded: header & DISCARDED != 0,
        })
    }

    /// What a record holds: up to the end of the data, and from its beginning on. Nothing of it was given back yet.
    pub(super) fn bytes(&self, record: &Record) -> (&[u8], &[u8]) {
        let at = record.begin & (self.bytes - 1);
        // The kernel reserves less than a whole ring; not to rely on that costs nothing.
        let len = record.len.min(self.bytes);
        let first = len.min(self.bytes - at);
        // SAFETY: both parts are within the data, and nobody writes to a complete record before it is given back.
        unsafe {
            let data = self.writers.as_ptr().add(self.page);
            (
                std::slice::from_raw_parts(data.add(at), first),
                std::slice::from_raw_parts(data, len - first),
            )
        }
    }
}
