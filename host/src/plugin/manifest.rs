//! Whether what a plugin says about itself can be true, and fits a metrics page beside everybody else's.
use std::collections::HashSet;

use serde_json::Value;

use crate::interface::vespid::plugin::describe::{Kinds, Manifest, Metric, MetricKind};

const NAME_CHARS: usize = 63;
const TEXT_BYTES: usize = 1 << 10;
const SCHEMA_BYTES: usize = 64 << 10;
const METRICS: usize = 256;
const METRIC_NAME_CHARS: usize = 128;
const LABELS: usize = 16;
const BUCKETS: usize = 64;
/// 30 days in seconds.
const LOOK_BACK: u32 = 30 * 86_400;

/// Label names with a meaning of their own in Prometheus.
const RESERVED_LABELS: [&str; 2] = ["le", "quantile"];

/// What is wrong with a manifest.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ManifestError {
    /// The plugin's name.
    #[error("its name `{}` is not of the form [a-z][a-z0-9-]* with at most {NAME_CHARS} characters", .0.escape_debug())]
    Name(String),
    /// The plugin's name is the daemon's.
    #[error(
        "its name `{0}` would put its metrics among the daemon's own; choose one that does not begin with `vespid`"
    )]
    ReservedName(String),
    /// Its version.
    #[error("its version `{}` is not of the form 1.2.3 (semver.org)", .0.escape_debug())]
    Version(String),
    /// A text that is too long or has control characters.
    #[error("{what} is longer than {TEXT_BYTES} bytes or not a single line")]
    Text {
        /// Which text.
        what: String,
    },
    /// It wants nothing.
    #[error("it subscribes to no table, and would never be called")]
    NoSubscription,
    /// It asks for more than anybody records.
    #[error("it wants to look back over {0} s, and may over {LOOK_BACK} s (30 days)")]
    LookBack(u32),
    /// It wants something that this interface version does not have.
    #[error("it subscribes to tables that interface version {0} does not have")]
    UnknownTable(&'static str),
    /// Its configuration schema.
    #[error("its configuration schema {0}")]
    Schema(String),
    /// Too many metrics.
    #[error("it declares {0} metrics, and may have {METRICS}")]
    TooManyMetrics(usize),
    /// A metric.
    #[error("metric `{}`: {why}", metric.escape_debug())]
    Metric {
        /// Its name.
        metric: String,
        /// What is wrong with it.
        why: String,
    },
}

/// Checks a manifest; returns its configuration schema, which is `{}` if it has none.
///
/// # Errors
/// What is wrong first.
pub(super) fn check(manifest: &Manifest) -> Result<Value, ManifestError> {
    check_name(&manifest.name)?;
    if !is_version(&manifest.version) {
        return Err(ManifestError::Version(manifest.version.clone()));
    }
    check_text("its description", &manifest.description)?;
    if manifest.look_back > LOOK_BACK {
        return Err(ManifestError::LookBack(manifest.look_back));
    }
    if manifest.subscription == Kinds::empty() {
        return Err(ManifestError::NoSubscription);
    }
    if manifest.metrics.len() > METRICS {
        return Err(ManifestError::TooManyMetrics(manifest.metrics.len()));
    }
    let mut samples = HashSet::new();
    for metric in &manifest.metrics {
        let wrong = |why| ManifestError::Metric {
            metric: metric.name.clone(),
            why,
        };
        check_metric(metric).map_err(wrong)?;
        check_text(&format!("the help of metric `{}`", metric.name), &metric.help)?;
        for sample in sample_names(metric) {
            if !samples.insert(sample.clone()) {
                return Err(wrong(format!(
                    "another metric has samples of the name `{sample}` as well"
                )));
            }
        }
    }
    schema(&manifest.config_schema)
}

/// Checks the name of a plugin.
///
/// # Errors
/// If it is of another form, or would put the plugin's metrics among the daemon's own.
pub fn check_name(name: &str) -> Result<(), ManifestError> {
    if name.len() > NAME_CHARS || !is_name(name, '-') {
        return Err(ManifestError::Name(name.to_owned()));
    }
    if name == "vespid" || name.starts_with("vespid-") {
        return Err(ManifestError::ReservedName(name.to_owned()));
    }
    Ok(())
}

fn check_metric(metric: &Metric) -> Result<(), String> {
    let name = metric.name.as_str();
    if name.len() > METRIC_NAME_CHARS || !is_name(name, '_') {
        return Err(format!(
            "its name is not of the form [a-z][a-z0-9_]* with at most {METRIC_NAME_CHARS} characters"
        ));
    }
    if let Some(suffix) = ["_total", "_bucket", "_created", "_info"]
        .iter()
        .find(|suffix| name.ends_with(*suffix))
    {
        return Err(format!(
            "its name ends with `{suffix}`, which the text format adds by itself where it belongs"
        ));
    }
    if !metric.unit.is_empty() && !is_name(&metric.unit, '_') {
        return Err("its unit is not of the form [a-z][a-z0-9_]*".into());
    }
    check_labels(&metric.labels)?;
    check_buckets(metric)
}

fn check_labels(labels: &[String]) -> Result<(), String> {
    if labels.len() > LABELS {
        return Err(format!("it has {} labels, and may have {LABELS}", labels.len()));
    }
    let mut seen = HashSet::new();
    for label in labels {
        if label.len() > METRIC_NAME_CHARS || !is_name(label, '_') {
            return Err(format!(
                "label `{}` is not of the form [a-z][a-z0-9_]*",
                label.escape_debug()
            ));
        }
        if RESERVED_LABELS.contains(&label.as_str()) {
            return Err(format!("label `{label}` is reserved in Prometheus"));
        }
        if !seen.insert(label) {
            return Err(format!("label `{label}` stands twice"));
        }
    }
    Ok(())
}

fn check_buckets(metric: &Metric) -> Result<(), String> {
    let buckets = &metric.buckets;
    match (metric.kind, buckets.is_empty()) {
        (MetricKind::Histogram, true) => return Err("a histogram needs buckets".into()),
        (MetricKind::Histogram, false) | (_, true) => {}
        (_, false) => return Err("only a histogram has buckets".into()),
    }
    if buckets.len() > BUCKETS {
        return Err(format!("it has {} buckets, and may have {BUCKETS}", buckets.len()));
    }
    if buckets.iter().any(|bound| !bound.is_finite()) || !buckets.is_sorted_by(|a, b| a < b) {
        return Err("its buckets are not finite and ascending; the last one, +Inf, is added by the daemon".into());
    }
    Ok(())
}

/// Names of the samples that a metric becomes in the text format.
fn sample_names(metric: &Metric) -> Vec<String> {
    let Metric { name, unit, .. } = metric;
    let base = if unit.is_empty() || name.ends_with(&format!("_{unit}")) {
        name.clone()
    } else {
        format!("{name}_{unit}")
    };
    match metric.kind {
        MetricKind::Counter => vec![format!("{base}_total"), base],
        MetricKind::Gauge => vec![base],
        MetricKind::Histogram => vec![
            format!("{base}_bucket"),
            format!("{base}_count"),
            format!("{base}_sum"),
            base,
        ],
    }
}

fn schema(text: &str) -> Result<Value, ManifestError> {
    let wrong = |why: String| Err(ManifestError::Schema(why));
    if text.is_empty() {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    if text.len() > SCHEMA_BYTES {
        return wrong(format!("has {} bytes, and may have {SCHEMA_BYTES}", text.len()));
    }
    match serde_json::from_str(text) {
        Ok(schema @ Value::Object(_)) => Ok(schema),
        Ok(_) => wrong("is not a JSON object".into()),
        Err(error) => wrong(format!("is not JSON: {error}")),
    }
}

fn check_text(what: &str, text: &str) -> Result<(), ManifestError> {
    if text.len() > TEXT_BYTES || text.chars().any(char::is_control) {
        return Err(ManifestError::Text { what: what.to_owned() });
    }
    Ok(())
}

/// `[a-z][a-z0-9]*`, with `extra` allowed after the first character.
pub(super) fn is_name(text: &str, extra: char) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == extra)
}

/// The grammar of semver.org, save for leading zeros.
fn is_version(text: &str) -> bool {
    let (release, build) = text
        .split_once('+')
        .map_or((text, None), |(release, build)| (release, Some(build)));
    let (core, pre) = release
        .split_once('-')
        .map_or((release, None), |(core, pre)| (core, Some(pre)));
    let is_identifier = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let is_number = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit());
    text.len() <= 128
        && core.split('.').count() == 3
        && core.split('.').all(is_number)
        && [pre, build]
            .into_iter()
            .flatten()
            .all(|tail| tail.split('.').all(is_identifier))
}

#[cfg(test)]
mod tests;
