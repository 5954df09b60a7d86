//! A file on its way to a plugin: read, inspected, compiled, asked what it is.
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::bytes::hex;
use crate::interface::vespid::plugin::describe::{Kinds, Manifest};

use super::code::Code;
use super::compile::Origin;
use super::config::{ConfigError, check_keys};
use super::engine::Engine;
use super::failure::Failure;
use super::inspect::inspect;
use super::instance::{Instance, Snapshot};
use super::limits::Limits;
use super::log_gate::LogGate;
use super::manifest;
use super::refusal::{Refusal, Why};

/// A plugin that can be started. Cheap to clone.
#[derive(Clone)]
pub struct Plugin {
    /// What it is, for whoever reads its reports.
    pub identity: Arc<Identity>,
    /// What it says about itself.
    pub manifest: Arc<Manifest>,
    /// JSON Schema of its configuration; `{}` if it has none.
    pub schema: Arc<Value>,
    /// How its code was come by.
    pub origin: Origin,
    code: Code,
    pub(super) limits: Arc<Limits>,
    pub(super) log: Arc<LogGate>,
}

/// Which plugin.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Identity {
    /// Its name, unique in a daemon.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of its file, in hexadecimal.
    pub digest: String,
    /// Its file.
    pub file: PathBuf,
    /// Version of the interface that it speaks.
    pub interface: &'static str,
}

impl Plugin {
    /// Makes a plugin of a component file. Nothing in the file runs before it is known to be one.
    ///
    /// # Errors
    /// Why the file does not become a plugin.
    pub fn load(engine: &Engine, file: &Path, limits: &Limits) -> Result<Plugin, Refusal> {
        let bytes = read(file, limits.file_bytes).map_err(|why| Refusal {
            file: file.to_owned(),
            why,
        })?;
        Plugin::from_bytes(engine, file, &bytes, limits)
    }

    /// Like [`Plugin::load`], for whoever has read `file` already.
    ///
    /// # Errors
    /// Why the file does not become a plugin.
    pub fn from_bytes(engine: &Engine, file: &Path, bytes: &[u8], limits: &Limits) -> Result<Plugin, Refusal> {
        Plugin::new(engine, file, bytes, limits).map_err(|why| Refusal {
            file: file.to_owned(),
            why,
        })
    }

    fn new(engine: &Engine, file: &Path, bytes: &[u8], limits: &Limits) -> Result<Plugin, Why> {
        let max = limits.file_bytes;
        if bytes.len() as u64 > max {
            return Err(Why::TooLarge { max });
        }
        let interface = inspect(bytes)?;
        let digest = Sha256::digest(bytes).into();
        let (code, origin) = Code::new(engine, bytes, &digest)?;
        let limits = Arc::new(limits.clone());
        let log = Arc::new(LogGate::new(limits.log_lines_per_second, Instant::now()));
        let manifest = describe(&code, file, &limits, &log)?;
        let schema = manifest::check(&manifest)?;
        let identity = Identity {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            digest: hex(&digest),
            file: file.to_owned(),
            interface,
        };
        Ok(Plugin {
            identity: Arc::new(identity),
            manifest: Arc::new(manifest),
            schema: Arc::new(schema),
            origin,
            code,
            limits,
            log,
        })
    }

    /// What a component says about itself, be it acceptable or not.
    ///
    /// # Errors
    /// Why it cannot even be asked.
    pub fn description(engine: &Engine, file: &Path, bytes: &[u8], limits: &Limits) -> Result<Manifest, Why> {
        inspect(bytes)?;
        let (code, _) = Code::new(engine, bytes, &Sha256::digest(bytes).into())?;
        let log = Arc::new(LogGate::new(limits.log_lines_per_second, Instant::now()));
        describe(&code, file, &Arc::new(limits.clone()), &log)
    }

    /// The tables that it wants. Which rows of them, an instance says ([`Instance::subscription`]).
    #[must_use]
    pub fn tables(&self) -> Kinds {
        self.manifest.subscription
    }

    /// The same plugin, with a log of its own: for an instance beside the one that runs.
    #[must_use]
    pub fn apart(&self) -> Plugin {
        let log = LogGate::new(self.limits.log_lines_per_second, Instant::now());
        Plugin {
            log: Arc::new(log),
            ..self.clone()
        }
    }

    /// Whether its schema knows all keys of a configuration.
    ///
    /// # Errors
    /// The first unknown key.
    pub fn check_config(&self, config: &Value) -> Result<(), ConfigError> {
        check_keys(&self.schema, config)
    }

    /// An instance that wants its configuration next.
    ///
    /// # Errors
    /// If it fails while it is made: a start function is guest code too.
    pub fn instantiate(&self) -> Result<Instance, Failure> {
        let (manifest, limits, log) = (self.manifest.clone(), self.limits.clone(), self.log.clone());
        Instance::new(&self.code, manifest, limits, log)
    }

    /// Starts an instance, from a snapshot if there is one; a snapshot that the plugin does not understand is ignored.
    ///
    /// # Errors
    /// If it does not accept its configuration, or fails while starting.
    pub fn start(&self, config: &Value, snapshot: Option<&Snapshot>) -> Result<Instance, Failure> {
        let mut instance = self.instantiate()?;
        instance.init(&config.to_string())?;
        if let Some(snapshot) = snapshot {
            instance.restore(snapshot)?;
        }
        Ok(instance)
    }
}

pub(super) fn read(file: &Path, max: u64) -> Result<Vec<u8>, Why> {
    let mut bytes = Vec::new();
    let file = File::open(file).map_err(Why::Unreadable)?;
    file.take(max.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(Why::Unreadable)?;
    if bytes.len() as u64 > max {
        Err(Why::TooLarge { max })
    } else {
        Ok(bytes)
    }
}

/// Asks in an instance that is thrown away: the first one that counts starts with its configuration.
fn describe(code: &Code, file: &Path, limits: &Arc<Limits>, log: &Arc<LogGate>) -> Result<Manifest, Why> {
    let unknown = Manifest {
        name: file.file_stem().unwrap_or_default().display().to_string(),
        version: String::new(),
        description: String::new(),
        subscription: Kinds::empty(),
        metrics: Vec::new(),
        config_schema: String::new(),
        state_version: 0,
        look_back: 0,
    };
    Instance::new(code, Arc::new(unknown), limits.clone(), log.clone())
        .and_then(|mut instance| instance.describe())
        .map_err(Why::Describe)
}
