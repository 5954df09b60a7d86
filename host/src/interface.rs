//! The plugin interface as Rust types, generated from `wit/`.
//!
//! A batch is built directly in these types, so there is no second copy of the schema to keep in step.
#![allow(missing_docs, reason = "generated; documented in wit/vespid.wit")]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "plugin",
    ownership: Owning,
    // A plugin may call the daemon only so often.
    imports: { default: trappable },
});
