//! Where verdicts are handed over: a bounded queue to a thread that may wait for a disk or a pipe, so that no plugin's
//! worker ever does.
//!
//! What the queue or the destination refuses is dropped and counted by reason; its failures are logged once an episode,
//! not once a verdict.
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use super::books::{Books, Reason};
use super::record::{Record, Summary};
use super::writer::{Target, Unwritable, Writer};
use crate::metrics::Verdicts;

/// Verdicts that may wait for their destination.
const QUEUE: usize = 1_024;

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
        self.books.remember(&record.summary);
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
        self.books.remember(&record.summary);
        match self.queue.send(record) {
            Ok(()) => {
                self.books.queued.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => self.books.count_dropped(Reason::Shutdown, 1),
        }
    }

    /// The last [`RECENT`](super::RECENT) verdicts, oldest first, whether or not they could be written.
    #[must_use]
    pub fn recent(&self) -> Vec<Arc<Summary>> {
        self.books.recent()
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
