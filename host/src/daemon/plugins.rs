//! From the plugin directory to running workers. A file that is refused is named, and the others start.
use vespid_ebpf::Kind;

use super::reporter::{Reporter, Shared, VerdictOut};
use crate::config::Config;
use crate::interface::vespid::plugin::describe::Kinds;
use crate::pipeline::Origin;
use crate::plugin::{DirectoryError, Engine, Found, Limits, Refusal, StartError, Worker, scan};

/// What the directory had.
pub struct Loaded {
    found: Vec<Found>,
    refused: Vec<Refusal>,
}

/// Loads the directory that the configuration names.
///
/// # Errors
/// If the directory cannot be read.
pub fn load(engine: &Engine, config: &Config) -> Result<Loaded, DirectoryError> {
    let mut loaded = Loaded {
        found: Vec::new(),
        refused: Vec::new(),
    };
    for result in scan(engine, &config.plugins.directory, &limits(config))? {
        match result {
            Ok(found) => loaded.found.push(found),
            Err(refusal) => {
                tracing::error!("{refusal}");
                loaded.refused.push(refusal);
            }
        }
    }
    if loaded.found.is_empty() {
        tracing::warn!(directory = %config.plugins.directory.display(), "no plugin to run: nothing will be detected");
    }
    Ok(loaded)
}

/// What the configuration grants each plugin.
#[must_use]
pub fn limits(config: &Config) -> Limits {
    config.plugins.settings().limits
}

impl Loaded {
    /// Each plugin's subscription, in their order.
    #[must_use]
    pub fn subscriptions(&self) -> Vec<Kinds> {
        self.found.iter().map(|found| found.plugin.subscription()).collect()
    }

    /// The kinds of record that are needed: what plugins subscribed to, and what processes are known by.
    #[must_use]
    pub fn kinds(&self) -> u32 {
        self.subscriptions().iter().fold(Kind::TREE, |mask, kinds| {
            let connection = if kinds.contains(Kinds::CONNECTIONS) {
                Kind::Connection.bit()
            } else {
                0
            };
            let open = if kinds.contains(Kinds::OPENS) {
                Kind::Open.bit()
            } else {
                0
            };
            mask | connection | open
        })
    }

    /// Starts a worker for each plugin. One that does not start is named and left out, so the subscriptions have to be
    /// asked for again afterwards.
    ///
    /// # Errors
    /// If no thread can be had.
    pub fn start<V: VerdictOut + 'static>(
        self,
        config: &Config,
        origin: &Origin,
        mut out: impl FnMut() -> V,
    ) -> Result<Running, StartError> {
        let mut running = Running {
            refused: self.refused,
            ..Running::default()
        };
        let limits = config.plugins.settings().series;
        for Found { plugin, config } in self.found {
            let name = plugin.identity.name.clone();
            let shared = match Shared::new(&plugin, limits) {
                Ok(shared) => shared,
                Err(error) => {
                    tracing::error!(plugin = name, "plugin `{name}` does not start: {error}");
                    continue;
                }
            };
            let reporter = Reporter::new(&plugin.identity, origin, shared.clone(), out());
            match Worker::spawn(plugin, config, Box::new(reporter)) {
                Ok(worker) => {
                    running.workers.push(worker);
                    running.reported.push(shared);
                }
                Err(error @ StartError::Thread { .. }) => return Err(error),
                Err(error) => tracing::error!(plugin = name, "{error}"),
            }
        }
        Ok(running)
    }
}

/// Plugins that run, each with what it has reported.
#[derive(Default)]
pub struct Running {
    /// The workers.
    pub workers: Vec<Worker>,
    /// What each has reported.
    pub reported: Vec<Shared>,
    /// Files that were refused, and why.
    pub refused: Vec<Refusal>,
}

impl Running {
    /// Each running plugin's subscription, in their order.
    #[must_use]
    pub fn subscriptions(&self) -> Vec<Kinds> {
        self.workers
            .iter()
            .map(|worker| worker.plugin().subscription())
            .collect()
    }
}
