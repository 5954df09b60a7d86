//! The `vespid` command.
use std::process::ExitCode;

fn main() -> ExitCode {
    vespid::cli::main()
}
