//! The loop that everything flows through: ring buffer → decode → enrich → batch → the plugins' queues.
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use vespid_ebpf::{Kind, Outcome};

use crate::clock;
use crate::decode::{Clock, Scratch, decode};
use crate::interface::vespid::plugin::events::Lost;
use crate::kernel::{Counters, Kernel};
use crate::ledger::Stage;
use crate::metrics::{BATCH_ROWS, Histogram, Processes};
use crate::pipeline::{Outlet, Pipeline};
use crate::plugin::{Delivery, Worker};

/// How long to sleep when there is nothing to do. The kernel wakes the collector earlier when there is much.
const NAP: Duration = Duration::from_millis(10);
/// How far apart in time the records of two CPUs may be that follow one another in the ring.
const REORDERING: u64 = 10_000_000;
const SECOND: u64 = 1_000_000_000;
/// How often the kernel side's counters are read while events flow.
const COUNT_EVERY: Duration = Duration::from_millis(100);
/// Most records taken between two looks at everything else.
const SWEEP: usize = 65_536;

/// The collector's numbers, replaced as a whole after each round, so that what is read together belongs together.
#[derive(Clone, Debug)]
pub struct Progress {
    /// From the probes to the ring's other end.
    pub kernel: Stage,
    /// From records to events.
    pub decode: Stage,
    /// From events to batches.
    pub enrich: Stage,
    /// The kernel side's own counters.
    pub counters: Counters,
    /// Events by batch.
    pub batch_rows: Histogram,
    /// The process table.
    pub processes: Processes,
    /// Containers known.
    pub containers: u64,
}

impl Default for Progress {
    fn default() -> Self {
        Progress {
            kernel: Stage::default(),
            decode: Stage::default(),
            enrich: Stage::default(),
            counters: Counters::default(),
            batch_rows: Histogram::new(BATCH_ROWS),
            processes: Processes::default(),
            containers: 0,
        }
    }
}

/// Where the collector publishes its [`Progress`].
#[derive(Clone, Debug, Default)]
pub struct Published(Arc<Mutex<Progress>>);

impl Published {
    /// The numbers after the last round.
    #[must_use]
    pub fn read(&self) -> Progress {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn write(&self, progress: Progress) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = progress;
    }
}

/// Offers batches to the workers, which count what they have no room for.
impl Outlet for &[Worker] {
    fn deliver(&mut self, plugin: usize, delivery: &Delivery) {
        if let Some(worker) = self.get(plugin) {
            worker.offer(delivery.clone());
        }
    }
}

/// Everything that the loop owns.
pub struct Collector {
    kernel: Kernel,
    pipeline: Pipeline,
    clock: Clock,
    scratch: Scratch,
    progress: Progress,
    published: Published,
    /// When the kernel side's counters were read.
    counted: Instant,
    /// The last second that the plugins were told of.
    told: u64,
}

impl Collector {
    /// A collector that publishes to `published`.
    #[must_use]
    pub fn new(kernel: Kernel, pipeline: Pipeline, clock: Clock, published: Published) -> Collector {
        let (scratch, progress) = (Scratch::default(), Progress::default());
        Collector {
            kernel,
            pipeline,
            clock,
            scratch,
            progress,
            published,
            counted: Instant::now(),
            told: 0,
        }
    }

    /// Runs until `stop`, then takes what the kernel still has, and sends all batches.
    ///
    /// # Errors
    /// If the ring buffer can no longer be waited for.
    pub fn run(mut self, workers: &[Worker], stop: &AtomicBool) -> anyhow::Result<()> {
        while !stop.load(Ordering::Relaxed) {
            self.kernel
                .wait(NAP)
                .context("cannot wait for the kernel's ring buffer")?;
            let began = clock::now();
            if self.round(workers, false) < SWEEP {
                // All that happened before `began` has been taken in.
                self.pipeline.flush_older(began, &mut &*workers);
                self.tell_time(began, workers);
            }
        }
        self.kernel.detach();
        while self.round(workers, true) > 0 {}
        self.pipeline.flush(&mut &*workers);
        self.publish();
        Ok(())
    }

    /// Tells the plugins of every second of event time that is over, so that their windows close without traffic.
    fn tell_time(&mut self, now: u64, workers: &[Worker]) {
        let over = self
            .pipeline
            .oldest_time()
            .unwrap_or(now)
            .min(now)
            .saturating_sub(REORDERING);
        if over / SECOND > self.told {
            self.told = over / SECOND;
            workers.iter().for_each(|worker| worker.advance(over));
        }
    }

    /// Takes what is in the ring now, up to a bound, and books it.
    fn round(&mut self, workers: &[Worker], is_last: bool) -> usize {
        let Collector {
            kernel,
            pipeline,
            clock,
            scratch,
            progress,
            ..
        } = self;
        let mut malformed = 0;
        let taken = kernel.drain(SWEEP, |record| {
            let kind = crate::decode::kind_of(record);
            progress.kernel.pass(kind, 1);
            match decode(record, clock, scratch) {
                Ok(event) => {
                    progress.decode.pass(kind, 1);
                    pipeline.take(&event, &mut &*workers);
                }
                Err(error) => {
                    progress.decode.drop(kind, error.reason(), 1);
                    malformed += 1;
                }
            }
        });
        // Some twenty system calls, and a loss is soon enough known so.
        let lost = if self.counted.elapsed() >= COUNT_EVERY || is_last {
            self.book_losses()
        } else {
            0
        };
        if lost + malformed > 0 {
            self.pipeline.lose(Lost {
                kernel: lost,
                decode: malformed,
                queue: 0,
            });
        }
        self.publish();
        taken
    }

    /// Books what the kernel side has given up since the last time.
    fn book_losses(&mut self) -> u64 {
        self.counted = Instant::now();
        let counters = self.kernel.counters();
        let mut lost = 0;
        for kind in Kind::ALL {
            for (outcome, reason) in [
                (Outcome::RingFull, "ring_full"),
                (Outcome::Shed, "shed"),
                (Outcome::Unreadable, "unreadable"),
            ] {
                let new = counters.get(kind, outcome) - self.progress.counters.get(kind, outcome);
                self.progress.kernel.drop(kind, reason, new);
                lost += new;
            }
        }
        self.progress.counters = counters;
        lost
    }

    fn publish(&mut self) {
        self.progress.enrich = self.pipeline.stage().clone();
        self.progress.batch_rows = self.pipeline.batch_rows().clone();
        let table = self.pipeline.table();
        self.progress.containers = table.containers().len() as u64;
        self.progress.processes = Processes {
            entries: table.len() as u64,
            limit: table.capacity() as u64,
            evicted: table.evictions().for_room(),
        };
        self.published.write(self.progress.clone());
    }
}
