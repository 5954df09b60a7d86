//! A rule, as it is written down.
use vespid_plugin::prelude::*;

use crate::access::Access;
use crate::one_or_many::OneOrMany;

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
    /// Whether it is about processes of the host, of containers, or both.
    pub processes: Processes,
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

/// Whose accesses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Processes {
    /// Those of the host.
    Host,
    /// Those in containers.
    Container,
    /// All.
    #[default]
    Both,
}

impl Processes {
    pub(crate) fn includes(self, in_container: bool) -> bool {
        match self {
            Processes::Host => !in_container,
            Processes::Container => in_container,
            Processes::Both => true,
        }
    }
}
