//! Draining the ring buffer.
//!
//! The programs wake us only once enough is pending (see `host-ebpf/src/programs/output.rs`). A level-triggered poll
//! would return at once while anything at all is there, so the poll is edge-triggered, with a timeout for the rest.
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use aya::Ebpf;
use aya::maps::{MapData, RingBuf};
use rustix::event::epoll;
use rustix::io::Errno;

use super::load::map_error;

/// The reading end.
pub(super) struct Ring {
    records: RingBuf<MapData>,
    poll: OwnedFd,
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring").field("poll", &self.poll).finish_non_exhaustive()
    }
}

impl Ring {
    pub(super) fn open(programs: &mut Ebpf) -> io::Result<Ring> {
        let map = programs
            .take_map("RECORDS")
            .ok_or_else(|| io::Error::other("the object has no map RECORDS"))?;
        let records = RingBuf::try_from(map).map_err(map_error)?;
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(&poll, &records, epoll::EventData::new_u64(0), flags)?;
        Ok(Ring { records, poll })
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

    pub(super) fn drain(&mut self, limit: usize, mut f: impl FnMut(&[u8])) -> usize {
        for drained in 0..limit {
            let Some(record) = self.records.next() else {
                return drained;
            };
            f(&record);
        }
        limit
    }
}
