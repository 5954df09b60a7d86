//! The thread that keeps what runs in line with the plugin directory, and the plugins' states on disk.
//!
//! It alone starts, swaps and stops plugins, so these never meet.
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, select, tick};

use super::plugins::Plugins;
use super::promote;
use crate::control::Refused;
use crate::nest::{Change, Changes, Kind, LookError, LookSettings, Nest, Scanner, Watch, WatchSettings};

/// What can be seen of the plugin directory.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// Files that are not used, or whose newest contents are not, and why.
    pub refused: Vec<(PathBuf, String)>,
    /// How often something was refused, by kind.
    pub refusals: Vec<(&'static str, u64)>,
    /// Why it cannot be looked at, if it cannot.
    pub away: Option<String>,
}

/// [`Directory`], shared by the keeper and whoever looks.
#[derive(Clone, Default)]
pub struct Seen(Arc<Mutex<Directory>>);

impl Seen {
    /// After the last look.
    #[must_use]
    pub fn directory(&self) -> Directory {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Directory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is kept, before there is a thread for it.
pub struct Keeping {
    scanner: Scanner,
    nest: Nest,
    plugins: Plugins,
    seen: Seen,
    /// Component files left out at the last look.
    ignored: usize,
}

impl Keeping {
    /// Keeps a directory, of which nothing runs yet.
    #[must_use]
    pub fn new(directory: &Path, settings: &LookSettings, plugins: Plugins, seen: Seen) -> Keeping {
        Keeping {
            scanner: Scanner::new(directory, settings),
            nest: Nest::new(),
            plugins,
            seen,
            ignored: 0,
        }
    }

    /// Looks at the directory, and brings what runs in line with it.
    ///
    /// # Errors
    /// If the directory cannot be looked at; nothing has changed then.
    pub fn look(&mut self, retry: bool) -> Result<Changes, LookError> {
        let look = self.scanner.look();
        let changes = self.nest.reconcile(&look, &mut self.plugins, retry);
        changes.list.iter().for_each(log);
        if !changes.list.is_empty() {
            for name in self.nest.lonely_shadows() {
                tracing::warn!(
                    plugin = name,
                    "the shadow has no active plugin of its name to be compared with"
                );
            }
        }
        let ignored = self.nest.ignored();
        if std::mem::replace(&mut self.ignored, ignored) != ignored && ignored > 0 {
            tracing::error!(
                ignored,
                "there are too many component files; the last ones by name are not looked at"
            );
        }
        let refused = self.nest.refused();
        *self.seen.lock() = Directory {
            refused: refused
                .map(|(file, reason)| (file.to_owned(), reason.text.clone()))
                .collect(),
            refusals: self
                .nest
                .refusals()
                .map(|(kind, count): (Kind, u64)| (kind.as_str(), count))
                .collect(),
            away: self.nest.away().map(str::to_owned),
        };
        look.map(|_| changes)
    }

    /// Ends all plugins and writes their states.
    pub fn finish(&mut self) {
        self.plugins.finish();
    }
}

fn log(change: &Change) {
    match change {
        Change::Refused { .. } => tracing::error!("{change}"),
        Change::Away(_) => tracing::warn!("{change}"),
        _ => tracing::info!("{change}"),
    }
}

/// What a keeper is asked for.
enum Order {
    Look(Sender<Result<Changes, Refused>>),
    Promote(String, Sender<Result<Changes, Refused>>),
}

/// Asks a keeper. Cheap to clone.
#[derive(Clone)]
pub struct Orders(Sender<Order>);

impl Orders {
    /// Looks at the directory now, and tries again what was refused.
    ///
    /// # Errors
    /// If it cannot be looked at.
    pub fn look(&self) -> Result<Changes, Refused> {
        self.ask(Order::Look)
    }

    /// Makes a plugin's shadow the active one.
    ///
    /// # Errors
    /// If it has none, or the shadow cannot take over.
    pub fn promote(&self, plugin: &str) -> Result<Changes, Refused> {
        self.ask(|reply| Order::Promote(plugin.to_owned(), reply))
    }

    fn ask(&self, order: impl FnOnce(Sender<Result<Changes, Refused>>) -> Order) -> Result<Changes, Refused> {
        let (reply, answer) = bounded(1);
        let stopping = || Refused::failed("the daemon is stopping");
        self.0.send(order(reply)).map_err(|_| stopping())?;
        answer.recv().map_err(|_| stopping())?
    }
}

/// A running keeper.
pub struct Keeper {
    orders: Orders,
    stop: Sender<()>,
    thread: JoinHandle<Keeping>,
}

impl Keeper {
    /// Starts the thread. It also looks when the directory changes and at each message of `hangups`.
    ///
    /// # Errors
    /// If no thread can be had.
    pub fn start(
        mut keeping: Keeping,
        directory: &Path,
        watching: WatchSettings,
        write_every: Duration,
        hangups: Receiver<()>,
    ) -> std::io::Result<Keeper> {
        let (wake, woken) = bounded(1);
        let watch = Watch::start(directory, watching, wake)?;
        let (orders, ordered) = bounded(1);
        let (stop, stopped) = bounded(1);
        let writes = tick(write_every);
        let keep = move || {
            loop {
                // Before anything that may take long: what plugins learn is not to wait for compilers.
                if writes.try_recv().is_ok() {
                    keeping.plugins.write_states();
                }
                let changes = select! {
                    recv(woken) -> _ => keeping.look(false),
                    recv(hangups) -> hangup => match hangup {
                        Ok(()) => {
                            tracing::info!("SIGHUP: looking at the plugin directory");
                            keeping.look(true)
                        }
                        Err(_) => return keeping,
                    },
                    recv(writes) -> _ => {
                        keeping.plugins.write_states();
                        continue;
                    }
                    recv(ordered) -> order => match order {
                        Ok(order) => {
                            obey(&mut keeping, order);
                            continue;
                        }
                        Err(_) => return keeping,
                    },
                    recv(stopped) -> _ => return keeping,
                };
                if changes.is_ok_and(|changes| changes.look_again) {
                    watch.look_again(LOOK_AGAIN);
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("plugin-directory".into())
            .spawn(keep)?;
        Ok(Keeper {
            orders: Orders(orders),
            stop,
            thread,
        })
    }

    /// The way to ask it.
    #[must_use]
    pub fn orders(&self) -> Orders {
        self.orders.clone()
    }

    /// Ends the thread, and gives back what it kept; the plugins still run. Nothing if it had failed.
    #[must_use]
    pub fn stop(self) -> Option<Keeping> {
        self.stop.send(()).unwrap_or_default();
        let kept = self.thread.join();
        if kept.is_err() {
            tracing::error!("the plugin directory's thread panicked; this is a bug in the daemon");
        }
        kept.ok()
    }
}

/// How soon to look again at what was not complete.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

fn obey(keeping: &mut Keeping, order: Order) {
    let failed = |error: LookError| Refused::failed(error.to_string());
    let (outcome, reply) = match order {
        Order::Look(reply) => (keeping.look(true).map_err(failed), reply),
        Order::Promote(plugin, reply) => {
            let roster = keeping.plugins.roster().clone();
            let outcome = promote::rename(&roster, &plugin)
                .and_then(|renamed| renamed.settle(&roster, keeping.look(true).map_err(failed)));
            (outcome, reply)
        }
    };
    reply.send(outcome).unwrap_or_default();
}
