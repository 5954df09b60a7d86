//! The daemon: puts the stages together on a live kernel, keeps them running, and takes them down again in order.
pub mod collector;
pub mod node;
pub mod plugins;
pub mod privileges;
pub mod recorder;
pub mod replay;
pub mod reporter;
pub mod signals;
pub mod status;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;

use crate::config::Config;
use crate::decode::Clock;
use crate::enrich::procfs::Procfs;
use crate::enrich::{Options, ProcessTable};
use crate::http::{self, Http};
use crate::kernel::{Kernel, Settings};
use crate::pipeline::{Origin, Pipeline};
use crate::plugin::{DirectoryError, Engine};
use crate::verdict::{self, Target};
use collector::{Collector, Published};
use status::Status;

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
    Directory(#[from] DirectoryError),
    /// The file for verdicts.
    #[error(transparent)]
    Verdicts(#[from] verdict::Unwritable),
    /// The address for HTTP.
    #[error(transparent)]
    Http(#[from] http::BindError),
    /// Anything else.
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

/// A running daemon.
pub struct Daemon {
    status: Arc<Status>,
    stop: Arc<AtomicBool>,
    collector: JoinHandle<anyhow::Result<()>>,
    server: Http,
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
    /// Starts everything. Threads that run plugins or talk to others are started only after the privileges that load
    /// probes are given up.
    ///
    /// # Errors
    /// [`CannotStart`]; nothing is left running then.
    pub fn start(config: &Config, target: Target) -> Result<Daemon, CannotStart> {
        let engine = Engine::new().context("cannot start the WebAssembly engine")?;
        let loaded = plugins::load(&engine, config)?;
        let (verdicts, delivery) = verdict::Sink::start(target)?;
        let kernel = Kernel::start(&Settings {
            kinds: loaded.kinds(),
            ring_bytes: config.kernel.ring_bytes,
        })?;
        for probe in kernel.probes() {
            if let Some(why) = probe.unavailable() {
                let (name, loses) = (probe.name, probe.loses);
                tracing::warn!(
                    probe = name,
                    "the probe cannot run because {why}; lost without it: {loses}"
                );
            }
        }
        privileges::drop_unneeded().context("cannot give up capabilities")?;

        let origin = Origin {
            node: config.node.clone(),
            boot_id: node::boot_id(),
        };
        let running = loaded
            .start(config, &origin, || verdicts.clone())
            .map_err(anyhow::Error::from)?;
        let subscriptions = running.subscriptions();
        let published = Published::default();
        let status = Arc::new(Status::new(published.clone(), running, verdicts));
        let server = Http::start(config.http.listen, status.clone())?;

        let clock = Clock::now();
        let options = Options {
            capacity: config.processes.max,
            ..Options::default()
        };
        // The probes run already: a process that starts while /proc is read is seen by one of the two, or by both.
        let known = procfs(&clock).processes().context("cannot read /proc")?;
        let mut table = ProcessTable::new(options, Box::new(procfs(&clock)));
        known.iter().for_each(|process| table.learn(process));
        let pipeline = Pipeline::new(&config.batch, &origin, table, &subscriptions);
        let collector = Collector::new(kernel, pipeline, clock, published);
        let stop = Arc::new(AtomicBool::new(false));
        let collector = {
            let (workers, stop) = (status.workers().clone(), stop.clone());
            let run = move || collector.run(&workers, &stop);
            std::thread::Builder::new()
                .name("collector".into())
                .spawn(run)
                .context("cannot start the collector")?
        };
        status.set_ready();
        tracing::info!(
            plugins = status.workers().len(),
            processes = known.len(),
            "ready: metrics at http://{}/metrics",
            server.address(),
        );
        Ok(Daemon {
            status,
            stop,
            collector,
            server,
            delivery,
        })
    }

    /// What can be seen of it.
    #[must_use]
    pub fn status(&self) -> &Arc<Status> {
        &self.status
    }

    /// Where it serves HTTP.
    #[must_use]
    pub fn address(&self) -> std::net::SocketAddr {
        self.server.address()
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
        let Daemon {
            status,
            stop,
            collector,
            server,
            delivery,
        } = self;
        stop.store(true, Ordering::Relaxed);
        let collected = collector
            .join()
            .unwrap_or_else(|_| Err(anyhow::anyhow!("the collector panicked")));
        status.workers().iter().for_each(|worker| worker.settle());
        delivery.finish(PATIENCE);
        server.stop();
        collected.map(|()| status)
    }
}

fn procfs(clock: &Clock) -> Procfs {
    Procfs::new(clock.boot_to_unix_ns)
}
