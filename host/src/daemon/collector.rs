//! The loop that everything flows through: ring buffer → decode → enrich → batch → the plugins' queues.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use vespid_ebpf::{Kind, Outcome};

use super::images::{answer, introduce};
use super::losses::Losses;
use super::progress::{Progress, Published};
use super::roster::Running;
use super::seating::{Change, Changes};
use super::usage::Usage;
use super::wants::{Early, say, say_passed_over, tables, want};
use crate::clock;
use crate::decode::{Clock, Scratch, decode};
use crate::event::Event;
use crate::filter::Subscription;
use crate::interface::vespid::plugin::describe::Kinds;
use crate::interface::vespid::plugin::events::Lost;
use crate::kernel::{Images, Kernel};
use crate::metrics::Processes;
use crate::pipeline::{Outlet, Pipeline, Seat};
use crate::plugin::{Delivery, record_kinds};
use crate::recording::Tape;

/// How long to sleep when there is nothing to do. The kernel wakes the collector earlier when there is much.
const NAP: Duration = Duration::from_millis(10);
/// How far apart in time the records of two CPUs may be that follow one another in the ring.
const REORDERING: u64 = 10_000_000;
const SECOND: u64 = 1_000_000_000;
/// How often the kernel side's counters are read while events flow.
const COUNT_EVERY: Duration = Duration::from_millis(100);
/// How often the kernel is asked which runs of probes it left out. That takes more system calls than all the rest, and is
/// no loss that a batch could name.
const MISSED_EVERY: Duration = Duration::from_secs(1);
/// How often is looked for opens that were merged and that nothing followed.
const SWEEP_EVERY: Duration = Duration::from_millis(500);
/// How long an interval of usage lasts, unless it is said.
const USAGE_EVERY: Duration = Duration::from_secs(1);
/// Most records taken between two looks at everything else.
const SWEEP: usize = 65_536;

/// Offers batches to the workers, which count what they have no room for.
impl Outlet for &[Arc<Running>] {
    fn deliver(&mut self, seat: Seat, delivery: &Delivery) {
        if let Some(running) = self.iter().find(|running| running.seat == seat) {
            running.worker.offer(delivery.clone());
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
    changes: Changes,
    flight: Option<Tape>,
    usage: Usage,
    /// What is collected even though no plugin wants it.
    always: Subscription,
    /// What the kernel may do before there is an event.
    early: Early,
    seated: Vec<Arc<Running>>,
    losses: Losses,
    /// When the kernel side's counters were read.
    counted: Instant,
    /// When it was asked for runs that were missed.
    asked: Instant,
    /// When merged opens were looked for.
    swept: Instant,
    /// The last second that the plugins were told of.
    told: u64,
}

impl Collector {
    /// A collector that publishes to `published`.
    #[must_use]
    pub fn new(kernel: Kernel, pipeline: Pipeline, clock: Clock, published: Published, changes: Changes) -> Collector {
        let (scratch, progress) = (Scratch::default(), Progress::default());
        Collector {
            kernel,
            pipeline,
            clock,
            scratch,
            progress,
            published,
            changes,
            flight: None,
            usage: Usage::new(USAGE_EVERY),
            always: Subscription::none(),
            early: Early {
                filters: true,
                merges: true,
            },
            seated: Vec::new(),
            losses: Losses::default(),
            counted: Instant::now(),
            asked: Instant::now(),
            swept: Instant::now(),
            told: 0,
        }
    }

    /// What the kernel is to do before there is an event.
    pub fn early(&mut self, early: Early) {
        self.early = early;
    }

    /// How long the intervals last in which usage of resources is measured.
    pub fn measure_every(&mut self, interval: Duration) {
        self.usage = Usage::new(interval);
    }

    /// Has everything recorded as well, and `always` collected for it.
    pub fn record(&mut self, flight: Tape, always: Kinds) {
        self.flight = Some(flight);
        self.always = Subscription::whole(always);
    }

    /// Runs until `stop`, then takes what the kernel still has, and sends all batches.
    ///
    /// # Errors
    /// If the ring buffer can no longer be waited for.
    pub fn run(mut self, stop: &AtomicBool) -> anyhow::Result<()> {
        self.kernel.probes().iter().for_each(say_passed_over);
        let node = *self.pipeline.table().node_namespaces();
        self.progress.probes = want(&mut self.kernel, self.early, [&self.always], &node);
        while !stop.load(Ordering::Relaxed) {
            self.kernel
                .wait(NAP)
                .context("cannot wait for the kernel's ring buffer")?;
            let began = clock::now();
            let kinds = self.collected();
            if let Some(flight) = &mut self.flight {
                flight.pass_time(began, self.pipeline.table(), kinds);
            }
            if self.round(false) < SWEEP {
                // All that happened before `began` has been taken in.
                introduce(self.kernel.images(), self.pipeline.table(), &self.clock);
                self.pipeline.flush_older(began, &mut &*self.seated);
                self.tell_time(began);
            }
            self.make_changes();
        }
        self.take_usage(true);
        while self.round(true) > 0 {}
        self.pipeline.flush(&mut &*self.seated);
        self.publish();
        let kinds = self.collected();
        if let Some(flight) = self.flight.take() {
            flight.end(clock::now(), self.pipeline.table(), kinds);
        }
        Ok(())
    }

    /// The kinds of records that are asked for.
    fn collected(&self) -> u32 {
        record_kinds(tables(self.pipeline.wanted().chain([&self.always])))
    }

    /// Makes the changes that wait. Probes come before whom they serve, and go after.
    fn make_changes(&mut self) {
        let changes: Vec<Change> = self.changes.take();
        if changes.is_empty() {
            return;
        }
        let Collector {
            kernel,
            pipeline,
            progress,
            seated,
            always,
            early,
            ..
        } = self;
        let node = *pipeline.table().node_namespaces();
        let new: Vec<Subscription> = (changes.iter())
            .filter_map(|change| match change {
                Change::Sit(running) => Some(running.worker.subscription()),
                Change::Want(_, subscription) => Some(subscription.clone()),
                Change::Leave(_) | Change::Done(_) => None,
            })
            .collect();
        want(kernel, *early, pipeline.wanted().chain([&*always]).chain(&new), &node);
        let mut done = Vec::new();
        for change in changes {
            match change {
                Change::Sit(running) => {
                    let (seat, subscription) = (running.seat, running.worker.subscription());
                    seated.push(running);
                    pipeline.subscribe(seat, &subscription, &mut &**seated);
                }
                Change::Want(seat, subscription) => pipeline.subscribe(seat, &subscription, &mut &**seated),
                Change::Leave(seat) => {
                    pipeline.unsubscribe(seat, &mut &**seated);
                    seated.retain(|running| running.seat != seat);
                }
                Change::Done(sender) => done.push(sender),
            }
        }
        progress.probes = want(kernel, *early, pipeline.wanted().chain([&*always]), &node);
    }

    /// Tells the plugins of every second of event time that is over, so that their windows close without traffic.
    fn tell_time(&mut self, now: u64) {
        let over = self
            .pipeline
            .oldest_time()
            .unwrap_or(now)
            .min(now)
            .saturating_sub(REORDERING);
        if over / SECOND > self.told {
            self.told = over / SECOND;
            self.seated.iter().for_each(|running| running.worker.advance(over));
        }
    }

    /// Takes what is in the ring now, up to a bound, and books it.
    fn round(&mut self, is_last: bool) -> usize {
        let Collector {
            kernel,
            pipeline,
            clock,
            scratch,
            progress,
            seated,
            flight,
            usage,
            ..
        } = self;
        let mut malformed = 0;
        let mut take = |record: &[u8], images: Option<&mut Images<'_>>| {
            let kind = crate::decode::kind_of(record);
            progress.kernel.pass(kind, 1);
            match decode(record, clock, scratch) {
                Ok(event) => {
                    progress.decode.pass(kind, 1);
                    usage.learn(&event);
                    pipeline.take(&event, &mut &**seated);
                    if let Some(flight) = flight {
                        flight.take(&event, pipeline.table().take_found());
                    }
                    if let Some(images) = images {
                        answer(images, record, &event, pipeline.table());
                    }
                }
                Err(error) => {
                    progress.decode.drop(kind, error.reason(), 1);
                    if let Some(flight) = flight {
                        flight.lose("decode", kind, 1);
                    }
                    malformed += 1;
                }
            }
        };
        let mut taken = kernel.drain_answering(SWEEP, |record, images| take(record, Some(images)));
        if self.swept.elapsed() >= SWEEP_EVERY || is_last {
            self.swept = Instant::now();
            taken += kernel.take_merged(|record| take(record, None)).unwrap_or_else(|error| {
                tracing::error!("what was merged cannot be told: {error}");
                0
            });
        }
        if !is_last {
            self.take_usage(false);
        }
        // A system call for each counter, and a loss is soon enough known so.
        let lost = if self.counted.elapsed() >= COUNT_EVERY || is_last {
            self.book_losses(is_last)
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

    /// Takes what control groups used, if an interval is over. At last, the probes are detached.
    fn take_usage(&mut self, is_last: bool) {
        let Collector {
            kernel,
            pipeline,
            clock,
            progress,
            seated,
            flight,
            usage,
            ..
        } = self;
        // Made here of what the kernel counted, so there was no way to lose it.
        let take = |event: &Event<'_>| {
            progress.kernel.pass(Kind::Resource, 1);
            progress.decode.pass(Kind::Resource, 1);
            pipeline.take(event, &mut &**seated);
            if let Some(flight) = flight {
                flight.take(event, pipeline.table().take_found());
            }
        };
        if is_last {
            usage.finish(kernel, clock, take);
            return;
        }
        let changed = usage.read(kernel, clock, take);
        if !changed.is_empty() {
            changed.iter().for_each(say);
            progress.probes = kernel.probes().into();
        }
    }

    /// Books what the kernel side has given up since the last time.
    fn book_losses(&mut self, is_last: bool) -> u64 {
        self.counted = Instant::now();
        let mut counters = self.kernel.records();
        counters.missed_runs = self.progress.counters.missed_runs;
        if is_last || self.asked.elapsed() >= MISSED_EVERY {
            self.asked = Instant::now();
            counters.missed_runs = self.kernel.missed_runs();
        }
        let mut lost = 0;
        let mut for_room = [0; Kind::ALL.len()];
        for kind in Kind::ALL {
            let before = lost;
            for (outcome, reason) in [
                (Outcome::RingFull, "ring_full"),
                (Outcome::Shed, "shed"),
                (Outcome::Limited, "limited"),
                (Outcome::Unreadable, "unreadable"),
                (Outcome::TableFull, "table_full"),
            ] {
                let new = counters.get(kind, outcome) - self.progress.counters.get(kind, outcome);
                self.progress.kernel.drop(kind, reason, new);
                lost += new;
                if matches!(outcome, Outcome::RingFull | Outcome::Shed | Outcome::Limited) {
                    for_room[kind.index()] += new;
                }
            }
            if let Some(flight) = &mut self.flight {
                flight.lose("kernel", Some(kind), lost - before);
            }
        }
        self.progress.counters = counters;
        if for_room.iter().any(|count| *count > 0) {
            let by_cgroup = self.kernel.given_up();
            self.losses.book(for_room, &by_cgroup, self.pipeline.table());
            self.progress.by_container = Arc::new(self.losses.read());
        }
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
