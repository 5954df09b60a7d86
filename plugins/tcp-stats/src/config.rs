//! What can be set.
use vespid_plugin::prelude::*;

/// Configuration of tcp-stats.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How many distinct process names become label values; the processes of later names are counted as `other`. A name
    /// that was not seen for an hour makes room.
    pub max_process_names: usize,
    /// The same for containers.
    pub max_containers: usize,
    /// Executables that no verdict is about: patterns over the path, or over the file name if there is no `/` in them.
    pub except: Vec<String>,
    /// When one process tries many ports or hosts.
    pub scan: Scan,
    /// When one process is refused again and again.
    pub refused: RefusedConfig,
}

/// When attempts are a scan.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Scan {
    /// Length of the window, in seconds. A process is reported at most once in it.
    pub window_seconds: u32,
    /// Distinct ports, on whatever hosts, that one process may try in a window; 0 turns this off.
    pub ports: usize,
    /// Distinct hosts that one process may try in a window; 0 turns this off.
    pub hosts: usize,
    /// Percentage of the window's attempts that must have failed. A crawler or a proxy reaches most of what it tries, a
    /// scanner does not.
    pub min_failed_percent: u8,
}

/// When refusals are a burst.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Refused")]
pub struct RefusedConfig {
    /// Length of the window, in seconds.
    pub window_seconds: u32,
    /// Refused connections that one process may have in a window.
    pub limit: usize,
    /// A burst is over when the limit has not been passed for so many seconds.
    pub calm_seconds: u32,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            max_process_names: 200,
            max_containers: 500,
            except: Vec::new(),
            scan: Scan::default(),
            refused: RefusedConfig::default(),
        }
    }
}

impl Default for Scan {
    fn default() -> Self {
        Scan {
            window_seconds: 60,
            ports: 20,
            hosts: 50,
            min_failed_percent: 20,
        }
    }
}

impl Default for RefusedConfig {
    fn default() -> Self {
        RefusedConfig {
            window_seconds: 10,
            limit: 20,
            calm_seconds: 30,
        }
    }
}

impl Config {
    /// What the types do not say.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.scan.window_seconds == 0 || self.refused.window_seconds == 0 {
            return Err("`scan.window_seconds` and `refused.window_seconds` must be at least 1".to_owned());
        }
        if self.scan.min_failed_percent > 100 {
            return Err(format!(
                "`scan.min_failed_percent`: {} is more than 100",
                self.scan.min_failed_percent
            ));
        }
        if self.refused.limit > 10_000 || self.scan.ports > 10_000 || self.scan.hosts > 10_000 {
            return Err("`refused.limit`, `scan.ports` and `scan.hosts` are at most 10000".to_owned());
        }
        Ok(())
    }
}
