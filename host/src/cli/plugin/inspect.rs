//! `vespid plugin inspect`: what a component is, or why it is refused.
use std::path::{Path, PathBuf};

use super::{Daemon, Failure};
use crate::config::Config;
use crate::interface::vespid::plugin::describe::Manifest;
use crate::logging::{self, Choice};
use crate::plugin::{Anatomy, Cache, CacheLimits, Child, Compiler, Engine, Found, Plugin, Refusal, Why, load};

mod schema;
mod show;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The component. A configuration beside it, `NAME.toml`, is checked too.
    file: PathBuf,
    #[command(flatten)]
    daemon: Daemon,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// A component file, looked at from all sides.
pub(super) struct Subject {
    file: PathBuf,
    anatomy: Anatomy,
    outcome: Result<Accepted, Failure>,
    /// What it says about itself, even if it is refused.
    manifest: Option<Manifest>,
}

/// What the daemon would run.
pub(super) struct Accepted {
    pub(super) plugin: Plugin,
    /// With its configuration.
    memory_at_start: usize,
}

pub(super) fn main(args: &Args, log: Choice) -> Result<(), Failure> {
    let subject = Subject::load(&args.file, &args.daemon, log)?;
    subject.print(args.json);
    subject.outcome.map(drop)
}

impl Subject {
    /// Looks at a file.
    ///
    /// # Errors
    /// If it cannot be read, or this machine cannot run WebAssembly. That it is refused is no error of this.
    pub(super) fn load(file: &Path, daemon: &Daemon, log: Choice) -> Result<Subject, Failure> {
        let config = daemon.config()?;
        logging::start(&log, &config.log, None).map_err(Failure::usage)?;
        let engine = engine(&config)?;
        let settings = config.plugins.settings();
        let bytes = std::fs::read(file)
            .map_err(|error| Failure::plugin(anyhow::anyhow!("cannot read {}: {error}", file.display())))?;
        let found = load(&engine, file, &settings);
        let manifest = match &found {
            Ok(found) => Some(Manifest::clone(&found.plugin.manifest)),
            Err(Refusal {
                why: Why::Manifest(_) | Why::Config { .. },
                ..
            }) => Plugin::description(&engine, file, &bytes, &settings.limits).ok(),
            Err(_) => None,
        };
        let outcome = found
            .map_err(|refusal| Failure::plugin(refusal.into()))
            .and_then(|found| start(file, found));
        Ok(Subject {
            file: file.to_owned(),
            anatomy: Anatomy::read(&bytes),
            outcome,
            manifest,
        })
    }

    /// The plugin, if the daemon would run it.
    pub(super) fn accepted(self) -> Result<Plugin, Failure> {
        self.outcome.map(|accepted| accepted.plugin)
    }
}

/// As the daemon would, with the configuration beside it.
fn start(file: &Path, found: Found) -> Result<Accepted, Failure> {
    let fails = |failure| Failure::plugin(anyhow::anyhow!("{} does not start: it {failure}", file.display()));
    let Found { plugin, config, .. } = found;
    let instance = plugin.start(&config, None).map_err(fails)?;
    Ok(Accepted {
        memory_at_start: instance.memory_bytes(),
        plugin,
    })
}

/// As the daemon's, but an author who may not use the daemon's cache is not bothered with that.
pub(super) fn engine(config: &Config) -> Result<Engine, Failure> {
    let directory = config.plugins.cache.as_deref();
    let cache = directory.and_then(|directory| Cache::open(directory, CacheLimits::default()).ok());
    let compiler = Compiler::Child(Child::this_program());
    Ok(Engine::with(compiler, cache).map_err(anyhow::Error::from)?)
}
