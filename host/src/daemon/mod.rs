//! The daemon: puts the stages together on a live kernel, keeps them running, and takes them down again in order.
mod bill;
pub mod collector;
pub mod comparing;
mod control;
mod flight;
mod images;
pub mod keeper;
pub mod look_back;
pub mod losses;
mod memory;
pub mod node;
pub mod plugins;
pub mod privileges;
pub mod progress;
mod promote;
pub mod recorder;
pub mod reload;
pub mod replay;
pub mod reporter;
pub mod roster;
mod saved_states;
pub mod seating;
pub mod signals;
pub mod status;
mod usage;
pub mod view;
pub mod wants;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use crossbeam_channel::Receiver;

use crate::config::Config;
use crate::control::{Server, ServerError};
use crate::decode::Clock;
use crate::enrich::namespaces;
use crate::enrich::procfs::Procfs;
use crate::enrich::runtimes::{Lookups, Runtimes, Settings as RuntimeSettings};
use crate::enrich::{Node, Options, ProcessTable};
use crate::http::{self, Http};
use crate::kernel::{Kernel, Objects, Settings};
use crate::logging::Tail;
use crate::nest::{LookError, LookSettings, WatchSettings};
use crate::pipeline::{Origin, Pipeline};
use crate::plugin::{Cache, CacheLimits, Child, Compiler, Engine};
use crate::recording::Reel;
use crate::state::States;
use crate::verdict::{self, Target};
use collector::Collector;
use flight::Flight;
use keeper::{Keeper, Keeping, Seen};
use look_back::LookBacks;
use plugins::Plugins;
use progress::Published;
use roster::Roster;
use seating::Seating;
use status::Status;
use view::Live;
use wants::Early;

/// How long verdicts may take to be written at the end.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why the daemon does not start.
#[derive(Debug, thiserror::Error)]
pub enum CannotStart {
    /// The kernel, or the privileges.
    #[error(transparent)]
    Kernel(#[from] crate::kernel::StartError),
    /// The plugin directory.
    #[error(transparent)]
    Directory(#[from] LookError),
    /// The file for verdicts.
    #[error(transparent)]
    Verdicts(#[from] verdict::Unwritable),
    /// The address for HTTP.
    #[error(transparent)]
    Http(#[from] http::BindError),
    /// The control socket.
    #[error(transparent)]
    Control(#[from] ServerError),
    /// The flight recorder's directory.
    #[error(transparent)]
    Flight(#[from] flight::Unusable),
    /// Anything else.
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

/// A running daemon.
pub struct Daemon {
    stop: Arc<AtomicBool>,
    collector: JoinHandle<anyhow::Result<()>>,
    rest: Rest,
}

/// What needs no privileges.
struct Rest {
    status: Arc<Status>,
    keeper: Keeper,
    server: Http,
    control: Option<Server>,
    flight: Option<Flight>,
    delivery: verdict::Delivery,
}

/// Where verdicts go, by the configuration's word for it.
#[must_use]
pub fn target(file: &Path) -> Target {
    if file == Path::new("-") {
        Target::Stdout
    } else {
        Target::File(file.to_owned())
    }
}

impl Daemon {
    /// Starts everything. The collector's thread comes first and keeps the privileges that probes need; they are given up
    /// before anything is started that runs plugins or talks to others.
    ///
    /// # Errors
    /// [`CannotStart`]; nothing is left running then.
    pub fn start(config: &Config, target: Target) -> Result<Daemon, CannotStart> {
        let hangups = signals::hangups()?;
        let kernel = Kernel::start(&Settings {
            kinds: 0,
            ring_bytes: config.kernel.ring_bytes,
            fair: config.kernel.fair,
            sample_hz: config.resources.sample_hz,
            prefer: config.kernel.prefer,
        })?;
        let objects = kernel.objects().clone();
        let clock = Clock::now();
        let origin = Origin {
            node: config.node.clone(),
            boot_id: node::boot_id(),
        };
        // The probes run already: a process that starts while /proc is read is seen by one of the two, or by both.
        let known = procfs(&clock).processes().context("cannot read /proc")?;
        let options = Options {
            capacity: config.processes.max,
            keep_found: config.flight_recorder.enabled,
            node_namespaces: own_namespaces(),
            ..Options::default()
        };
        let runtimes = runtimes(config.containers.settings(&config.node))?;
        let lookups = runtimes.lookups();
        let mut table = ProcessTable::new(options, Box::new(Node::new(procfs(&clock), runtimes)));
        known.iter().for_each(|process| table.learn(process));
        let (seating, changes) = Seating::new();
        let published = Published::default();
        let pipeline = Pipeline::new(&config.batch, &origin, table);
        let mut collector = Collector::new(kernel, pipeline, clock, published.clone(), changes);
        collector.early(Early {
            filters: config.kernel.filter,
            merges: config.kernel.merge,
        });
        collector.measure_every(config.resources.interval());
        let reel = flight::install(&config.flight_recorder, &origin, &mut collector);
        let stop = Arc::new(AtomicBool::new(false));
        let collector = spawn(collector, stop.clone())?;
        let rest = privileges::drop_all().map_err(CannotStart::from).and_then(|()| {
            Rest::start(
                config,
                target,
                &origin,
                (published, lookups, objects),
                (seating, reel),
                hangups,
            )
        });
        let rest = match rest {
            Ok(rest) => rest,
            Err(error) => {
                stop.store(true, Ordering::Relaxed);
                collector.join().unwrap_or_else(|_| Ok(()))?;
                return Err(error);
            }
        };
        rest.status.set_ready();
        memory::give_back();
        tracing::info!(
            plugins = rest.status.roster().all().len(),
            processes = known.len(),
            "ready: metrics at http://{}/metrics",
            rest.server.address(),
        );
        Ok(Daemon { rest, stop, collector })
    }

    /// What can be seen of it.
    #[must_use]
    pub fn status(&self) -> &Arc<Status> {
        &self.rest.status
    }

    /// Where it serves HTTP.
    #[must_use]
    pub fn address(&self) -> std::net::SocketAddr {
        self.rest.server.address()
    }

    /// Whether the collector has given up.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.collector.is_finished()
    }

    /// Detaches the probes, delivers what they had produced, and ends everything.
    ///
    /// # Errors
    /// If the collector failed.
    pub fn stop(self) -> anyhow::Result<Arc<Status>> {
        let Daemon { stop, collector, rest } = self;
        let Rest {
            status,
            keeper,
            server,
            control,
            flight,
            delivery,
        } = rest;
        if let Some(control) = control {
            control.stop();
        }
        let kept = keeper.stop();
        stop.store(true, Ordering::Relaxed);
        let collected = collector
            .join()
            .unwrap_or_else(|_| Err(anyhow::anyhow!("the collector panicked")));
        if let Some(mut kept) = kept {
            kept.finish();
        }
        if let Some(flight) = flight {
            flight.finish();
        }
        delivery.finish(PATIENCE);
        server.stop();
        collected.map(|()| status)
    }
}

impl Rest {
    fn start(
        config: &Config,
        target: Target,
        origin: &Origin,
        (published, lookups, objects): (Published, Arc<Lookups>, Objects),
        (seating, reel): (Seating, Option<Reel>),
        hangups: Receiver<()>,
    ) -> Result<Rest, CannotStart> {
        let flight = match reel {
            Some(reel) => Some(Flight::start(&config.flight_recorder, reel)?),
            None => None,
        };
        let engine = engine(config)?;
        let (verdicts, delivery) = verdict::Sink::start(target)?;
        let (roster, seen) = (Roster::default(), Seen::default());
        let look_backs = look_backs(config)?;
        let status = Status::new(published, roster.clone(), seen.clone(), verdicts.clone());
        let status = status
            .with_flight(flight.as_ref().map(Flight::books))
            .with_lookups(lookups)
            .with_look_backs(look_backs.books());
        let status = Arc::new(status);
        let server = Http::start(config.http.listen, status.clone())?;
        let outs: plugins::Outs = Box::new(move || Box::new(verdicts.clone()));
        let plugins = Plugins::new(engine, config, origin, roster, Box::new(seating), outs, states(config))
            .with_look_backs(look_backs);
        let directory = &config.plugins.directory;
        let mut keeping = Keeping::new(directory, &look_settings(config), plugins, seen);
        keeping.look(false)?;
        if status.roster().all().is_empty() {
            tracing::warn!(directory = %directory.display(), "no plugin to run: nothing is detected until there is one");
        }
        let watching = WatchSettings {
            rescan: config.plugins.rescan(),
            ..WatchSettings::default()
        };
        // Twice as often as states are taken, since the two keep different time.
        let write_every = config.plugins.settings().limits.snapshot_every / 2;
        let keeper = Keeper::start(keeping, directory, watching, write_every, hangups)
            .context("cannot watch the plugin directory")?;
        let control = match &config.control.socket {
            None => None,
            Some(socket) => {
                let desk = control::Desk {
                    live: Live::new(status.clone(), config, server.address(), Tail::default()),
                    status: status.clone(),
                    orders: keeper.orders(),
                    objects,
                };
                Some(Server::start(socket, Arc::new(desk))?)
            }
        };
        Ok(Rest {
            status,
            keeper,
            server,
            control,
            flight,
            delivery,
        })
    }
}

/// Starts the collector's thread, which keeps the privileges that it needs and no others.
fn spawn(collector: Collector, stop: Arc<AtomicBool>) -> anyhow::Result<JoinHandle<anyhow::Result<()>>> {
    let run = move || {
        privileges::keep_for_collector()?;
        collector.run(&stop)
    };
    std::thread::Builder::new()
        .name("collector".into())
        .spawn(run)
        .context("cannot start the collector")
}

/// An engine that compiles in a process of its own, and keeps the code where the configuration says. Without that place
/// plugins take longer to start, which is no reason not to.
///
/// # Errors
/// If this machine cannot run WebAssembly.
pub fn engine(config: &Config) -> anyhow::Result<Engine> {
    let open = |directory| match Cache::open(directory, CacheLimits::default()) {
        Ok(cache) => Some(cache),
        Err(error) => {
            tracing::warn!("{error}; plugins are compiled at every start");
            None
        }
    };
    let cache = config.plugins.cache.as_deref().and_then(open);
    Engine::with(Compiler::Child(Child::this_program()), cache).context("cannot start the WebAssembly engine")
}

/// How the plugin directory is looked at.
#[must_use]
pub fn look_settings(config: &Config) -> LookSettings {
    LookSettings {
        settle: config.plugins.settle(),
        ..LookSettings::default()
    }
}

/// Where states are kept. Without it plugins start without one, which is no reason not to start.
fn states(config: &Config) -> Option<States> {
    let directory = config.state.directory.as_deref()?;
    match States::open(directory, config.plugins.settings().limits.snapshot_bytes) {
        Ok(states) => Some(states),
        Err(error) => {
            tracing::error!("{error}; what plugins learn is lost when the daemon ends");
            None
        }
    }
}

/// The way to the container runtimes, with the thread behind it, which needs no privileges: root owns the sockets.
fn runtimes(settings: RuntimeSettings) -> anyhow::Result<Runtimes> {
    let (runtimes, resolver) = Runtimes::new(settings);
    let run = move || {
        let done = privileges::drop_all().and_then(|()| resolver.run().context("no event loop"));
        if let Err(error) = done {
            tracing::error!("container runtimes cannot be asked: {error:#}");
        }
    };
    std::thread::Builder::new()
        .name("containers".into())
        .spawn(run)
        .context("cannot start the thread that asks container runtimes")?;
    Ok(runtimes)
}

/// Look-backs over what the flight recorder keeps. Without a place for states each start of the daemon is a first time.
fn look_backs(config: &Config) -> anyhow::Result<LookBacks> {
    let flight = &config.flight_recorder;
    let directory = flight.enabled.then(|| flight.directory.clone());
    let seen = config.state.directory.as_ref().map(|states| states.join("look-backs"));
    LookBacks::start(directory, look_back::Seen::open(seen)).context("cannot start the thread of the look-backs")
}

fn procfs(clock: &Clock) -> Procfs {
    Procfs::new(clock.boot_to_unix_ns)
}

fn own_namespaces() -> [u32; 8] {
    let found = namespaces::of_the_node();
    if found.contains(&0) {
        tracing::warn!(
            "the node's own mounts and network are not known, so that filters which ask for them, or for others, give nothing; \
             it takes the host's pid namespace and CAP_SYS_PTRACE"
        );
    }
    found
}
