//! One plugin's thread and the bounded queue before it.
//!
//! The collector offers batches and never waits: what does not fit is counted, and reported to the plugin with the next
//! batch that does. A replay sends batches instead, and waits.
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use serde_json::Value;
use vespid_ebpf::Kind;

use crate::interface::vespid::plugin::describe::Manifest;
use crate::interface::vespid::plugin::events::{Batch, Lost};
use crate::interface::vespid::plugin::reports::Report;
use crate::verdict::Cause;

use super::component::{Identity, Plugin};
use super::engine::THREAD_STACK_BYTES;
use super::failure::Failure;
use super::runner::Runner;
use super::stats::PluginStats;

/// How many rows there are of each kind, in the order of [`Kind::ALL`].
pub type Rows = [u64; Kind::ALL.len()];

/// A batch on its way to plugins.
#[derive(Clone)]
pub struct Delivery {
    /// The batch. Its header's losses are those of all plugins; a worker adds its own plugin's.
    pub batch: Arc<Batch>,
    /// Its rows.
    pub rows: Rows,
    /// Time of its oldest event, in Unix nanoseconds.
    pub first_time: u64,
    /// Time of its newest event.
    pub last_time: u64,
}

impl Delivery {
    fn len(&self) -> u64 {
        self.rows.iter().sum()
    }
}

/// Takes what a plugin reports. Reports have been checked: rows, metrics and series ids exist.
///
/// All calls come from the plugin's thread, save for the first `started`, which comes from [`Worker::spawn`].
pub trait Sink: Send {
    /// A new instance begins: its series ids count from 0 again.
    fn started(&mut self, plugin: &Identity, manifest: &Manifest);

    /// Applies a report.
    fn apply(&mut self, plugin: &Identity, cause: Cause<'_>, report: Report);
}

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

/// A running plugin, seen from the collector.
pub struct Worker {
    plugin: Plugin,
    queue: Sender<Job>,
    /// What the next accepted batch has to report as lost.
    owed: Mutex<Lost>,
    stats: Arc<Mutex<PluginStats>>,
    /// Events in the queue.
    waiting: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

pub(super) enum Job {
    Batch {
        delivery: Delivery,
        lost: Lost,
    },
    Advance(u64),
    /// Dropped when everything before it is done.
    Settle(Sender<Never>),
}

/// Nothing is ever sent; only the end of the channel matters.
pub(super) enum Never {}

impl Worker {
    /// Starts an instance, then a thread that serves it.
    ///
    /// # Errors
    /// If the instance does not start; nothing is left running then.
    pub fn spawn(plugin: Plugin, config: Value, sink: Box<dyn Sink>) -> Result<Worker, StartError> {
        let name = plugin.identity.name.clone();
        let instance = plugin.start(&config, None).map_err(|failure| StartError::Plugin {
            plugin: name.clone(),
            failure,
        })?;
        let (queue, jobs) = bounded(plugin.limits.queue_len);
        let stats = Arc::new(Mutex::new(PluginStats::default()));
        let waiting = Arc::new(AtomicU64::new(0));
        let taken = waiting.clone();
        let mut runner = Runner::new(plugin.clone(), config, instance, sink, stats.clone());
        let thread = std::thread::Builder::new()
            .name(format!("plugin-{name}"))
            .stack_size(THREAD_STACK_BYTES)
            .spawn(move || serve(&mut runner, &jobs, &taken))
            .map_err(|source| StartError::Thread { plugin: name, source })?;
        Ok(Worker {
            waiting,
            plugin,
            queue,
            owed: Mutex::new(Lost::NONE),
            stats,
            thread,
        })
    }

    /// The plugin.
    #[must_use]
    pub fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    /// Offers a batch without waiting. Whether it was accepted; if not, its rows are counted as dropped.
    pub fn offer(&self, delivery: Delivery) -> bool {
        let events = delivery.len();
        self.waiting.fetch_add(events, Ordering::Relaxed);
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
        self.waiting.fetch_sub(events, Ordering::Relaxed);
        *owed = lost.and_rows(&rows);
        lock(&self.stats).drop_rows(reason, &rows);
        false
    }

    /// Hands over a batch, waiting for room in the queue.
    pub fn send(&self, delivery: Delivery) {
        self.waiting.fetch_add(delivery.len(), Ordering::Relaxed);
        let lost = std::mem::replace(&mut *lock(&self.owed), Lost::NONE).and(delivery.batch.header.lost);
        if let Err(error) = self.queue.send(Job::Batch { delivery, lost }) {
            lock(&self.stats).drop_rows("worker_gone", &error.0.rows());
        }
    }

    /// Says that event time has reached `now` without an event for this plugin. If the queue is full, the batches in it
    /// will say so.
    pub fn advance(&self, now: u64) {
        self.queue.try_send(Job::Advance(now)).unwrap_or_default();
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
        snapshot(&self.stats, &self.plugin)
    }

    /// Batches that wait in the queue.
    #[must_use]
    pub fn queue_len(&self) -> usize {
        self.queue.len()
    }

    /// Events that wait in the queue.
    #[must_use]
    pub fn queue_events(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Lets the plugin work off its queue, then reach event time `end` if there is one, and ends it.
    pub fn finish(self, end: Option<u64>) -> PluginStats {
        let Worker {
            plugin,
            queue,
            stats,
            thread,
            ..
        } = self;
        if let Some(end) = end {
            queue.send(Job::Advance(end)).unwrap_or_default();
        }
        drop(queue);
        if thread.join().is_err() {
            tracing::error!(
                plugin = plugin.identity.name,
                "the plugin's thread panicked; this is a bug in the daemon"
            );
        }
        snapshot(&stats, &plugin)
    }
}

fn serve(runner: &mut Runner, jobs: &Receiver<Job>, waiting: &AtomicU64) {
    for job in jobs {
        match job {
            Job::Batch { delivery, lost } => {
                waiting.fetch_sub(delivery.len(), Ordering::Relaxed);
                runner.batch(&delivery, lost);
            }
            Job::Advance(now) => runner.advance(now),
            Job::Settle(pending) => drop(pending),
        }
    }
}

impl Job {
    fn rows(&self) -> Rows {
        match self {
            Job::Batch { delivery, .. } => delivery.rows,
            Job::Advance(_) | Job::Settle(_) => Rows::default(),
        }
    }
}

fn snapshot(stats: &Mutex<PluginStats>, plugin: &Plugin) -> PluginStats {
    let mut stats = lock(stats).clone();
    (stats.log_lines, stats.log_lines_dropped) = plugin.log.counts();
    stats
}

/// The books stay usable if a thread died while it held them: each entry is a plain number.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
