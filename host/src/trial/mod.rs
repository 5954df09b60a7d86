//! One component over recorded lines, without a daemon: what tests, hunts and benchmarks of a plugin stand on.
//!
//! It is the daemon's own pipeline and the daemon's own worker. After every batch the worker is waited for, so the same
//! lines give the same verdicts, and the caller never sees half of a call's outcome.
mod calls;
mod case;
mod feed;
mod order;
mod outcome;
mod report;

use serde_json::Value;

pub use calls::{Call, Calls};
pub use case::{Ran, run};
pub use feed::{Feed, WINDOWS};
pub use order::{Late, OutOfOrder};
pub use outcome::{Bill, Fault, Outcome, Series};

use crate::config::{self, Config};
use crate::filter::Subscription;
use crate::metrics::{self, BadMetric};
use crate::pipeline::{Outlet, Seat};
use crate::plugin::{Delivery, Failure, Plugin, StartError, Successor, SwapError, Swapped, Worker};
use crate::recording::{Header, Line};
use crate::verdict::Record;
use report::Book;

/// The one plugin's place at the pipeline.
const SEAT: Seat = Seat(0);

/// Most failures that are kept with their particulars.
const MOST_FAULTS: usize = 64;

/// How a trial is run. What the plugin may use was said when it was loaded.
#[derive(Clone, Debug)]
pub struct Options {
    /// When a batch is cut.
    pub batch: config::Batch,
    /// Processes that are kept in mind.
    pub processes: usize,
    /// How much of the exposition the plugin may have.
    pub series: metrics::Limits,
    /// How many times as fast as recorded event time runs; 1 for as recorded.
    pub compress: f64,
    /// Whether verdicts say that they are about what was recorded before the plugin was there.
    pub retro: bool,
}

impl Options {
    /// As a daemon with this configuration would run it.
    #[must_use]
    pub fn of(config: &Config) -> Options {
        Options {
            batch: config.batch.clone(),
            processes: config.processes.max,
            series: config.plugins.settings().series,
            compress: 1.0,
            retro: false,
        }
    }
}

impl Default for Options {
    fn default() -> Options {
        Options::of(&Config::default())
    }
}

/// Why a plugin cannot be tried.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// It does not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// One of its metrics could not be exported.
    #[error(transparent)]
    Metric(#[from] BadMetric),
    /// The version that is to take over does not start.
    #[error("the version that is to take over {0} while it starts")]
    Successor(Failure),
    /// It does not take over.
    #[error("the other version cannot take over: {0}")]
    Swap(#[from] SwapError),
}

/// A plugin that is being tried.
pub struct Trial {
    feed: Feed,
    worker: Worker,
    book: Book,
    faults: Vec<Fault>,
    faults_seen: u64,
}

/// Hands batches to the worker, and remembers that it did.
struct Sending<'a> {
    worker: &'a Worker,
    has_sent: bool,
}

impl Outlet for Sending<'_> {
    fn deliver(&mut self, _: Seat, delivery: &Delivery) {
        self.worker.send(delivery.clone());
        self.has_sent = true;
    }
}

impl Trial {
    /// Starts the plugin for a recording with this header.
    ///
    /// # Errors
    /// [`TrialError`].
    pub fn start(plugin: Plugin, config: Value, options: &Options, header: &Header) -> Result<Trial, TrialError> {
        let book = Book::new(&plugin, header, options)?;
        let worker = Worker::spawn(plugin, config, None, Box::new(book.reporter()))?;
        let mut feed = Feed::new(&options.batch, options.processes, header, options.compress);
        feed.pipeline()
            .subscribe(SEAT, &worker.subscription(), &mut sending(&worker));
        Ok(Trial {
            feed,
            worker,
            book,
            faults: Vec::new(),
            faults_seen: 0,
        })
    }

    /// Takes in a line of the recording. Whether the plugin was called.
    pub fn take(&mut self, line: &Line<'_>) -> bool {
        let mut sending = sending(&self.worker);
        self.feed.take(line, &mut sending);
        let is_due = sending.has_sent;
        if is_due {
            self.settle();
        }
        is_due
    }

    /// Another version takes over, as at a reload: it gets the state, and every event from the next one on.
    ///
    /// # Errors
    /// Why it does not; the old one goes on then.
    pub fn swap(&mut self, plugin: Plugin, config: Value) -> Result<Swapped, TrialError> {
        self.feed.flush(&mut sending(&self.worker));
        self.settle();
        let successor = Successor::start(plugin, config).map_err(TrialError::Successor)?;
        let swapped = self.worker.swap(successor)?;
        let subscription = self.worker.subscription();
        self.feed
            .pipeline()
            .subscribe(SEAT, &subscription, &mut sending(&self.worker));
        Ok(swapped)
    }

    /// What the plugin is called with.
    #[must_use]
    pub fn subscription(&self) -> Subscription {
        self.worker.subscription()
    }

    /// How many events were taken in.
    pub fn taken(&mut self) -> u64 {
        self.feed.pipeline().taken()
    }

    /// The verdicts since this was last asked.
    pub fn verdicts(&mut self) -> Vec<Record> {
        self.book.verdicts()
    }

    /// The calls that failed so far, each with where the guest was; after some dozens only those.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// What it cost so far.
    #[must_use]
    pub fn bill(&self) -> Bill {
        Bill::of(&self.worker.stats())
    }

    /// Hands over what is left and lets windows close. The outcome has the verdicts that were not asked for before.
    #[must_use]
    pub fn finish(mut self) -> Outcome {
        self.feed.flush(&mut sending(&self.worker));
        self.settle();
        self.worker.advance(self.feed.end());
        self.settle();
        let manifest = self.worker.plugin().manifest;
        Outcome {
            verdicts: self.book.verdicts(),
            series: self.book.series(&manifest),
            metrics: manifest.metrics.iter().map(|metric| metric.name.clone()).collect(),
            bill: self.bill(),
            faults: self.faults,
        }
    }

    /// Waits for the plugin, and notes whether it failed.
    fn settle(&mut self) {
        self.worker.settle();
        let stats = self.worker.stats();
        let faults = stats.failures.values().sum();
        if faults > self.faults_seen && self.faults.len() < MOST_FAULTS {
            self.faults.push(Fault {
                text: stats.last_failure.unwrap_or_default(),
                event: self.feed.pipeline().taken(),
            });
        }
        self.faults_seen = faults;
    }
}

fn sending(worker: &Worker) -> Sending<'_> {
    Sending {
        worker,
        has_sent: false,
    }
}
