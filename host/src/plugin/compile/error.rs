//! What goes wrong between a valid-looking component and its code.
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

/// Why a component was not compiled, apart from being invalid.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// No process for the compiler.
    #[error(
        "the compiler {} cannot be started: {error}; the daemon starts its own program for that, which must be \
         executable for its user, with /proc mounted and a process to spare",
        program.display()
    )]
    Start {
        /// What was started.
        program: PathBuf,
        /// Why it was not.
        error: std::io::Error,
    },
    /// It runs, but cannot be talked to.
    #[error("the compiler's pipes failed: {0}; load the file again")]
    Pipe(std::io::Error),
    /// Too much memory.
    #[error(
        "compiling it takes more than {} MiB of memory; build it with optimisation and without what it does not \
         need, and look at where it comes from: a component can be made to exhaust a compiler",
        max_bytes >> 20
    )]
    OutOfMemory {
        /// What the compiler may have, as address space.
        max_bytes: u64,
    },
    /// Too much time.
    #[error(
        "compiling it was given up after {} s of processor time; build it with optimisation and without what it does not need, and \
         look at where it comes from: a component can be made to exhaust a compiler",
        max.as_secs_f64()
    )]
    TooSlow {
        /// What each of the compiler's threads may take.
        max: Duration,
    },
    /// It neither computes nor ends.
    #[error(
        "the compiler has done nothing for {} s; load the file again, and see whether something stops processes on \
         this node",
        idle.as_secs_f64()
    )]
    Stuck {
        /// How long it was waited for.
        idle: Duration,
    },
    /// Too much code.
    #[error("it compiles to more than {} MiB of code; build it without what it does not need", max_bytes >> 20)]
    TooMuchCode {
        /// What a component may compile to.
        max_bytes: usize,
    },
    /// Killed by somebody else.
    #[error(
        "the compiler was killed, as the kernel does when memory is short; load the file again when there is \
         more, or with a higher memory limit on the daemon"
    )]
    Killed,
    /// A bug of the compiler's.
    #[error(
        "the compiler failed on it ({status}): {}; nothing else is affected; build the component with other options \
         or another toolchain, and report it together with the file",
        or_nothing(said)
    )]
    Crashed {
        /// How it ended.
        status: ExitStatus,
        /// What it wrote to standard error.
        said: String,
    },
    /// Code for somebody else.
    #[error("its code cannot be used: {0}; the compiler must be the same program as the daemon, on the same machine")]
    Unusable(String),
}

impl CompileError {
    /// Whether it is no fault of the component's, so that trying again may help.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(
            self,
            CompileError::Start { .. } | CompileError::Pipe(_) | CompileError::Stuck { .. } | CompileError::Killed
        )
    }

    #[expect(clippy::needless_pass_by_value, reason = "for map_err")]
    pub(super) fn unusable(error: wasmtime::Error) -> CompileError {
        CompileError::Unusable(format!("{error:#}"))
    }
}

fn or_nothing(said: &str) -> &str {
    if said.is_empty() { "it said nothing" } else { said }
}
