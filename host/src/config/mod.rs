//! The daemon's configuration.
//!
//! `default.toml` is the one place that knows the keys, their defaults and their types: a user's file is laid over it,
//! and whatever has no counterpart there is refused with the nearest key that has.
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use toml::{Table, Value};

use crate::enrich::runtimes;
use crate::kernel::Way;
use crate::plugin::config::{Settings, nearest};
use crate::recording::EventKind;

/// The default configuration, with comments.
pub const DEFAULT: &str = include_str!("default.toml");

/// Everything that can be configured; see `default.toml` for meanings.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "documented where users read it, in default.toml")]
pub struct Config {
    pub node: String,
    pub kernel: Kernel,
    pub processes: Processes,
    pub containers: Containers,
    pub resources: Resources,
    pub batch: Batch,
    pub plugins: Plugins,
    pub state: State,
    pub control: Control,
    pub http: Http,
    pub verdicts: Verdicts,
    pub flight_recorder: FlightRecorder,
    pub log: Log,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "documented where users read it, in default.toml")]
pub struct Kernel {
    pub ring_bytes: u32,
    pub fair: bool,
    pub filter: bool,
    pub merge: bool,
    pub prefer: Way,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "documented where users read it, in default.toml")]
pub struct Processes {
    pub max: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "documented where users read it, in default.toml")]
pub struct Containers {
    pub sockets: Vec<PathBuf>,
    pub wait_ms: u64,
}

impl Containers {
    /// As the runtimes' settings, on the node of this name.
    #[must_use]
    pub fn settings(&self, node: &str) -> runtimes::Settings {
        runtimes::Settings {
            sockets: self.sockets.clone(),
            node: node.to_owned(),
            wait: Duration::from_millis(self.wait_ms),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "documented where users read it, in default.toml")]
pub struct Resources {
    pub interval_ms: u64,
    pub sample_hz: u32,
}

impl Resources {
    /// `interval_ms` as a duration.
    #[must_use]
    pub fn interval(&self) -> Duration {
        Duration::from_millis(self.interval_ms)
    }

    fn check(&self) -> Result<(), String> {
        if !(100..=3_600_000).contains(&self.interval_ms) {
            return Err(format!(
                "resources.interval_ms is {}; it must be from 100 to 3600000",
                self.interval_ms
            ));
        }
        if !(1..=1_000).contains(&self.sample_hz) {
            return Err(format!(
                "resources.sample_hz is {}; it must be from 1 to 1000",
                self.sample_hz
            ));
        }
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "documented where users read it, in default.toml")]
pub struct Batch {
    pub max_events: usize,
    pub max_age_ms: u64,
}

impl Batch {
    /// `max_age_ms` as a duration.
    #[must_use]
    pub fn max_age(&self) -> Duration {
        Duration::from_millis(self.max_age_ms)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "documented where users read it, in default.toml")]
pub struct Plugins {
    pub directory: PathBuf,
    pub rescan_s: u64,
    pub settle_ms: u64,
    #[serde(deserialize_with = "unless_empty")]
    pub cache: Option<PathBuf>,
    #[serde(deserialize_with = "Settings::deserialize")]
    limits: Settings,
}

impl Plugins {
    /// `[plugins.limits]`, as the settings of a plugin whose own file says nothing.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.limits.clone()
    }

    /// `rescan_s` as a duration.
    #[must_use]
    pub fn rescan(&self) -> Duration {
        Duration::from_secs(self.rescan_s)
    }

    /// `settle_ms` as a duration.
    #[must_use]
    pub fn settle(&self) -> Duration {
        Duration::from_millis(self.settle_ms)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "documented where users read it, in default.toml")]
pub struct State {
    #[serde(deserialize_with = "unless_empty")]
    pub directory: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "documented where users read it, in default.toml")]
pub struct Control {
    #[serde(deserialize_with = "unless_empty")]
    pub socket: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "documented where users read it, in default.toml")]
pub struct FlightRecorder {
    pub enabled: bool,
    pub directory: PathBuf,
    pub max_bytes: u64,
    pub segment_bytes: u64,
    pub segment_age_s: u64,
    pub kinds: Vec<EventKind>,
}

impl FlightRecorder {
    /// Smallest `segment_bytes`.
    const LEAST: u64 = 1 << 20;

    /// The files' name, to which each one's time is added.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.directory.join("flight.vespid")
    }

    fn check(&self) -> Result<(), String> {
        let (segment, max) = (self.segment_bytes, self.max_bytes);
        if segment < Self::LEAST {
            let least = Self::LEAST;
            return Err(format!(
                "flight_recorder.segment_bytes is {segment}; it must be at least {least}"
            ));
        }
        if max / 4 < segment {
            return Err(format!(
                "flight_recorder.max_bytes is {max}; it must be at least four times segment_bytes, which is {segment}"
            ));
        }
        if self.segment_age_s == 0 {
            return Err("flight_recorder.segment_age_s is 0; it must be at least 1".into());
        }
        Ok(())
    }
}

/// A path that may be left empty for "none".
fn unless_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    let path = PathBuf::deserialize(deserializer)?;
    Ok(Some(path).filter(|path| !path.as_os_str().is_empty()))
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "documented where users read it, in default.toml")]
pub struct Http {
    pub listen: SocketAddr,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "documented where users read it, in default.toml")]
pub struct Verdicts {
    pub file: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "documented where users read it, in default.toml")]
pub struct Log {
    pub level: String,
    pub format: LogFormat,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// The journal under systemd, else text.
    Auto,
    /// For people.
    Text,
    /// A JSON object a line.
    Json,
}

/// What is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{path} is not valid TOML: {source}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and what.
        source: toml::de::Error,
    },
    /// A key that does not exist.
    #[error("{path}: there is no key `{key}`{hint} (`vespid config default` shows all keys)")]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The key, with its table.
        key: String,
        /// `; did you mean …?`, or empty.
        hint: String,
    },
    /// A value of the wrong type, or out of range.
    #[error("{path}: {problem}")]
    Value {
        /// The file.
        path: PathBuf,
        /// Which key, and what it should be.
        problem: String,
    },
}

impl Default for Config {
    #[expect(
        clippy::expect_used,
        reason = "default.toml is part of the program; a test parses it"
    )]
    fn default() -> Self {
        toml::from_str(DEFAULT).expect("default.toml is complete")
    }
}

impl Config {
    /// Reads a configuration file over the defaults.
    ///
    /// # Errors
    /// If it cannot be read, is not TOML, or has an unknown key or a value that does not fit.
    pub fn read(path: &Path) -> Result<Config, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        Config::parse(path, &text)
    }

    /// Like [`Config::read`], of a text already read from `path`.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn parse(path: &Path, text: &str) -> Result<Config, ConfigError> {
        let user: Table = toml::from_str(text).map_err(|source| ConfigError::Syntax {
            path: path.to_owned(),
            source,
        })?;
        let value = |problem: String| ConfigError::Value {
            path: path.to_owned(),
            problem,
        };
        let mut merged: Table = toml::from_str(DEFAULT).map_err(|error| value(error.to_string()))?;
        lay_over(&mut merged, user, "").map_err(|fault| match fault {
            Fault::Unknown { key, hint } => ConfigError::UnknownKey {
                path: path.to_owned(),
                key,
                hint,
            },
            Fault::Type(problem) => value(problem),
        })?;
        let config: Config = merged
            .try_into()
            .map_err(|error: toml::de::Error| value(error.message().to_owned()))?;
        config.check().map_err(value)?;
        Ok(config)
    }

    /// What types cannot say.
    fn check(&self) -> Result<(), String> {
        let ring = self.kernel.ring_bytes;
        if !ring.is_power_of_two() || !(64 << 10..=1 << 30).contains(&ring) {
            return Err(format!(
                "kernel.ring_bytes is {ring}; it must be a power of two from 65536 to 1073741824"
            ));
        }
        for (key, number, least) in [
            ("processes.max", self.processes.max, 64),
            ("batch.max_events", self.batch.max_events, 1),
        ] {
            if number < least {
                return Err(format!("{key} is {number}; it must be at least {least}"));
            }
        }
        for (key, number) in [
            ("batch.max_age_ms", self.batch.max_age_ms),
            ("plugins.rescan_s", self.plugins.rescan_s),
        ] {
            if number == 0 {
                return Err(format!("{key} is 0; it must be at least 1"));
            }
        }
        self.resources.check()?;
        self.flight_recorder.check()
    }
}

enum Fault {
    Unknown { key: String, hint: String },
    Type(String),
}

fn lay_over(base: &mut Table, user: Table, prefix: &str) -> Result<(), Fault> {
    for (key, value) in user {
        let full = format!("{prefix}{key}");
        let Some(known) = base.get_mut(&key) else {
            let hint = nearest(&key, base.keys().map(String::as_str))
                .map_or(String::new(), |near| format!("; did you mean `{prefix}{near}`?"));
            return Err(Fault::Unknown { key: full, hint });
        };
        match (known, value) {
            (Value::Table(known), Value::Table(value)) => lay_over(known, value, &format!("{full}."))?,
            (known, value) if known.same_type(&value) => *known = value,
            (known, value) => {
                let (want, got) = (known.type_str(), value.type_str());
                return Err(Fault::Type(format!(
                    "`{full}` must be of type {want}, but is of type {got}"
                )));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
