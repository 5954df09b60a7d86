//! The compiler process's side: one component in, its code out.
use std::io::{self, Read, Write};

use super::confine::{Allowance, confine};
use crate::plugin::engine::config;

/// Exit code for a component that is invalid: what `vespid` exits with when a plugin is refused.
pub(super) const INVALID: u8 = 4;

/// Why a compiler process has no code to offer.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// It could not lock itself up.
    #[error("the compiler cannot be confined: {0}")]
    Confine(io::Error),
    /// Its pipes failed.
    #[error("the compiler's pipes failed: {0}")]
    Pipe(io::Error),
    /// No wasmtime here.
    #[error("this machine cannot run WebAssembly: {0:#}")]
    Engine(wasmtime::Error),
    /// The memory that it may have is not enough.
    #[error("out of memory: {0:#}")]
    OutOfMemory(wasmtime::Error),
    /// The component is not valid.
    #[error("{0:#}")]
    Invalid(wasmtime::Error),
}

impl ServeError {
    /// The exit code that tells the daemon which it is.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        if matches!(self, ServeError::Invalid(_)) {
            INVALID
        } else {
            1
        }
    }
}

/// Compiles standard input to standard output, after giving up everything that this does not take. Only for the start
/// of a process that does nothing else.
///
/// # Errors
/// If there is no code; nothing was written then.
pub fn serve(allowance: Allowance) -> Result<(), ServeError> {
    confine(allowance).map_err(ServeError::Confine)?;
    let mut component = Vec::new();
    io::stdin()
        .lock()
        .read_to_end(&mut component)
        .map_err(ServeError::Pipe)?;
    let engine = wasmtime::Engine::new(&config()).map_err(ServeError::Engine)?;
    let code = engine.precompile_component(&component).map_err(|error| {
        if error.is::<wasmtime::OutOfMemory>() {
            ServeError::OutOfMemory(error)
        } else {
            ServeError::Invalid(error)
        }
    })?;
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(&code)
        .and_then(|()| stdout.flush())
        .map_err(ServeError::Pipe)
}
