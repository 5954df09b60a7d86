//! A comparison so far, as data: what `vespid ctl shadow` gets and tells.
use std::collections::BTreeMap;
use std::fmt;
use std::ops::AddAssign;
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// What became of verdicts. Each pair is counted once, each verdict without a partner once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Both versions gave it.
    pub agreed: u64,
    /// Both gave it, with different severities.
    pub severity: u64,
    /// Only the active version gave it.
    pub missing: u64,
    /// Only the shadow gave it.
    pub extra: u64,
    /// One gave it, and whether the other would have cannot be told.
    pub undecided: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, more: Counts) {
        self.agreed += more.agreed;
        self.severity += more.severity;
        self.missing += more.missing;
        self.extra += more.extra;
        self.undecided += more.undecided;
    }
}

/// One version's part. Its verdicts are those that agree, differ in severity, are missing (or extra), undecided or
/// pending: each exactly one of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SideSummary {
    /// Events that it has seen.
    pub events: u64,
    /// Events that it did not get.
    pub dropped: u64,
    /// Verdicts that it gave.
    pub verdicts: u64,
    /// Of these, undecided ones.
    pub undecided: u64,
    /// Of the undecided ones, those given up because too many waited.
    pub given_up: u64,
    /// Verdicts that wait to be paired.
    pub pending: u64,
    /// Event time that it has reached, in Unix nanoseconds.
    pub up_to: u64,
}

/// A verdict, as an example.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sample {
    /// The rule.
    pub rule: String,
    /// `info` to `critical`.
    pub severity: String,
    /// The shadow's severity, if it differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow_severity: Option<String>,
    /// What the plugin tells repeated verdicts apart by.
    pub key: String,
    /// Sequence number of the event that it is about.
    pub subject: Option<u64>,
    /// Unix nanoseconds.
    pub time: u64,
    /// One sentence, as the plugin gave it: escape before showing.
    pub message: String,
    /// All of it, unless it is very long.
    pub verdict: Option<VerdictJson>,
}

/// A verdict's line, which is JSON already. It is parsed when it is sent, not while a worker waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerdictJson(pub Arc<[u8]>);

impl Serialize for VerdictJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde_json::from_slice::<Value>(&self.0)
            .unwrap_or_default()
            .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for VerdictJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        serde_json::to_vec(&value)
            .map(|line| VerdictJson(line.into()))
            .map_err(D::Error::custom)
    }
}

/// A comparison so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Summary {
    /// Event time at which it began, in Unix nanoseconds.
    pub since: u64,
    /// The version whose verdicts are delivered.
    pub active: SideSummary,
    /// The version on trial.
    pub shadow: SideSummary,
    /// Counts by rule.
    pub rules: BTreeMap<String, Counts>,
    /// The last that agree, newest first, as the later of the two versions gave them.
    pub agreed: Vec<Sample>,
    /// The last that differ in severity, as the active version gave them.
    pub severity: Vec<Sample>,
    /// The last that only the active version gave.
    pub missing: Vec<Sample>,
    /// The last that only the shadow gave.
    pub extra: Vec<Sample>,
}

impl Summary {
    /// The counts of all rules together.
    #[must_use]
    pub fn total(&self) -> Counts {
        let mut total = Counts::default();
        self.rules.values().for_each(|counts| total += *counts);
        total
    }

    /// Whether both versions got all events.
    #[must_use]
    pub fn is_fair(&self) -> bool {
        self.active.dropped == 0 && self.shadow.dropped == 0
    }

    /// Whether the versions disagreed anywhere.
    #[must_use]
    pub fn has_disagreements(&self) -> bool {
        let total = self.total();
        total.severity + total.missing + total.extra > 0
    }
}

/// The one sentence that says what it means.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.total();
        let events = self.active.events.max(self.shadow.events);
        if total == Counts::default() {
            return write!(f, "no verdicts to compare yet, over {} events", about(events));
        }
        match total.agreed {
            1 => f.write_str("1 verdict agrees")?,
            agreed => write!(f, "{agreed} verdicts agree")?,
        }
        for (count, what) in [
            (total.missing, "only the active version gave"),
            (total.extra, "only the shadow gave"),
            (total.severity, "differ in severity"),
            (total.undecided, "cannot be decided"),
        ] {
            // "0 only the shadow gave" is good news and worth its place; the rare sorts are not.
            if count > 0 || what.starts_with("only") {
                write!(f, ", {count} {what}")?;
            }
        }
        write!(f, ", over {} events", about(events))
    }
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn about(number: u64) -> String {
    match number {
        0..10_000 => number.to_string(),
        10_000..1_000_000 => format!("{:.0}k", number as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1}M", number as f64 / 1e6),
        _ => format!("{:.1}G", number as f64 / 1e9),
    }
}
