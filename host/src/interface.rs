//! The plugin interface as Rust types, generated from `wit/`.
//!
//! A batch is built directly in these types, so there is no second copy of the schema to keep in step.
#![allow(missing_docs, reason = "generated; documented in wit/vespid.wit")]
use serde::{Serialize, Serializer};

wasmtime::component::bindgen!({
    path: "../wit",
    world: "plugin",
    ownership: Owning,
    // A plugin may call the daemon only so often.
    imports: { default: trappable },
    // For `vespid recording batches`: the columns have their names.
    additional_derives: [serde::Serialize],
});

/// As the names of its tables: a derive leaves flags out.
impl Serialize for vespid::plugin::describe::Kinds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        crate::plugin::kind_names(*self).serialize(serializer)
    }
}
