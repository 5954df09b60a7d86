//! `vespid recording`: what can be done with a recording but replay it.
use std::path::Path;

use clap::Subcommand;

use super::Failure;
use crate::recording::{RecordingError, SliceError};

mod anonymise;
mod batches;
mod cut;
mod export;
mod info;
mod merge;

#[derive(Debug, Subcommand)]
pub(super) enum RecordingCommand {
    /// Say what is in a recording, and whether it is whole.
    Info(info::Args),
    /// Write a part of a recording as a recording, all of it in another form, or what is whole of one that was cut off.
    #[command(visible_alias = "convert")]
    Cut(cut::Args),
    /// Write several recordings of one node as one, in order of time.
    Merge(merge::Args),
    /// Write a recording in which nothing names its users, their files, their programs or their network.
    Anonymise(anonymise::Args),
    /// Write a recording as tables for DuckDB, Polars, Spark and others.
    Export(export::Args),
    /// Print the calls that a plugin gets for a recording, as JSON Lines.
    Batches(batches::Args),
}

pub(super) fn main(command: &RecordingCommand) -> Result<(), Failure> {
    match command {
        RecordingCommand::Info(args) => info::main(args),
        RecordingCommand::Cut(args) => cut::main(args),
        RecordingCommand::Merge(args) => merge::main(args),
        RecordingCommand::Anonymise(args) => anonymise::main(args),
        RecordingCommand::Export(args) => export::main(args),
        RecordingCommand::Batches(args) => batches::main(args),
    }
}

/// A recording could not be read to its end.
pub(super) fn damaged(error: RecordingError) -> Failure {
    match error {
        RecordingError::Ambiguous { .. } => Failure::usage(error.into()),
        error => Failure::recording(error.into()),
    }
}

/// A recording could not be written.
fn unwritten(error: RecordingError) -> Failure {
    Failure::output(error.into())
}

pub(super) fn refused(error: SliceError) -> Failure {
    Failure::usage(error.into())
}

/// Refuses an output that is an input: it would be replaced by what is made of it.
fn check_output(output: &Path, inputs: &[&Path]) -> Result<(), Failure> {
    let same = |input: &&&Path| {
        let (a, b) = (input.canonicalize(), output.canonicalize());
        matches!((a, b), (Ok(a), Ok(b)) if a == b)
    };
    match inputs.iter().find(same) {
        None => Ok(()),
        Some(input) => Err(Failure::usage(anyhow::anyhow!(
            "{} would replace the recording it is made of: give another name with -o",
            input.display()
        ))),
    }
}
