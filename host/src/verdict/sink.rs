//! Where verdicts are handed over: a bounded queue to a thread that may wait for a disk or a pipe, so that no plugin's
//! worker ever does.
//!
//! What the queue or the destination refuses is dropped and counted by reason; its failures are logged once an episode,
//! not once a verdict.
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use super::record::{Record, Summary};
use super::writer::{Target, Unwritable, Writer};
use crate::metrics::Verdicts;

/// Verdicts that may wait for their destination.
const QUEUE: usize = 1_024;

/// Verdicts kept for the terminal screen.
pub const RECENT: usize = 64;

/// Where workers deliver their verdicts. Clones deliver to the same destination.
#[derive(Clone, Debug)]
pub struct Sink {
    queue: Sender<Record>,
    books: Arc<Books>,
}

/// The thread that writes.
#[derive(Debug)]
pub struct Delivery {
    stop: Sender<Instant>,
    done: Receiver<()>,
    thread: JoinHandle<()>,
    books: Arc<Books>,
}

/// What became of the verdicts.
#[derive(Debug, Default)]
pub(super) struct Books {
    queued: AtomicU64,
    written: AtomicU64,
    dropped: [AtomicU64; Reason::ALL.len()],
    overflowing: AtomicBool,
    recent: Mutex<VecDeque<Arc<Summary>>>,
}

/// Why a verdict was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    QueueFull,
    DiskFull,
    BrokenPipe,
    WriteFailed,
    Shutdown,
}

impl Reason {
    const ALL: [Reason; 5] = [
        Reason::QueueFull,
        Reason::DiskFull,
        Reason::BrokenPipe,
        Reason::WriteFailed,
        Reason::Shutdown,
    ];

    fn name(self) -> &'static str {
        match self {
            Reason::QueueFull => "queue_full",
            Reason::DiskFull => "disk_full",
            Reason::BrokenPipe => "broken_pipe",
            Reason::WriteFailed => "write_failed",
            Reason::Shutdown => "shutdown",
        }
    }
}

// Relaxed throughout: each count stands for itself, and a scrape may see them a moment apart.
impl Books {
    pub(super) fn count_dropped(&self, reason: Reason, count: u64) {
        self.dropped[reason as usize].fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn count_written(&self) {
        self.written.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn queue_is_empty(&self) {
        self.overflowing.store(false, Ordering::Relaxed);
    }

    fn verdicts(&self) -> Verdicts {
        let count = |reason: Reason| self.dropped[reason as usize].load(Ordering::Relaxed);
        let dropped: BTreeMap<_, _> = Reason::ALL
            .into_iter()
            .map(|reason| (reason.name(), count(reason)))
            .collect();
        Verdicts {
            written: self.written.load(Ordering::Relaxed),
            dropped,
        }
    }
}

impl Sink {
    /// Opens the destination and starts its thread.
    ///
    /// # Errors
    /// If the destination cannot be written to.
    pub fn start(target: Target) -> Result<(Sink, Delivery), Unwritable> {
        let (queue, verdicts) = bounded(QUEUE);
        let (stop, stopped) = bounded(1);
        let (finished, done) = bounded(1);
        let books = Arc::new(Books::default());
        let writer = Writer::open(target.clone(), Arc::clone(&books))?;
        let thread = std::thread::Builder::new()
            .name("vespid-verdicts".to_owned())
            .spawn(move || {
                writer.run(&verdicts, &stopped);
                drop(finished);
            })
            .map_err(|source| Unwritable { target, source })?;
        let delivery = Delivery {
            stop,
            done,
            thread,
            books: Arc::clone(&books),
        };
        Ok((Sink { queue, books }, delivery))
    }

    /// Delivers a verdict, or drops it if the destination does not keep up. Never waits.
    pub fn deliver(&self, record: Record) {
        self.remember(&record);
        match self.queue.try_send(record) {
            Ok(()) => {
                self.books.queued.fetch_add(1, Ordering::Relaxed);
            }
            Err(TrySendError::Full(_)) => {
                self.books.count_dropped(Reason::QueueFull, 1);
                if !self.books.overflowing.swap(true, Ordering::Relaxed) {
                    tracing::warn!("verdicts come faster than they can be written; some are dropped");
                }
            }
            Err(TrySendError::Disconnected(_)) => self.books.count_dropped(Reason::Shutdown, 1),
        }
    }

    /// Delivers a verdict, and waits for room if need be. For replays, which have the time.
    pub fn send(&self, record: Record) {
        self.remember(&record);
        match self.queue.send(record) {
            Ok(()) => {
                self.books.queued.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => self.books.count_dropped(Reason::Shutdown, 1),
        }
    }

    fn remember(&self, record: &Record) {
        let mut recent = self.books.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() == RECENT {
            recent.pop_front();
        }
        recent.push_back(Arc::clone(&record.summary));
    }

    /// The last [`RECENT`] verdicts, oldest first, whether or not they could be written.
    #[must_use]
    pub fn recent(&self) -> Vec<Arc<Summary>> {
        self.books
            .recent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect()
    }

    /// What became of the verdicts so far.
    #[must_use]
    pub fn verdicts(&self) -> Verdicts {
        self.books.verdicts()
    }
}

impl Delivery {
    /// Writes what is queued, for at most `patience`, and ends. Call it when the workers have ended: what is not written
    /// by then is dropped and counted.
    pub fn finish(self, patience: Duration) -> Verdicts {
        let deadline = Instant::now() + patience;
        if self.stop.try_send(deadline).is_err() {
            tracing::debug!("the thread that writes verdicts has ended already");
        }
        // The thread may be waiting for a pipe that nobody reads; then it is left behind.
        let ended = self.done.recv_deadline(deadline) != Err(crossbeam_channel::RecvTimeoutError::Timeout);
        if ended && self.thread.join().is_err() {
            tracing::error!("the thread that writes verdicts panicked");
        }
        let verdicts = self.books.verdicts();
        let booked = verdicts.written + verdicts.dropped.values().sum::<u64>();
        let refused = verdicts.dropped[Reason::QueueFull.name()];
        let lost = (self.books.queued.load(Ordering::Relaxed) + refused).saturating_sub(booked);
        self.books.count_dropped(Reason::Shutdown, lost);
        self.books.verdicts()
    }
}

#[cfg(test)]
mod tests;
