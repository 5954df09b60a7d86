//! Why a file does not become a plugin, said so that its owner knows what to do.
use std::path::PathBuf;

use super::compile::error::CompileError;
use super::config::ConfigError;
use super::failure::Failure;
use super::manifest::ManifestError;
use crate::interface::ACCEPTED;

/// A file that does not become a plugin.
#[derive(Debug, thiserror::Error)]
#[error("{} is not loaded: {why}", file.display())]
pub struct Refusal {
    /// The file.
    pub file: PathBuf,
    /// Why.
    pub why: Why,
}

/// Why a file does not become a plugin.
#[derive(Debug, thiserror::Error)]
pub enum Why {
    /// It, or its configuration file, cannot be read.
    #[error("{0}; the daemon's user must be able to read it")]
    Unreadable(std::io::Error),
    /// Over the limit.
    #[error(
        "it has more than {max} bytes; build it with optimisation and without debug information, or raise the limit"
    )]
    TooLarge {
        /// The limit.
        max: u64,
    },
    /// Something else altogether.
    #[error("it is not WebAssembly")]
    NotWasm,
    /// A module that nobody made a component of.
    #[error(
        "it is a core module, not a component; link it with `wasm-component-ld`, or run \
         `wasm-tools component new` on it"
    )]
    CoreModule,
    /// Broken, or of a future WebAssembly.
    #[error("it is not valid WebAssembly: {0}; build it again, and compare its checksum if it was copied")]
    Invalid(String),
    /// Valid as far as that is known, but the compiler did not come to an end with it.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// Some other component.
    #[error(
        "it is a component but no plugin: it does not export `vespid:plugin/guest`; build it for the world \
         `vespid:plugin/plugin`"
    )]
    NoGuest,
    /// A plugin for another daemon.
    #[error(
        "it is built for interface version {found}, and this daemon runs {}; build it against one of \
         these, or use the daemon it was built for",
        ACCEPTED.join(" and ")
    )]
    Version {
        /// What it exports.
        found: String,
    },
    /// It wants a system.
    #[error(
        "it imports `{import}`, and a plugin has no access to the system; build it for wasm32-unknown-unknown, \
         or leave WASI out with your toolchain's option for that"
    )]
    Wasi {
        /// The first such import.
        import: String,
    },
    /// It wants something that no daemon has.
    #[error("it imports `{import}`, and a plugin may import nothing but `vespid:plugin/log`; remove what needs it")]
    Import {
        /// The first such import.
        import: String,
    },
    /// Its functions are not those of the interface, whatever their names.
    #[error("its functions are not those of the interface: {0}; generate its bindings from the daemon's WIT files")]
    Interface(String),
    /// It could not even describe itself.
    #[error("it could not describe itself: {0}")]
    Describe(Failure),
    /// It describes something impossible.
    #[error("it describes itself wrongly: {0}")]
    Manifest(#[from] ManifestError),
    /// Its configuration is not one.
    #[error("{}: {error}", file.display())]
    Config {
        /// The configuration file.
        file: PathBuf,
        /// What is wrong with it.
        error: ConfigError,
    },
    /// Another file got the name first.
    #[error("{} is a plugin of the same name, `{name}`, and comes first; remove one of them", first.display())]
    Duplicate {
        /// The name.
        name: String,
        /// The file that has it.
        first: PathBuf,
    },
}
