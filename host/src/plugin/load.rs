//! A component and its configuration file, read together.
use std::io::ErrorKind;
use std::path::Path;

use serde_json::Value;

use super::component::{Plugin, read};
use super::config::ConfigError;
use super::engine::Engine;
use super::refusal::{Refusal, Why};
use super::settings::{Settings, split};

/// A plugin, its configuration, and what it may use.
#[derive(Clone)]
pub struct Found {
    /// The plugin.
    pub plugin: Plugin,
    /// Its configuration; `{}` without a file.
    pub config: Value,
    /// What its configuration file says to the daemon, over the defaults.
    pub settings: Settings,
}

/// Loads `NAME.wasm` with the configuration in `NAME.toml` beside it.
///
/// # Errors
/// Why the file does not become a plugin.
pub fn load(engine: &Engine, file: &Path, defaults: &Settings) -> Result<Found, Refusal> {
    let refused = |why| Refusal {
        file: file.to_owned(),
        why,
    };
    let text = match std::fs::read_to_string(file.with_extension("toml")) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => {
            let error = ConfigError::Syntax(format!("cannot be read: {error}"));
            return Err(refused(wrong(file, error)));
        }
    };
    let bytes = read(file, defaults.limits.file_bytes).map_err(refused)?;
    make(engine, file, &bytes, &text, defaults)
}

/// Makes a plugin of what `file`, and the configuration file beside it, had when they were read.
///
/// # Errors
/// Why they do not become a plugin.
pub fn make(engine: &Engine, file: &Path, bytes: &[u8], text: &str, defaults: &Settings) -> Result<Found, Refusal> {
    let refused = |error| Refusal {
        file: file.to_owned(),
        why: wrong(file, error),
    };
    let (settings, config) = split(text, defaults).map_err(refused)?;
    let plugin = Plugin::from_bytes(engine, file, bytes, &settings.limits)?;
    plugin.check_config(&config).map_err(refused)?;
    Ok(Found {
        plugin,
        config,
        settings,
    })
}

fn wrong(file: &Path, error: ConfigError) -> Why {
    Why::Config {
        file: file.with_extension("toml"),
        error,
    }
}
