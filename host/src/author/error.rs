//! Why there is no new project, said so that its author knows what to do.
use std::io;
use std::path::PathBuf;

use super::language::Language;
use crate::plugin::ManifestError;

/// Why there is no new project.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The name cannot be a plugin's.
    #[error("`{name}` cannot be a plugin: {cause}")]
    Name {
        /// The name.
        name: String,
        /// Why.
        cause: ManifestError,
    },
    /// There is something already.
    #[error("{} exists and is not an empty folder; choose another name, or another folder with `--in`", .0.display())]
    Exists(PathBuf),
    /// The SDK that was named is none.
    #[error("{} is not the SDK: it has no Cargo.toml of the package vespid-plugin", .0.display())]
    NoSdk(PathBuf),
    /// Only Rust has an SDK.
    #[error("`--sdk` is for Rust; a project in {0} needs nothing but `wit/`, which it brings along")]
    SdkNotForThis(Language),
    /// A file could not be written.
    #[error("cannot write {}: {cause}", file.display())]
    NotWritten {
        /// The file.
        file: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// What this program carries cannot be used.
    #[error("this program carries an SDK that cannot be unpacked: {0}; this is a fault of its build")]
    Broken(String),
}
