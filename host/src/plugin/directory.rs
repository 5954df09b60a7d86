//! A directory of plugins, scanned once at start.
//!
//! Every `NAME.wasm` is a plugin, and `NAME.toml` beside it its configuration. One file's fault is that file's alone.
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::component::Plugin;
use super::config::ConfigError;
use super::engine::Engine;
use super::limits::Limits;
use super::refusal::{Refusal, Why};

/// A plugin and its configuration.
#[derive(Clone)]
pub struct Found {
    /// The plugin.
    pub plugin: Plugin,
    /// Its configuration; `{}` without a file.
    pub config: Value,
}

/// The directory as a whole cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// It is not there.
    #[error("plugin directory {} does not exist; create it, or name another one", .0.display())]
    Missing(PathBuf),
    /// It cannot be read.
    #[error("cannot read plugin directory {}: {source}", directory.display())]
    Unreadable {
        /// The directory.
        directory: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Loads every plugin of a directory, in the order of their file names. Of two plugins with one name the first stays.
///
/// # Errors
/// If the directory itself cannot be read.
pub fn scan(engine: &Engine, directory: &Path, limits: &Limits) -> Result<Vec<Result<Found, Refusal>>, DirectoryError> {
    let mut names = BTreeMap::new();
    let files = component_files(directory)?;
    Ok(files
        .into_iter()
        .map(|file| {
            let found = load(engine, &file, limits)?;
            let name = &found.plugin.identity.name;
            if let Some(first) = names.get(name) {
                let why = Why::Duplicate {
                    name: name.clone(),
                    first: PathBuf::clone(first),
                };
                return Err(Refusal { file, why });
            }
            names.insert(name.clone(), file);
            Ok(found)
        })
        .collect())
}

/// Loads one plugin, with the configuration beside it.
///
/// # Errors
/// Why the file does not become a plugin.
pub fn load(engine: &Engine, file: &Path, limits: &Limits) -> Result<Found, Refusal> {
    let plugin = Plugin::load(engine, file, limits)?;
    let config_file = file.with_extension("toml");
    let config = read_config(&config_file, &plugin).map_err(|why| Refusal {
        file: file.to_owned(),
        why,
    })?;
    Ok(Found { plugin, config })
}

fn component_files(directory: &Path) -> Result<Vec<PathBuf>, DirectoryError> {
    let failed = |source: std::io::Error| match source.kind() {
        ErrorKind::NotFound => DirectoryError::Missing(directory.to_owned()),
        _ => DirectoryError::Unreadable {
            directory: directory.to_owned(),
            source,
        },
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        // A Kubernetes ConfigMap keeps its files behind links, and older versions of them in hidden directories.
        let is_hidden = file
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if file.extension().is_some_and(|extension| extension == "wasm") && !is_hidden && !file.is_dir() {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

fn read_config(file: &Path, plugin: &Plugin) -> Result<Value, Why> {
    let wrong = |error| Why::Config {
        file: file.to_owned(),
        error,
    };
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Value::Object(Map::new())),
        Err(error) => return Err(wrong(ConfigError::Syntax(format!("cannot be read: {error}")))),
    };
    let config: Value = toml::from_str(&text).map_err(|error| wrong(ConfigError::Syntax(error.to_string())))?;
    plugin.check_config(&config).map_err(wrong)?;
    Ok(config)
}
