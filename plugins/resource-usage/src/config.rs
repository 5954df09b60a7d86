//! What can be set.
use vespid_plugin::prelude::*;

/// Configuration of resource-usage.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How many distinct containers become label values; what later ones use is counted as `other`. A container that used
    /// nothing for an hour makes room.
    pub max_containers: usize,
    /// Executables that no verdict is about: patterns over the path, or over the file name if there is no `/` in them.
    pub except: Vec<String>,
    /// The same program killed again in the same container is reported once in so many seconds, and then once more with
    /// the number of repetitions.
    pub repeat_after_seconds: u32,
    /// When a container is killed again and again.
    pub again: Again,
}

/// When kills are more than an accident.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Again {
    /// Kills that one container, or the host, may have within the window. 0 turns this off.
    pub limit: usize,
    /// Length of the window, in seconds.
    pub window_seconds: u32,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            max_containers: 500,
            except: Vec::new(),
            repeat_after_seconds: 60,
            again: Again::default(),
        }
    }
}

impl Default for Again {
    fn default() -> Self {
        Again {
            limit: 3,
            window_seconds: 3600,
        }
    }
}

impl Config {
    /// What the types do not say.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.repeat_after_seconds == 0 || self.again.window_seconds == 0 {
            return Err("`repeat_after_seconds` and `again.window_seconds` must be at least 1".to_owned());
        }
        if self.again.limit > 1_000 {
            return Err("`again.limit` is at most 1000".to_owned());
        }
        Ok(())
    }
}
