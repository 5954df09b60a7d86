//! Compiled code with its imports resolved.
use wasmtime::Store;
use wasmtime::component::{HasSelf, Linker};

use crate::interface;
use crate::interface::vespid::plugin::log;

use super::compile::Origin;
use super::engine::Engine;
use super::refusal::Why;
use super::tenant::Tenant;

/// The code of a component. Cheap to clone.
#[derive(Clone)]
pub(super) struct Code(interface::PluginPre<Tenant>);

impl Code {
    pub(super) fn new(engine: &Engine, bytes: &[u8], digest: &[u8; 32]) -> Result<(Code, Origin), Why> {
        let compilation = &engine.compilation;
        let engine = engine.wasmtime();
        let (component, origin) = compilation.component(engine, bytes, digest)?;
        let mismatch = |error: wasmtime::Error| Why::Interface(format!("{error:#}"));
        let mut linker = Linker::new(engine);
        log::add_to_linker::<_, HasSelf<_>>(&mut linker, |tenant: &mut Tenant| tenant).map_err(mismatch)?;
        let pre = linker.instantiate_pre(&component).map_err(mismatch)?;
        let code = interface::PluginPre::new(pre).map(Code).map_err(mismatch)?;
        Ok((code, origin))
    }

    pub(super) fn engine(&self) -> &wasmtime::Engine {
        self.0.engine()
    }

    pub(super) fn instantiate(&self, store: &mut Store<Tenant>) -> wasmtime::Result<interface::Plugin> {
        self.0.instantiate(store)
    }
}
