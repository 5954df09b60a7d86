//! `vespid config check` and `vespid config default`: look before you run.
use std::path::PathBuf;

use super::Failure;
use crate::config::{Config, DEFAULT};

#[derive(Debug, clap::Args)]
pub(super) struct ConfigArgs {
    /// The configuration.
    file: PathBuf,
}

#[expect(clippy::print_stdout, reason = "this is the command's result")]
pub(super) fn config(args: &ConfigArgs) -> Result<(), Failure> {
    Config::read(&args.file).map_err(|error| Failure::usage(error.into()))?;
    println!("{}: valid", args.file.display());
    Ok(())
}

#[expect(
    clippy::print_stdout,
    clippy::unnecessary_wraps,
    reason = "this is the command's result"
)]
pub(super) fn default_config() -> Result<(), Failure> {
    print!("{DEFAULT}");
    Ok(())
}
