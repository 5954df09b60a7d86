//! `vespid plugin wit`: the interface, for a toolchain that makes bindings of it.
use std::path::PathBuf;

use super::Failure;
use crate::author::interface;
use crate::interface::ACCEPTED;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The folder that becomes the package, made if need be. What is in it of an earlier version is replaced.
    #[arg(default_value = "wit", value_name = "DIR")]
    folder: PathBuf,
}

#[expect(clippy::print_stdout, reason = "this is the command's result")]
pub(super) fn main(args: &Args) -> Result<(), Failure> {
    let files = interface(&args.folder).map_err(|error| Failure::output(error.into()))?;
    for file in files {
        println!("{}: vespid:plugin@{}, world `plugin`", file.display(), ACCEPTED[0]);
    }
    Ok(())
}
