//! `vespid compile`: the compiler process. Not for people, and so not in the help.
//!
//! The daemon starts it for a component that is not in its cache, with an empty environment. It reads the component
//! from standard input and writes machine code for a daemon of the same build, on the same machine, to standard
//! output. What it has to say goes to standard error; exit code 4 means that the component is invalid.
use super::Failure;
use crate::plugin::{Allowance, serve};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Address space that it may have.
    #[arg(long, value_name = "BYTES")]
    memory_bytes: Option<u64>,
    /// Processor time that it may take.
    #[arg(long, value_name = "SECONDS")]
    cpu_seconds: Option<u64>,
}

pub(super) fn main(args: &Args) -> Result<(), Failure> {
    let allowance = Allowance {
        memory_bytes: args.memory_bytes,
        cpu_seconds: args.cpu_seconds,
    };
    serve(allowance).map_err(|error| Failure {
        code: error.exit_code(),
        error: error.into(),
    })
}
