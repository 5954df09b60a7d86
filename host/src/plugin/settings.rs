//! What an operator may set for a plugin: in `[plugins.limits]` of the daemon's configuration for all, and in `[vespid]` of
//! a plugin's own file for that one. Both have the keys of [`KEYS`].
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use toml::Table;

use super::config::{ConfigError, nearest};
use super::limits::Limits;
use crate::metrics;

/// The table of a plugin's file that is for the daemon; the others are the plugin's.
const RESERVED: &str = "vespid";

/// What an operator may set for a plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// What it may use.
    pub limits: Limits,
    /// How much of the exposition it may have.
    pub series: metrics::Limits,
    /// Whether its reports count, if its file says so.
    pub mode: Option<Mode>,
}

/// Whether a plugin's reports count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// They do.
    Active,
    /// They are compared with those of the active plugin of the same name.
    Shadow,
}

impl Mode {
    const ALL: [Mode; 2] = [Mode::Active, Mode::Shadow];

    /// As users write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Active => "active",
            Mode::Shadow => "shadow",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A limit that can be configured; `default.toml` says what it means.
struct Key {
    name: &'static str,
    least: i64,
    most: i64,
    set: fn(&mut Settings, u64),
}

const DAY_S: i64 = 86_400;
const MOST_BYTES: i64 = 1 << 40;

/// How many there are, for a test that the default configuration shows them all.
#[cfg(test)]
pub(crate) const LIMITS: usize = KEYS.len();

const fn key(name: &'static str, least: i64, most: i64, set: fn(&mut Settings, u64)) -> Key {
    Key { name, least, most, set }
}

/// All of them. A report must have room for a manifest, which is subject to the same limit.
const KEYS: [Key; 14] = [
    key("deadline_ms", 1, 1_000 * DAY_S, |to, n| {
        to.limits.call_time = Duration::from_millis(n)
    }),
    key("start_deadline_ms", 1, 1_000 * DAY_S, |to, n| {
        to.limits.start_time = Duration::from_millis(n)
    }),
    key("memory_bytes", 1 << 20, MOST_BYTES, |to, n| {
        to.limits.memory_bytes = size(n)
    }),
    key("report_bytes", 64 << 10, MOST_BYTES, |to, n| {
        to.limits.report_bytes = size(n)
    }),
    key("snapshot_bytes", 64 << 10, MOST_BYTES, |to, n| {
        to.limits.snapshot_bytes = size(n)
    }),
    key("snapshot_every_s", 1, DAY_S, |to, n| {
        to.limits.snapshot_every = Duration::from_secs(n)
    }),
    key("verdicts_per_second", 1, 1 << 30, |to, n| {
        to.limits.verdicts_per_second = rate(n)
    }),
    key("log_lines_per_second", 1, 1 << 30, |to, n| {
        to.limits.log_lines_per_second = rate(n)
    }),
    key("host_calls", 1, 1 << 30, |to, n| to.limits.host_calls = rate(n)),
    key("max_series", 1, 1 << 20, |to, n| to.series.series = size(n)),
    key("series_idle_s", 1, 365 * DAY_S, |to, n| {
        to.series.idle = Duration::from_secs(n)
    }),
    key("queue_batches", 1, 1 << 16, |to, n| to.limits.queue_len = size(n)),
    key("failures", 1, 1 << 16, |to, n| to.limits.failures = size(n)),
    key("failure_window_s", 1, 365 * DAY_S, |to, n| {
        to.limits.failure_window = Duration::from_secs(n)
    }),
];

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn rate(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Splits a plugin's configuration file into what is for the daemon, over `defaults`, and what is for the plugin.
///
/// # Errors
/// If it is not TOML, or `[vespid]` has a key that is not known or a value that does not fit.
pub fn split(text: &str, defaults: &Settings) -> Result<(Settings, Value), ConfigError> {
    let syntax = |error: toml::de::Error| ConfigError::Syntax(error.to_string());
    let mut table: Table = toml::from_str(text).map_err(syntax)?;
    let mut settings = defaults.clone();
    if let Some(reserved) = table.remove(RESERVED) {
        for (key, value) in &as_table(RESERVED, reserved)? {
            match key.as_str() {
                "mode" => settings.mode = Some(mode(value)?),
                "limits" => settings.lay_over("vespid.limits", &as_table("vespid.limits", value.clone())?)?,
                _ => return Err(unknown(RESERVED, key, ["limits", "mode"].into_iter())),
            }
        }
    }
    Ok((settings, table.try_into().map_err(syntax)?))
}

fn as_table(path: &str, value: toml::Value) -> Result<Table, ConfigError> {
    match value {
        toml::Value::Table(table) => Ok(table),
        other => Err(ConfigError::Value(format!(
            "`{path}` must be a table, but is of type {}",
            other.type_str()
        ))),
    }
}

fn mode(value: &toml::Value) -> Result<Mode, ConfigError> {
    let mode = Mode::ALL.into_iter().find(|mode| value.as_str() == Some(mode.as_str()));
    mode.ok_or_else(|| ConfigError::Value(format!("`vespid.mode` is {value}; it must be \"active\" or \"shadow\"")))
}

fn unknown<'a>(table: &str, key: &str, known: impl Iterator<Item = &'a str> + Clone) -> ConfigError {
    ConfigError::UnknownKey {
        path: format!("{table}.{key}"),
        nearest: nearest(key, known.clone()).map(str::to_owned),
        known: known.map(str::to_owned).collect(),
    }
}

impl Settings {
    /// Takes over the limits of `table`, which users know as `path`.
    fn lay_over(&mut self, path: &str, table: &Table) -> Result<(), ConfigError> {
        for (name, value) in table {
            let Some(key) = KEYS.iter().find(|key| key.name == name) else {
                return Err(unknown(path, name, KEYS.iter().map(|key| key.name)));
            };
            let number = value.as_integer().ok_or_else(|| {
                ConfigError::Value(format!(
                    "`{path}.{name}` must be of type integer, but is of type {}",
                    value.type_str()
                ))
            })?;
            if !(key.least..=key.most).contains(&number) {
                let (least, most) = (key.least, key.most);
                return Err(ConfigError::Value(format!(
                    "`{path}.{name}` is {number}; it must be from {least} to {most}"
                )));
            }
            (key.set)(self, number.unsigned_abs());
        }
        Ok(())
    }

    /// Reads `[plugins.limits]`.
    ///
    /// # Errors
    /// If a key is not known, or a value does not fit.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Settings, D::Error> {
        let mut settings = Settings::default();
        let table = Table::deserialize(deserializer)?;
        settings
            .lay_over("plugins.limits", &table)
            .map_err(serde::de::Error::custom)?;
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn refused(text: &str, expected: &str) {
        let error = split(text, &Settings::default()).expect_err(text).to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }

    #[test]
    fn what_is_for_the_daemon_never_reaches_the_plugin() {
        let defaults = Settings {
            limits: Limits {
                failures: 9,
                ..Limits::default()
            },
            ..Settings::default()
        };
        let text = "window_s = 5\n[vespid]\nmode = \"shadow\"\n[vespid.limits]\ndeadline_ms = 20\nmax_series = 7\n[rules]\na = 1";
        let (settings, own) = split(text, &defaults).expect("valid");
        assert_eq!(own, json!({"window_s": 5, "rules": {"a": 1}}));
        assert_eq!(settings.mode, Some(Mode::Shadow));
        assert_eq!(settings.limits.call_time, Duration::from_millis(20));
        assert_eq!((settings.series.series, settings.limits.failures), (7, 9));
    }

    #[test]
    fn a_file_without_the_reserved_table_is_all_the_plugins() {
        let own = (Settings::default(), json!({}));
        assert_eq!(split("", &Settings::default()), Ok(own));
        let (settings, own) = split("mode = \"fast\"", &Settings::default()).expect("valid");
        assert_eq!((settings, own), (Settings::default(), json!({"mode": "fast"})));
    }

    #[test]
    fn what_does_not_fit_is_named_with_what_would() {
        refused("[vespid]\nmod = 1", "unknown key `vespid.mod`; did you mean `mode`?");
        refused(
            "[vespid.limits]\ndeadline = 1",
            "unknown key `vespid.limits.deadline`; did you mean `deadline_ms`?",
        );
        refused(
            "[vespid]\nmode = \"off\"",
            "`vespid.mode` is \"off\"; it must be \"active\" or \"shadow\"",
        );
        refused("[vespid]\nmode = 1", "`vespid.mode` is 1;");
        refused("vespid = 1", "`vespid` must be a table, but is of type integer");
        refused("[vespid]\nlimits = \"none\"", "`vespid.limits` must be a table");
        refused(
            "[vespid.limits]\nfailures = \"5\"",
            "must be of type integer, but is of type string",
        );
        refused(
            "[vespid.limits]\nfailures = 0",
            "`vespid.limits.failures` is 0; it must be from 1 to 65536",
        );
        refused(
            "[vespid.limits]\ndeadline_ms = -1",
            "`vespid.limits.deadline_ms` is -1;",
        );
        refused(
            "[vespid.limits]\nqueue_batches = 9223372036854775807",
            "it must be from 1 to 65536",
        );
        refused("[vespid", "expected");
    }

    #[test]
    fn every_key_sets_something_of_its_own() {
        let after: Vec<Settings> = KEYS
            .iter()
            .map(|key| {
                let mut settings = Settings::default();
                (key.set)(&mut settings, 123_456);
                settings
            })
            .collect();
        for (at, settings) in after.iter().enumerate() {
            assert_ne!(*settings, Settings::default(), "{}", KEYS[at].name);
            assert!(!after[..at].contains(settings), "{}", KEYS[at].name);
        }
    }
}
