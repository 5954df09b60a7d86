//! Where things are in the work tree.

use std::path::{Path, PathBuf};

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// Where cargo puts the daemon, and where `plugins/` and `zoo/` with the built components are.
pub(crate) fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// The shipped plugins as components, each with its configuration beside it when it has one.
pub(crate) fn plugins_dir() -> PathBuf {
    target_dir().join("plugins")
}

/// The component that misbehaves for the tests of the runtime.
pub(crate) fn zoo_component() -> PathBuf {
    target_dir().join("zoo").join("zoo.wasm")
}
