//! What can be set.
use std::collections::BTreeMap;
use std::ops::BitAnd;

use serde::de::Error;
use vespid_plugin::Open;
use vespid_plugin::prelude::*;

use crate::one_or_many::OneOrMany;
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

/// A rule. It must have a key and at least one `path`, `prefix` or `glob`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Rule")]
pub struct RuleConfig {
    /// What its verdicts are found by. Several rules may have the same key.
    pub key: String,
    /// Files, by absolute path.
    #[serde(skip_serializing_if = "is_empty")]
    pub path: OneOrMany,
    /// Everything that begins so; for all below a folder, end it with `/`.
    #[serde(skip_serializing_if = "is_empty")]
    pub prefix: OneOrMany,
    /// Patterns over the whole path: `*` and `?` do not match `/`, `**` does, `[a-z]` and `{a,b}` choose.
    #[serde(skip_serializing_if = "is_empty")]
    pub glob: OneOrMany,
    /// Kinds of access, as in auditd.
    pub access: Access,
    /// How bad it is.
    pub severity: SeverityConfig,
    /// Whether it is about accesses that succeeded, that failed, or both.
    pub results: Results,
    /// Executables that may: patterns.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
    /// If not empty, the rule is about these executables only: patterns.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<String>,
    /// Tags of its verdicts, such as MITRE ATT&CK technique ids.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

fn is_empty(list: &OneOrMany) -> bool {
    list.0.is_empty()
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

/// Kinds of access, as letters: `r` opened for reading; `w` opened for writing, created or cut; `x` executed (the file, or
/// the script); `a` attributes changed, which no event shows yet, so that it matches nothing today.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access(u8);

impl Default for Access {
    fn default() -> Self {
        Access(Access::READ.0 | Access::WRITE.0)
    }
}

impl BitAnd for Access {
    type Output = Access;

    fn bitand(self, other: Access) -> Access {
        Access(self.0 & other.0)
    }
}

impl Access {
    const LETTERS: [(char, Access); 4] = [
        ('r', Access::READ),
        ('w', Access::WRITE),
        ('x', Access::EXECUTE),
        ('a', Access::ATTRIBUTES),
    ];
    const READ: Access = Access(1);
    const WRITE: Access = Access(2);
    pub(crate) const EXECUTE: Access = Access(4);
    const ATTRIBUTES: Access = Access(8);

    /// What an open asks for. One that only wants a name for the file (`O_PATH`) asks for nothing.
    pub(crate) fn of(open: Open<'_>) -> Access {
        let read = if open.reads() { Access::READ.0 } else { 0 };
        let write = if open.writes() { Access::WRITE.0 } else { 0 };
        Access(read | write)
    }

    pub(crate) fn parse(letters: &str) -> Option<Access> {
        let letter = |letter| {
            Access::LETTERS
                .iter()
                .find(|(known, _)| *known == letter)
                .map(|(_, access)| access.0)
        };
        letters
            .chars()
            .map(letter)
            .try_fold(0, |all, bit| Some(all | bit?))
            .filter(|all| *all != 0)
            .map(Access)
    }

    pub(crate) fn letters(self) -> String {
        Access::LETTERS
            .iter()
            .filter(|(_, access)| self.has(*access))
            .map(|(letter, _)| letter)
            .collect()
    }

    fn has(self, access: Access) -> bool {
        self.0 & access.0 != 0
    }

    pub(crate) fn is_none(self) -> bool {
        self.0 == 0
    }

    /// The rule's name in a verdict: the worst of what was done.
    pub(crate) fn verdict(self) -> &'static str {
        match self {
            access if access.has(Access::EXECUTE) => "file-exec",
            access if access.has(Access::WRITE) => "file-write",
            _ => "file-read",
        }
    }

    pub(crate) fn repeated_verdict(self) -> &'static str {
        match self.verdict() {
            "file-exec" => "file-exec-repeated",
            "file-write" => "file-write-repeated",
            _ => "file-read-repeated",
        }
    }

    pub(crate) fn done(self) -> &'static str {
        match self.verdict() {
            "file-exec" => "executed",
            "file-write" => "opened for writing",
            _ => "read",
        }
    }

    pub(crate) fn tried(self) -> &'static str {
        match self.verdict() {
            "file-exec" => "execute",
            "file-write" => "write",
            _ => "read",
        }
    }
}

impl Serialize for Access {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.letters())
    }
}

impl<'de> Deserialize<'de> for Access {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let letters = String::deserialize(deserializer)?;
        Access::parse(&letters).ok_or_else(|| {
            D::Error::custom(format!(
                "`{letters}` is not one or more of the letters `r`, `w`, `x` and `a`"
            ))
        })
    }
}

impl JsonSchema for Access {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Access".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "Kinds of access, as letters: `r` opened for reading; `w` opened for writing, created or cut; \
                `x` executed (the file, or the script); `a` attributes changed, which no event shows yet, so that it \
                matches nothing today.",
            "type": "string",
            "pattern": "^[rwxa]+$",
        })
    }
}

/// How bad.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Severity")]
#[expect(missing_docs, reason = "the severities of the interface")]
pub enum SeverityConfig {
    Info,
    Notice,
    #[default]
    Warning,
    Error,
    Critical,
}

impl From<SeverityConfig> for Severity {
    fn from(severity: SeverityConfig) -> Severity {
        match severity {
            SeverityConfig::Info => Severity::Info,
            SeverityConfig::Notice => Severity::Notice,
            SeverityConfig::Warning => Severity::Warning,
            SeverityConfig::Error => Severity::Error,
            SeverityConfig::Critical => Severity::Critical,
        }
    }
}

/// Which outcomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Results {
    /// Accesses that succeeded.
    Success,
    /// Attempts that failed.
    Failed,
    /// All.
    #[default]
    Both,
}

impl Results {
    pub(crate) fn includes(self, failed: bool) -> bool {
        match self {
            Results::Success => !failed,
            Results::Failed => failed,
            Results::Both => true,
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
