//! A plugin's metric under the name that it has in /metrics.
//!
//! One family with a bad name makes a scraper refuse the whole page, and so hides the metrics of every other plugin: what
//! could do that is refused here, when the plugin is loaded.
use std::collections::HashSet;

use prometheus_client::registry::Unit;

use crate::interface::vespid::plugin::describe::{Metric, MetricKind};

/// Most metrics that a plugin may declare.
pub(super) const MAX_METRICS: usize = 256;
/// Most labels of a metric.
pub(super) const MAX_LABELS: usize = 16;
/// Most buckets of a histogram.
pub(super) const MAX_BUCKETS: usize = 64;
/// Most bytes of a help text.
pub(super) const MAX_HELP_BYTES: usize = 1_024;

/// The label of the series that takes the samples of all series beyond a plugin's limit. The name is OpenTelemetry's,
/// as its exporters show it to Prometheus: <https://opentelemetry.io/docs/specs/otel/metrics/sdk/#overflow-attribute>.
pub(super) const OVERFLOW_LABEL: &str = "otel_metric_overflow";

/// Suffixes that a text format gives a meaning of its own.
const SUFFIXES: [&str; 6] = ["_total", "_created", "_bucket", "_count", "_sum", "_info"];

/// Names outside `vespid_` that the daemon uses, as all Prometheus clients do.
const PROCESS: [&str; 3] = [
    "process_cpu_seconds",
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
];

/// A metric family as it is exported.
#[derive(Debug)]
pub struct Descriptor {
    pub(super) kind: MetricKind,
    /// Without the unit's suffix, which the encoder adds.
    pub(super) stem: String,
    pub(super) unit: Option<Unit>,
    /// Escaped for OpenMetrics.
    pub(super) help: String,
    pub(super) labels: Vec<String>,
    pub(super) bounds: Vec<f64>,
}

/// What is wrong with a metric in a manifest.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum BadMetric {
    #[error("metric `{metric}`: {part} `{text}` is not `[a-z][a-z0-9_]*`")]
    Spelling {
        metric: String,
        part: &'static str,
        text: String,
    },
    #[error("metric `{metric}`: the suffix `{suffix}` is the exporter's to give")]
    Suffix { metric: String, suffix: &'static str },
    #[error("metric `{metric}` has no help text")]
    NoHelp { metric: String },
    #[error("metric `{metric}`: the label `{label}` is repeated, or has a meaning of its own in the exposition format")]
    Label { metric: String, label: String },
    #[error("metric `{metric}`: bounds of buckets must be finite and ascending, and belong to a histogram")]
    Buckets { metric: String },
    #[error("metric `{metric}`: more than {limit} {what}")]
    TooMany {
        metric: String,
        what: &'static str,
        limit: usize,
    },
    #[error("metric `{metric}` would be exported as `{exported}`, which is taken")]
    Taken { metric: String, exported: String },
}

impl Descriptor {
    /// Every metric of a manifest.
    ///
    /// # Errors
    /// If one of them could not be exported.
    pub(super) fn of_plugin(plugin: &str, metrics: &[Metric]) -> Result<Vec<Descriptor>, BadMetric> {
        if metrics.len() > MAX_METRICS {
            let metric = metrics[MAX_METRICS].name.clone();
            return Err(BadMetric::TooMany {
                metric,
                what: "metrics in the manifest",
                limit: MAX_METRICS,
            });
        }
        let mut taken = HashSet::new();
        metrics
            .iter()
            .map(|metric| {
                let descriptor = Descriptor::new(plugin, metric)?;
                for exported in descriptor.sample_names() {
                    if is_reserved(&exported) || !taken.insert(exported.clone()) {
                        return Err(BadMetric::Taken {
                            metric: metric.name.clone(),
                            exported,
                        });
                    }
                }
                Ok(descriptor)
            })
            .collect()
    }

    fn new(plugin: &str, metric: &Metric) -> Result<Descriptor, BadMetric> {
        let name = || metric.name.clone();
        let prefix = plugin.replace('-', "_");
        spelled(metric, "the plugin's name", &prefix)?;
        spelled(metric, "the name", &metric.name)?;
        if let Some(suffix) = SUFFIXES.into_iter().find(|suffix| metric.name.ends_with(suffix)) {
            return Err(BadMetric::Suffix { metric: name(), suffix });
        }
        let help = escaped_help(&metric.help);
        if help.is_empty() {
            return Err(BadMetric::NoHelp { metric: name() });
        }
        if metric.labels.len() > MAX_LABELS {
            return Err(BadMetric::TooMany {
                metric: name(),
                what: "labels",
                limit: MAX_LABELS,
            });
        }
        for (at, label) in metric.labels.iter().enumerate() {
            spelled(metric, "the label", label)?;
            let reserved = matches!(label.as_str(), "le" | "quantile" | OVERFLOW_LABEL);
            if reserved || metric.labels[..at].contains(label) {
                return Err(BadMetric::Label {
                    metric: name(),
                    label: label.clone(),
                });
            }
        }
        if metric.buckets.len() > MAX_BUCKETS {
            return Err(BadMetric::TooMany {
                metric: name(),
                what: "buckets",
                limit: MAX_BUCKETS,
            });
        }
        let ascending = metric.buckets.is_sorted_by(|a, b| a < b) && metric.buckets.iter().all(|b| b.is_finite());
        if !ascending || metric.buckets.is_empty() == (metric.kind == MetricKind::Histogram) {
            return Err(BadMetric::Buckets { metric: name() });
        }
        let mut stem = format!("{prefix}_{}", metric.name);
        if !metric.unit.is_empty() {
            spelled(metric, "the unit", &metric.unit)?;
            if let Some(without) = stem.strip_suffix(&format!("_{}", metric.unit)) {
                stem.truncate(without.len());
            }
        }
        Ok(Descriptor {
            kind: metric.kind,
            stem,
            unit: (!metric.unit.is_empty()).then(|| Unit::Other(metric.unit.clone())),
            help,
            labels: metric.labels.clone(),
            bounds: metric.buckets.clone(),
        })
    }

    /// Whether the series of this family are also series of `new`: all but the help text is the same.
    pub(super) fn is_continued_by(&self, new: &Descriptor) -> bool {
        self.kind == new.kind
            && self.stem == new.stem
            && self.name() == new.name()
            && self.labels == new.labels
            && self.bounds == new.bounds
    }

    /// The name of the family, which ends with its unit.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.unit {
            Some(unit) => format!("{}_{}", self.stem, unit.as_str()),
            None => self.stem.clone(),
        }
    }

    /// Every name that the family takes from the page: its own, and those of its samples.
    pub(super) fn sample_names(&self) -> Vec<String> {
        let name = self.name();
        let suffixes: &[&str] = match self.kind {
            MetricKind::Counter => &["_total"],
            MetricKind::Gauge => &[],
            MetricKind::Histogram => &["_bucket", "_count", "_sum"],
        };
        let mut names: Vec<String> = suffixes.iter().map(|suffix| format!("{name}{suffix}")).collect();
        names.push(name);
        names
    }
}

/// Whether a name on the page is the daemon's.
fn is_reserved(name: &str) -> bool {
    name.starts_with("vespid_") || PROCESS.contains(&name)
}

fn spelled(metric: &Metric, part: &'static str, text: &str) -> Result<(), BadMetric> {
    let rest = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if text.len() <= 128 && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(rest) {
        return Ok(());
    }
    Err(BadMetric::Spelling {
        metric: metric.name.clone(),
        part,
        text: text.to_owned(),
    })
}

/// One line of at most [`MAX_HELP_BYTES`], with the escapes of an OpenMetrics help text.
fn escaped_help(help: &str) -> String {
    let mut out = String::with_capacity(help.len());
    for c in help.trim().chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
        if out.len() >= MAX_HELP_BYTES {
            break;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(name: &str, unit: &str, kind: MetricKind) -> Metric {
        let buckets = if kind == MetricKind::Histogram {
            vec![1.0]
        } else {
            Vec::new()
        };
        Metric {
            name: name.into(),
            help: "Help.".into(),
            kind,
            unit: unit.into(),
            labels: vec!["pod".into()],
            buckets,
        }
    }

    #[track_caller]
    fn check(metrics: &[Metric], expected: &str) {
        let outcome = match Descriptor::of_plugin("tcp-stats", metrics) {
            Ok(descriptors) => descriptors.iter().map(Descriptor::name).collect::<Vec<_>>().join(" "),
            Err(error) => error.to_string(),
        };
        assert_eq!(outcome, expected);
    }

    #[test]
    fn a_name_ends_with_its_unit_whether_or_not_the_author_wrote_it() {
        check(
            &[metric("rtt_seconds", "seconds", MetricKind::Histogram)],
            "tcp_stats_rtt_seconds",
        );
        check(
            &[metric("rtt", "seconds", MetricKind::Histogram)],
            "tcp_stats_rtt_seconds",
        );
        check(&[metric("seconds", "seconds", MetricKind::Gauge)], "tcp_stats_seconds");
    }

    #[test]
    fn two_families_never_share_a_name_on_the_page() {
        check(
            &[
                metric("rtt", "seconds", MetricKind::Gauge),
                metric("rtt_seconds", "", MetricKind::Gauge),
            ],
            "metric `rtt_seconds` would be exported as `tcp_stats_rtt_seconds`, which is taken",
        );
    }

    #[test]
    fn what_a_scraper_would_choke_on_is_refused() {
        use MetricKind::{Counter, Gauge, Histogram};
        check(
            &[metric("a b", "", Gauge)],
            "metric `a b`: the name `a b` is not `[a-z][a-z0-9_]*`",
        );
        check(
            &[metric("a_total", "", Counter)],
            "metric `a_total`: the suffix `_total` is the exporter's to give",
        );
        let help = Metric {
            help: " \n".into(),
            ..metric("a", "", Gauge)
        };
        check(&[help], "metric `a` has no help text");
        let le = Metric {
            labels: vec!["le".into()],
            ..metric("a", "", Histogram)
        };
        let reserved = "is repeated, or has a meaning of its own in the exposition format";
        check(&[le], &format!("metric `a`: the label `le` {reserved}"));
        let twice = Metric {
            labels: vec!["pod".into(), "pod".into()],
            ..metric("a", "", Gauge)
        };
        check(&[twice], &format!("metric `a`: the label `pod` {reserved}"));
        let infinite = Metric {
            buckets: vec![1.0, f64::INFINITY],
            ..metric("a", "", Histogram)
        };
        let buckets = "metric `a`: bounds of buckets must be finite and ascending, and belong to a histogram";
        check(&[infinite], buckets);
        check(
            &[Metric {
                buckets: vec![1.0],
                ..metric("a", "", Counter)
            }],
            buckets,
        );
        check(
            &[Metric {
                buckets: vec![],
                ..metric("a", "", Histogram)
            }],
            buckets,
        );
    }

    #[test]
    fn a_help_text_is_one_line() {
        assert_eq!(
            escaped_help("say \"hi\"\nC:\\ \u{1b}[31m"),
            "say \\\"hi\\\" C:\\\\  [31m"
        );
    }
}
