//! What can be set.
use std::collections::BTreeMap;

use vespid_plugin::prelude::*;

use crate::rule_config::RuleConfig;
use crate::shipped;

/// Configuration of file-audit. A pattern over executables is matched against the whole path if there is a `/` in it, else
/// against the file name; `*` and `?` do not match `/`, `**` does, `{a,b}` chooses. `@name` stands for a group.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The same access (rule, process and path) is reported once in so many seconds, and then once more with the number
    /// of repetitions.
    pub repeat_after_seconds: u32,
    /// Executables that no rule is about: patterns.
    pub except: Vec<String>,
    /// Lists of patterns that `only` and `except` refer to as `@name`. A group given here replaces the shipped one of
    /// that name; the other shipped ones stay.
    pub groups: BTreeMap<String, Vec<String>>,
    /// Rules besides `rules`.
    pub extra_rules: Vec<RuleConfig>,
    /// The rules; given here, they replace the shipped ones.
    pub rules: Vec<RuleConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            repeat_after_seconds: 60,
            except: Vec::new(),
            groups: shipped::groups(),
            extra_rules: Vec::new(),
            rules: shipped::rules(),
        }
    }
}

/// Patterns with the groups that they refer to put in their place.
pub(crate) fn expand(patterns: &[String], groups: &BTreeMap<String, Vec<String>>) -> Result<Vec<String>, String> {
    let shipped = shipped::groups();
    let mut expanded = Vec::new();
    for pattern in patterns {
        match pattern.strip_prefix('@') {
            None => expanded.push(pattern.clone()),
            Some(name) => {
                let group = groups.get(name).or_else(|| shipped.get(name));
                let known = || groups.keys().chain(shipped.keys()).map(String::as_str);
                let unknown = || format!("unknown group `@{name}`{}", vespid_plugin::did_you_mean(name, known()));
                expanded.extend_from_slice(group.ok_or_else(unknown)?);
            }
        }
    }
    Ok(expanded)
}
