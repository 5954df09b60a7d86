//! From a component's bytes to machine code: out of the cache if it has it, else through the compiler.
//!
//! The compiler needs tens of megabytes for a small component, most of which its process keeps; and a component can be
//! made to need gigabytes, minutes, or a bug of the compiler's. So a daemon compiles in a process of its own
//! ([`Compiler::Child`]), which ends with its memory and takes nothing along; a library or a test may compile where
//! it is.
mod cache;
mod child;
mod confine;
mod entry;
pub(super) mod error;
mod pulse;
mod serve;
mod sweep;
mod trusted;

#[cfg(test)]
mod tests;

pub use cache::{Cache, CacheError};
pub use child::{Child, ChildLimits};
pub use confine::Allowance;
pub use error::CompileError;
pub use serve::{ServeError, serve};
pub use sweep::CacheLimits;

use std::time::{Duration, Instant};

use wasmtime::component::Component;

use entry::Key;

use super::refusal::Why;

/// Where components are compiled.
#[derive(Clone, Debug)]
pub enum Compiler {
    /// In this process.
    InProcess,
    /// In a process of its own, one for each component.
    Child(Child),
}

/// How the code of a component was come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Whether it was in the cache.
    pub is_cached: bool,
    /// How long it took.
    pub took: Duration,
}

/// How an engine comes by code.
#[derive(Debug)]
pub(super) struct Compilation {
    compiler: Compiler,
    cache: Option<Cache>,
    /// Of everything that the code depends on besides the component.
    settings: entry::Digest,
}

impl Compilation {
    pub(super) fn new(engine: &wasmtime::Engine, compiler: Compiler, cache: Option<Cache>) -> Compilation {
        Compilation {
            compiler,
            cache,
            settings: entry::settings(engine),
        }
    }

    /// The code of the component `bytes`, whose SHA-256 is `digest`.
    pub(super) fn component(
        &self,
        engine: &wasmtime::Engine,
        bytes: &[u8],
        digest: &entry::Digest,
    ) -> Result<(Component, Origin), Why> {
        let begin = Instant::now();
        let key = Key::new(&self.settings, digest);
        if let Some(component) = self.cached(engine, &key) {
            let took = begin.elapsed();
            tracing::debug!(%key, "code from the cache in {took:?}");
            return Ok((component, Origin { is_cached: true, took }));
        }
        let component = match (&self.compiler, &self.cache) {
            (Compiler::InProcess, None) => Component::from_binary(engine, bytes).map_err(invalid)?,
            (compiler, cache) => {
                let code = compiler.compile(engine, bytes)?;
                let component = trusted::code(engine, &code).map_err(CompileError::unusable)?;
                if let Some(cache) = cache {
                    cache.put(&key, &code);
                }
                component
            }
        };
        let took = begin.elapsed();
        tracing::debug!(%key, "compiled in {took:?}");
        Ok((component, Origin { is_cached: false, took }))
    }

    fn cached(&self, engine: &wasmtime::Engine, key: &Key) -> Option<Component> {
        let cache = self.cache.as_ref()?;
        let code = cache.get(key)?;
        trusted::code(engine, code.code())
            .map_err(|error| cache.reject(key, &entry::Damage::Unusable(format!("{error:#}"))))
            .ok()
    }
}

impl Compiler {
    fn compile(&self, engine: &wasmtime::Engine, bytes: &[u8]) -> Result<Vec<u8>, Why> {
        match self {
            Compiler::InProcess => engine.precompile_component(bytes).map_err(invalid),
            Compiler::Child(child) => child.compile(bytes),
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn invalid(error: wasmtime::Error) -> Why {
    Why::Invalid(format!("{error:#}"))
}
