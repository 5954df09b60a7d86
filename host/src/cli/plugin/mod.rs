//! `vespid plugin`: what an author of plugins does.
use std::path::PathBuf;

use clap::Subcommand;

use super::Failure;
use crate::config::Config;
use crate::logging::Choice;

mod bench;
mod build;
mod inspect;
mod new;
mod test;
mod wit;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a new plugin: a project that works, with a test case.
    New(new::Args),
    /// Build a plugin's project into a component.
    Build(build::Args),
    /// Run a plugin's test cases with the built component, without privileges.
    Test(test::Args),
    /// Load a plugin as `run` would, and say what it is, or why it is refused.
    #[command(visible_alias = "check")]
    Inspect(inspect::Args),
    /// Measure what a plugin costs, on a recording.
    Bench(bench::Args),
    /// Write the plugin interface as a WIT package, for a toolchain of your own.
    Wit(wit::Args),
}

/// The daemon whose limits and cache apply.
#[derive(Debug, clap::Args)]
struct Daemon {
    /// The daemon's configuration, for its limits and its cache. Without it, the defaults.
    #[arg(long = "config", short, value_name = "FILE", env = "VESPID_CONFIG")]
    config: Option<PathBuf>,
}

impl Daemon {
    fn config(&self) -> Result<Config, Failure> {
        match &self.config {
            Some(path) => Config::read(path).map_err(|error| Failure::usage(error.into())),
            None => Ok(Config::default()),
        }
    }
}

pub(super) fn main(command: &Command, log: Choice) -> Result<(), Failure> {
    match command {
        Command::New(args) => new::main(args),
        Command::Build(args) => build::main(args, log),
        Command::Test(args) => test::main(args, log),
        Command::Inspect(args) => inspect::main(args, log),
        Command::Bench(args) => bench::main(args, log),
        Command::Wit(args) => wit::main(args),
    }
}
