//! `vespid plugin build`: a project becomes a component that the daemon takes.
use std::path::PathBuf;

use anyhow::Error;
use indicatif::DecimalBytes;

use super::{Daemon, Failure, inspect};
use crate::author::{BuildError, Project, build};
use crate::logging::Choice;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The project's folder.
    #[arg(default_value = ".", value_name = "DIR")]
    folder: PathBuf,
    #[command(flatten)]
    daemon: Daemon,
}

#[expect(clippy::print_stdout, reason = "this is the command's result")]
pub(super) fn main(args: &Args, log: Choice) -> Result<(), Failure> {
    let project = Project::open(&args.folder).map_err(|error| Failure::usage(error.into()))?;
    let built = build(&project).map_err(|error| match error {
        BuildError::NotWritten { .. } => Failure::output(error.into()),
        _ => Failure::from(Error::from(error)),
    })?;
    let subject = inspect::Subject::load(&built.file, &args.daemon, log)?;
    let plugin = subject.accepted()?;
    let named = &plugin.identity.name;
    if *named != project.name {
        return Err(Failure::plugin(Error::msg(format!(
            "{} says that its name is `{named}`, and its project says `{}`; let them agree",
            built.file.display(),
            project.name
        ))));
    }
    println!(
        "{}: {}, vespid:plugin@{}, subscribes to {}",
        built.file.strip_prefix(".").unwrap_or(&built.file).display(),
        DecimalBytes(built.bytes),
        plugin.identity.interface,
        plugin.tables().names().join(", ")
    );
    Ok(())
}
