//! Draining the ring buffer.
//!
//! The programs wake us only once enough is pending (see `host-ebpf/src/programs/output.rs`). A level-triggered poll
//! would return at once while anything at all is there, so the poll is edge-triggered, with a timeout for the rest.
mod pages;
#[cfg(test)]
mod tests;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use aya::Ebpf;
use aya::maps::{Map, MapData};
use rustix::event::epoll;
use rustix::io::Errno;

use self::pages::Pages;
use super::load::map_error;

/// Bytes read before the programs get their room back. Each time costs the CPU that writes next a cache line, and all of
/// them look at it with every record.
const GIVE_BACK: usize = 4096;

/// The reading end.
#[derive(Debug)]
pub(super) struct Ring {
    records: Records,
    poll: OwnedFd,
    /// The poll looks at it as long as it is open.
    _map: MapData,
}

impl Ring {
    pub(super) fn open(programs: &mut Ebpf) -> io::Result<Ring> {
        let Some(Map::RingBuf(map)) = programs.take_map("RECORDS") else {
            return Err(io::Error::other("the object has no ring RECORDS"));
        };
        let bytes = map.info().map_err(map_error)?.max_entries() as usize;
        let records = Records::new(Pages::map(map.fd().as_fd(), bytes)?);
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(&poll, map.fd().as_fd(), epoll::EventData::new_u64(0), flags)?;
        Ok(Ring {
            records,
            poll,
            _map: map,
        })
    }

    pub(super) fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        let timeout = rustix::time::Timespec::try_from(timeout).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut events = [epoll::Event {
            flags: epoll::EventFlags::empty(),
            data: epoll::EventData::new_u64(0),
        }; 1];
        match epoll::wait(&self.poll, &mut events, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn drain(&mut self, limit: usize, f: impl FnMut(&[u8])) -> usize {
        self.records.drain(limit, f)
    }
}

/// The records in a ring's pages, in the order in which they were begun.
#[derive(Debug)]
struct Records {
    pages: Pages,
    /// How far has been read, and how far the programs know of it.
    read: usize,
    given_back: usize,
    /// How far was written, when that was last looked at.
    written: usize,
    /// A record that goes on at the beginning of the ring, as one piece.
    whole: Vec<u8>,
}

impl Records {
    fn new(pages: Pages) -> Records {
        let read = pages.read();
        Records {
            pages,
            read,
            given_back: read,
            written: read,
            whole: Vec::new(),
        }
    }

    /// Hands over at most so many records; how many there were.
    fn drain(&mut self, limit: usize, mut f: impl FnMut(&[u8])) -> usize {
        let mut drained = 0;
        while drained < limit {
            if self.read == self.written {
                self.written = self.pages.written();
                if self.read == self.written {
                    break;
                }
            }
            let Some(record) = self.pages.record(self.read) else {
                // Still being written: those after it have to wait, as they do for the kernel.
                break;
            };
            if !record.is_discarded {
                let (bytes, rest) = self.pages.bytes(&record);
                if rest.is_empty() {
                    f(bytes);
                } else {
                    self.whole.clear();
                    self.whole.extend_from_slice(bytes);
                    self.whole.extend_from_slice(rest);
                    f(&self.whole);
                }
                drained += 1;
            }
            self.read = record.end;
            if self.read.wrapping_sub(self.given_back) >= GIVE_BACK {
                self.give_back();
            }
        }
        self.give_back();
        drained
    }

    fn give_back(&mut self) {
        if self.given_back != self.read {
            self.pages.give_back(self.read);
            self.given_back = self.read;
        }
    }
}
