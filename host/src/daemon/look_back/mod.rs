//! Look-backs: a plugin that is new asks what it would have found, and the flight recorder's recordings are gone through
//! with an instance of its own, beside the one that runs.
//!
//! One at a time, on a thread that yields to everybody else. Verdicts leave as those of the plugin do, marked `retro`;
//! of its metrics nothing is exported, since they would be about another time.
mod books;
mod run;
mod seen;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use rustix::process::nice;
use serde_json::Value;

pub use books::{Books, Outcome};
pub use seen::Seen;

use super::reporter::VerdictOut;
use crate::hunt::Span;
use crate::plugin::Plugin;
use crate::trial;

/// Look-backs that may wait.
const QUEUE: usize = 16;
/// The lowest there is.
const NICENESS: i32 = 19;
/// How long to wait for what is on its way to the disk: the flight recorder writes once a second.
const SETTLE: Duration = Duration::from_secs(2);

/// A plugin that became active.
pub struct Newcomer {
    /// The plugin; another instance of it is started.
    pub plugin: Plugin,
    /// Its configuration.
    pub config: Value,
    /// How the instance is run.
    pub options: trial::Options,
    /// Event time from which on the running instance gets events.
    pub since: u64,
    /// Where its verdicts go.
    pub out: Box<dyn VerdictOut>,
}

/// A look-back that waits, or is under way.
struct Job {
    newcomer: Newcomer,
    span: Span,
    should_stop: Arc<AtomicBool>,
}

/// Where look-backs are asked for.
pub struct LookBacks {
    seen: Seen,
    /// `None` without a flight recorder.
    queue: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    books: Arc<Mutex<Books>>,
    /// Who waits or is under way, by plugin.
    pending: Vec<(String, Arc<AtomicBool>)>,
}

impl LookBacks {
    /// Look-backs over the recordings in `directory`, if there is a flight recorder.
    ///
    /// # Errors
    /// If no thread can be had.
    pub fn start(directory: Option<PathBuf>, seen: Seen) -> std::io::Result<LookBacks> {
        let books = Arc::new(Mutex::new(Books::default()));
        let (mut queue, mut thread) = (None, None);
        if let Some(directory) = directory {
            let (sender, jobs) = bounded(QUEUE);
            let shared = books.clone();
            let serve = move || serve(&directory, &jobs, &shared);
            thread = Some(std::thread::Builder::new().name("look-back".into()).spawn(serve)?);
            queue = Some(sender);
        }
        Ok(LookBacks {
            seen,
            queue,
            thread,
            books,
            pending: Vec::new(),
        })
    }

    /// What became of them, for whoever shows it.
    #[must_use]
    pub fn books(&self) -> Arc<Mutex<Books>> {
        self.books.clone()
    }

    /// A plugin has become active. If it asks for a look-back, and these bytes of it have not had one, it gets one.
    pub fn ask(&mut self, newcomer: Newcomer) {
        let seconds = u64::from(newcomer.plugin.manifest.look_back);
        let name = newcomer.plugin.identity.name.clone();
        let digest = newcomer.plugin.identity.digest.clone();
        if seconds == 0 || self.seen.has(&name, &digest) {
            return;
        }
        let Some(queue) = &self.queue else {
            tracing::info!(
                plugin = name,
                "the plugin asks for a look-back over {seconds} s, and there is no flight recorder \
                 (`flight_recorder.enabled = true`)"
            );
            lock(&self.books).end(Outcome::Skipped);
            return;
        };
        let should_stop = Arc::new(AtomicBool::new(false));
        let span = Span {
            from: newcomer.since.saturating_sub(seconds.saturating_mul(1_000_000_000)),
            to: newcomer.since,
        };
        let job = Job {
            newcomer,
            span,
            should_stop: should_stop.clone(),
        };
        match queue.try_send(job) {
            // It is not tried again, whatever comes of it: a plugin that fails in it would do so at every start.
            Ok(()) => {
                self.seen.note(&name, &digest);
                self.pending.retain(|(_, flag)| Arc::strong_count(flag) > 1);
                self.pending.push((name, should_stop));
            }
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                tracing::warn!(plugin = name, "no look-back: {QUEUE} of other plugins wait already");
                lock(&self.books).end(Outcome::Skipped);
            }
        }
    }

    /// The plugin of this name has gone, or is another one now.
    pub fn forget(&mut self, name: &str) {
        let gone = self.pending.iter().filter(|(pending, _)| pending == name);
        gone.for_each(|(_, should_stop)| should_stop.store(true, Ordering::Relaxed));
    }

    /// Ends what is under way.
    pub fn finish(&mut self) {
        self.queue = None;
        for (_, should_stop) in &self.pending {
            should_stop.store(true, Ordering::Relaxed);
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the look-backs panicked; this is a bug in the daemon");
        }
    }
}

impl Drop for LookBacks {
    fn drop(&mut self) {
        self.finish();
    }
}

fn serve(directory: &std::path::Path, jobs: &Receiver<Job>, books: &Mutex<Books>) {
    // What it starts inherits it. Refused, it is only less polite.
    nice(NICENESS).unwrap_or_default();
    for job in jobs {
        let name = job.newcomer.plugin.identity.name.clone();
        lock(books).is_running = true;
        let outcome = run::run(directory, job, SETTLE, books);
        lock(books).is_running = false;
        match outcome {
            Ok(outcome) => lock(books).end(outcome),
            Err(error) => {
                tracing::warn!(plugin = name, "the look-back failed: {error:#}");
                lock(books).end(Outcome::Failed);
            }
        }
    }
}

fn lock(books: &Mutex<Books>) -> MutexGuard<'_, Books> {
    books.lock().unwrap_or_else(PoisonError::into_inner)
}
