//! `vespid recording`: what can be done with a recording but replay it.
use clap::Subcommand;

use super::Failure;
use crate::recording::{RecordingError, SliceError};

mod batches;

#[derive(Debug, Subcommand)]
pub(super) enum RecordingCommand {
    /// Print the calls that a plugin gets for a recording, as JSON Lines.
    Batches(batches::Args),
}

pub(super) fn main(command: &RecordingCommand) -> Result<(), Failure> {
    match command {
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

pub(super) fn refused(error: SliceError) -> Failure {
    Failure::usage(error.into())
}
