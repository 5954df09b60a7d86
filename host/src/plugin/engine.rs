//! The one wasmtime engine of a process, and the ticker that gives its deadlines a clock.
//!
//! Memory is allocated on demand: a daemon has a dozen long-lived instances, so the pooling allocator would save
//! microseconds a restart and cost a fixed budget of instances, tables and memory sizes that the components of every
//! language would have to fit.
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::tick;
use wasmtime::{Config, EngineWeak, OptLevel, WasmBacktraceDetails};

use super::compile::{Cache, Compilation, Compiler};

/// How fine a deadline is. Each tick wakes a thread, whether or not a guest runs.
const EPOCH: Duration = Duration::from_millis(20);
const BACKTRACE_FRAMES: NonZeroUsize = NonZeroUsize::new(24).unwrap();
/// What a guest may use of its thread's stack.
const STACK_BYTES: usize = 512 << 10;
/// Stack of a thread that calls guests: theirs, and plenty for the daemon's own frames below and above.
pub(super) const THREAD_STACK_BYTES: usize = 2 << 20;

/// Compiles and runs plugins. Cheap to clone; the ticker ends when the last clone and the last instance are gone.
#[derive(Clone)]
pub struct Engine {
    wasmtime: wasmtime::Engine,
    pub(super) compilation: Arc<Compilation>,
}

/// Why no engine could be made.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// wasmtime does not support this machine or configuration.
    #[error("this machine cannot run WebAssembly: {0:#}")]
    Unsupported(wasmtime::Error),
    /// No thread for the ticker.
    #[error("cannot start the thread that watches the plugins' deadlines: {0}")]
    Ticker(std::io::Error),
}

impl Engine {
    /// An engine that compiles in this process, every time.
    ///
    /// # Errors
    /// As of [`Engine::with`].
    pub fn new() -> Result<Engine, EngineError> {
        Engine::with(Compiler::InProcess, None)
    }

    /// Makes an engine and starts its ticker.
    ///
    /// # Errors
    /// If wasmtime does not support this machine, or no thread can be had.
    pub fn with(compiler: Compiler, cache: Option<Cache>) -> Result<Engine, EngineError> {
        Engine::of(&config(), compiler, cache)
    }

    /// An engine that counts the instructions of its guests, which costs them some time. Code from another engine's cache
    /// is of no use to it.
    ///
    /// # Errors
    /// As of [`Engine::with`].
    pub fn counting() -> Result<Engine, EngineError> {
        Engine::of(config().consume_fuel(true), Compiler::InProcess, None)
    }

    fn of(config: &Config, compiler: Compiler, cache: Option<Cache>) -> Result<Engine, EngineError> {
        let engine = wasmtime::Engine::new(config).map_err(EngineError::Unsupported)?;
        let weak = engine.weak();
        std::thread::Builder::new()
            .name("epoch".into())
            .spawn(move || keep_time(&weak))
            .map_err(EngineError::Ticker)?;
        Ok(Engine {
            compilation: Arc::new(Compilation::new(&engine, compiler, cache)),
            wasmtime: engine,
        })
    }

    /// The engine itself.
    #[must_use]
    pub fn wasmtime(&self) -> &wasmtime::Engine {
        &self.wasmtime
    }
}

/// What code is compiled for, here and in a compiler process alike.
pub(super) fn config() -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .cranelift_opt_level(OptLevel::Speed)
        .epoch_interruption(true)
        .max_wasm_stack(STACK_BYTES)
        .wasm_backtrace_max_frames(Some(BACKTRACE_FRAMES))
        .wasm_backtrace_details(WasmBacktraceDetails::Enable)
        // WebAssembly lets machines differ in these two things; the same events shall give the same verdicts on all.
        .cranelift_nan_canonicalization(true)
        .wasm_relaxed_simd(false);
    config
}

fn keep_time(engine: &EngineWeak) {
    for _ in tick(EPOCH) {
        let Some(engine) = engine.upgrade() else { return };
        engine.increment_epoch();
    }
}

/// The deadline, in epochs from now, that lets a call run for at least `time`.
pub(super) fn epochs(time: Duration) -> u64 {
    // The current epoch is partly over, hence one more.
    u64::try_from(time.as_nanos().div_ceil(EPOCH.as_nanos())).unwrap_or(u64::MAX / 2) + 1
}
