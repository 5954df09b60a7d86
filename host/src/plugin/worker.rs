//! One plugin's thread and the bounded queue before it.
//!
//! The collector offers batches and never waits: what does not fit is counted, and reported to the plugin with the next
//! batch that does. A replay sends batches instead, and waits.
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, never, select_biased};
use serde_json::Value;

use crate::filter::Subscription;
use crate::interface::vespid::plugin::events::Lost;

use super::component::{Identity, Plugin};
use super::delivery::{Delivery, Sink};
use super::desk::{Desk, lock};
use super::engine::THREAD_STACK_BYTES;
use super::failure::Failure;
use super::instance::Snapshot;
use super::runner::Runner;
use super::stats::PluginStats;
use super::subscription::{Rows, rows_of};
use super::swap::{Successor, SwapError, Swapped};

/// Why a plugin did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It failed, or refused its configuration.
    #[error("plugin `{plugin}` does not start: it {failure}")]
    Plugin {
        /// Its name.
        plugin: String,
        /// What happened.
        failure: Failure,
    },
    /// No thread could be had.
    #[error("cannot start a thread for plugin `{plugin}`: {source}")]
    Thread {
        /// Its name.
        plugin: String,
        /// Why.
        source: std::io::Error,
    },
}

/// A running plugin, seen from outside its thread.
pub struct Worker {
    queue: Sender<Job>,
    orders: Sender<Order>,
    /// What the next accepted batch has to report as lost.
    owed: Mutex<Lost>,
    desk: Arc<Desk>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

pub(super) enum Job {
    Batch {
        delivery: Delivery,
        lost: Lost,
    },
    Advance(u64),
    EndTurn,
    /// Dropped when everything before it is done.
    Settle(Sender<Never>),
    /// The last one.
    End,
}

/// What is done between two batches, before those that wait.
enum Order {
    Swap(Box<Successor>, Sender<Result<Swapped, SwapError>>),
    Snapshot(Sender<Option<Arc<Snapshot>>>),
    Resume(Sender<bool>),
}

/// Nothing is ever sent; only the end of the channel matters.
pub(super) enum Never {}

impl Worker {
    /// Starts an instance, from a state if there is one, then a thread that serves it.
    ///
    /// # Errors
    /// If the instance does not start; nothing is left running then.
    pub fn spawn(
        plugin: Plugin,
        config: Value,
        state: Option<Snapshot>,
        sink: Box<dyn Sink>,
    ) -> Result<Worker, StartError> {
        let name = plugin.identity.name.clone();
        let successor = Successor::start(plugin, config).map_err(|failure| StartError::Plugin {
            plugin: name.clone(),
            failure,
        })?;
        let (queue, jobs) = bounded(successor.plugin.limits.queue_len);
        let (orders, ordered) = bounded(1);
        let desk = Arc::new(Desk {
            plugin: Mutex::new(successor.plugin.clone()),
            subscription: Mutex::new(successor.subscription.clone()),
            stats: Mutex::default(),
            snapshot: Mutex::default(),
            waiting: AtomicU64::new(0),
        });
        let mut runner = Runner::new(successor, state, sink, desk.clone());
        let shared = desk.clone();
        let thread = std::thread::Builder::new()
            .name(format!("plugin-{name}"))
            .stack_size(THREAD_STACK_BYTES)
            .spawn(move || serve(&mut runner, &jobs, ordered, &shared.waiting))
            .map_err(|source| StartError::Thread { plugin: name, source })?;
        Ok(Worker {
            queue,
            orders,
            owed: Mutex::new(Lost::NONE),
            desk,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// The version that serves now.
    #[must_use]
    pub fn plugin(&self) -> Plugin {
        lock(&self.desk.plugin).clone()
    }

    /// What the version that serves now wants to be called with.
    #[must_use]
    pub fn subscription(&self) -> Subscription {
        lock(&self.desk.subscription).clone()
    }

    /// Exchanges the instance between two batches; what waits in the queue goes to the new one. Returns when that is
    /// done.
    ///
    /// # Errors
    /// Why it was not; the old instance serves on then.
    pub fn swap(&self, successor: Successor) -> Result<Swapped, SwapError> {
        let mut swapped = self
            .ask(|reply| Order::Swap(Box::new(successor), reply))
            .unwrap_or(Err(SwapError::Stopped))?;
        drop(swapped.retired.take());
        Ok(swapped)
    }

    /// The plugin's file has another name now.
    pub fn moved(&self, file: &Path) {
        let mut plugin = lock(&self.desk.plugin);
        let identity = Identity {
            file: file.to_owned(),
            ..(*plugin.identity).clone()
        };
        plugin.identity = Arc::new(identity);
    }

    /// The plugin's state after what it has been called with so far; the last good one if it cannot say.
    #[must_use]
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.ask(Order::Snapshot).flatten()
    }

    /// The last good state, without asking for a new one.
    #[must_use]
    pub fn last_snapshot(&self) -> Option<Arc<Snapshot>> {
        lock(&self.desk.snapshot).clone()
    }

    /// Ends a quarantine, or the wait for the next instance. Whether one could be started; it may fail again at once.
    pub fn resume(&self) -> bool {
        self.ask(Order::Resume).unwrap_or(false)
    }

    fn ask<T>(&self, order: impl FnOnce(Sender<T>) -> Order) -> Option<T> {
        let (reply, answer) = bounded(1);
        self.orders.send(order(reply)).ok()?;
        answer.recv().ok()
    }

    /// Offers a batch without waiting. Whether it was accepted; if not, its rows are counted as dropped.
    pub fn offer(&self, delivery: Delivery) -> bool {
        let events = delivery.len();
        self.desk.waiting.fetch_add(events, Ordering::Relaxed);
        let mut owed = lock(&self.owed);
        let lost = owed.and(delivery.batch.header.lost);
        let (reason, rows) = match self.queue.try_send(Job::Batch { delivery, lost }) {
            Ok(()) => {
                *owed = Lost::NONE;
                return true;
            }
            Err(TrySendError::Full(job)) => ("queue_full", job.rows()),
            Err(TrySendError::Disconnected(job)) => ("worker_gone", job.rows()),
        };
        self.desk.waiting.fetch_sub(events, Ordering::Relaxed);
        let rows = rows_of(lock(&self.desk.plugin).tables(), &rows);
        *owed = lost.and_rows(&rows);
        lock(&self.desk.stats).drop_rows(reason, &rows);
        false
    }

    /// Hands over a batch, waiting for room in the queue.
    pub fn send(&self, delivery: Delivery) {
        self.desk.waiting.fetch_add(delivery.len(), Ordering::Relaxed);
        let lost = std::mem::replace(&mut *lock(&self.owed), Lost::NONE).and(delivery.batch.header.lost);
        if let Err(error) = self.queue.send(Job::Batch { delivery, lost }) {
            lock(&self.desk.stats).drop_rows("worker_gone", &error.0.rows());
        }
    }

    /// Says that event time has reached `now` without an event for this plugin. If the queue is full, the batches in it
    /// will say so.
    pub fn advance(&self, now: u64) {
        self.queue.try_send(Job::Advance(now)).unwrap_or_default();
    }

    /// Tells the sink when the plugin is done with everything it was handed so far.
    pub fn end_turn(&self) {
        self.queue.send(Job::EndTurn).unwrap_or_default();
    }

    /// Waits until the plugin is done with everything it was handed so far.
    pub fn settle(&self) {
        let (pending, settled) = bounded(1);
        if self.queue.send(Job::Settle(pending)).is_ok() {
            settled.into_iter().for_each(drop);
        }
    }

    /// How the plugin is doing.
    #[must_use]
    pub fn stats(&self) -> PluginStats {
        let mut stats = lock(&self.desk.stats).clone();
        (stats.log_lines, stats.log_lines_dropped) = lock(&self.desk.plugin).log.counts();
        stats
    }

    /// Batches that wait in the queue.
    #[must_use]
    pub fn queue_len(&self) -> usize {
        self.queue.len()
    }

    /// Events that wait in the queue.
    #[must_use]
    pub fn queue_events(&self) -> u64 {
        self.desk.waiting.load(Ordering::Relaxed)
    }

    /// Lets the plugin work off its queue, takes its last state, and ends it. What is offered afterwards is counted as
    /// dropped.
    pub fn finish(&self) {
        let Some(thread) = lock(&self.thread).take() else {
            return;
        };
        self.queue.send(Job::End).unwrap_or_default();
        if thread.join().is_err() {
            let plugin = &lock(&self.desk.plugin).identity.name.clone();
            tracing::error!(plugin, "the plugin's thread panicked; this is a bug in the daemon");
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Orders come first, so a swap does not wait for what is queued.
fn serve(runner: &mut Runner, jobs: &Receiver<Job>, mut orders: Receiver<Order>, waiting: &AtomicU64) {
    loop {
        select_biased! {
            recv(orders) -> order => match order {
                Ok(order) => obey(runner, order),
                Err(_) => orders = never(),
            },
            recv(jobs) -> job => match job {
                Ok(Job::Batch { delivery, lost }) => {
                    waiting.fetch_sub(delivery.len(), Ordering::Relaxed);
                    runner.batch(&delivery, lost);
                }
                Ok(Job::Advance(now)) => runner.advance(now),
                Ok(Job::EndTurn) => runner.end_turn(),
                Ok(Job::Settle(pending)) => drop(pending),
                Ok(Job::End) | Err(_) => break,
            },
        }
    }
    runner.snapshot();
}

/// Whoever asked may have gone; then nobody needs the answer.
fn obey(runner: &mut Runner, order: Order) {
    match order {
        Order::Swap(successor, reply) => reply.send(runner.swap(*successor)).unwrap_or_default(),
        Order::Snapshot(reply) => reply.send(runner.snapshot()).unwrap_or_default(),
        Order::Resume(reply) => reply.send(runner.resume()).unwrap_or_default(),
    }
}

impl Job {
    fn rows(&self) -> Rows {
        match self {
            Job::Batch { delivery, .. } => delivery.rows,
            Job::Advance(_) | Job::EndTurn | Job::Settle(_) | Job::End => Rows::default(),
        }
    }
}
