//! Whether a report keeps the rules, decided before anything of it is applied: whole or not at all.
use vespid_ebpf::Kind;

use crate::interface::vespid::plugin::describe::{Manifest, MetricKind};
use crate::interface::vespid::plugin::events::Batch;
use crate::interface::vespid::plugin::reports::{Report, Row, Verdict};

use super::manifest::is_name;

const VERDICTS: usize = 1_000;
const RULE_BYTES: usize = 128;
const MESSAGE_BYTES: usize = 4 << 10;
const KEY_BYTES: usize = 1 << 10;
const TAGS: usize = 64;
const TAG_BYTES: usize = 256;
const FIELDS: usize = 64;
const FIELD_NAME_BYTES: usize = 256;
const FIELD_BYTES: usize = 4 << 10;
const LABEL_BYTES: usize = 4 << 10;
/// Series of one instance. What is exported is capped elsewhere; this bounds the daemon's own table of ids.
const SERIES: usize = 1 << 20;

/// A report that breaks a rule.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BadReport {
    /// Too many of something, or something too long.
    #[error("{what} {found}, and at most {max} are allowed")]
    TooMuch {
        /// What there is too much of.
        what: &'static str,
        /// How much there is.
        found: usize,
        /// How much may be.
        max: usize,
    },
    /// A rule name.
    #[error("rule name `{}` is not of the form [a-z][a-z0-9-]*", .0.escape_debug())]
    Rule(String),
    /// A verdict about a row that is not there.
    #[error("a verdict is about row {row} of `{table}`, which has {rows} in this batch")]
    Row {
        /// The table.
        table: &'static str,
        /// The row.
        row: u32,
        /// How many there are.
        rows: usize,
    },
    /// A series of no metric.
    #[error("a series belongs to metric {metric}, and the manifest has {metrics}")]
    Metric {
        /// The index.
        metric: u32,
        /// How many there are.
        metrics: usize,
    },
    /// A series with labels missing or left over.
    #[error("a series of `{metric}` has {found} label values, and the metric has {expected} labels")]
    Labels {
        /// The metric's name.
        metric: String,
        /// How many values there are.
        found: usize,
        /// How many labels the metric has.
        expected: usize,
    },
    /// Sample columns that do not match.
    #[error("there are {ids} sample ids and {values} values")]
    Uneven {
        /// Ids.
        ids: usize,
        /// Values.
        values: usize,
    },
    /// A sample of no series.
    #[error("a sample is of series {id}, and this instance has {known}")]
    Series {
        /// The id.
        id: u32,
        /// How many series there are.
        known: usize,
    },
    /// A sample that is no number, or takes from a counter.
    #[error("a sample of `{metric}` is {value}")]
    Value {
        /// The metric's name.
        metric: String,
        /// The sample.
        value: f64,
    },
}

/// The series of one instance, by id: the index of each one's metric.
#[derive(Debug, Default)]
pub(super) struct SeriesTable(Vec<u32>);

impl SeriesTable {
    /// Checks a report on `batch`, or on a tick, and takes up its series. After a bad report neither the instance nor
    /// this table of its series is used again.
    pub(super) fn check(
        &mut self,
        report: &Report,
        manifest: &Manifest,
        batch: Option<&Batch>,
    ) -> Result<(), BadReport> {
        at_most("verdicts are", report.verdicts.len(), VERDICTS)?;
        for verdict in &report.verdicts {
            check_verdict(verdict)?;
            verdict.subject.map_or(Ok(()), |row| check_row(row, batch))?;
        }
        at_most("series are", self.0.len() + report.series.len(), SERIES)?;
        for series in &report.series {
            let Some(metric) = manifest.metrics.get(series.metric as usize) else {
                return Err(BadReport::Metric {
                    metric: series.metric,
                    metrics: manifest.metrics.len(),
                });
            };
            if series.labels.len() != metric.labels.len() {
                let (found, expected) = (series.labels.len(), metric.labels.len());
                return Err(BadReport::Labels {
                    metric: metric.name.clone(),
                    found,
                    expected,
                });
            }
            series
                .labels
                .iter()
                .try_for_each(|label| at_most("bytes of a label value are", label.len(), LABEL_BYTES))?;
            self.0.push(series.metric);
        }
        self.check_samples(report, manifest)
    }

    fn check_samples(&self, report: &Report, manifest: &Manifest) -> Result<(), BadReport> {
        let (ids, values) = (&report.ids, &report.values);
        if ids.len() != values.len() {
            return Err(BadReport::Uneven {
                ids: ids.len(),
                values: values.len(),
            });
        }
        for (&id, &value) in ids.iter().zip(values) {
            let metric = self
                .0
                .get(id as usize)
                .and_then(|metric| manifest.metrics.get(*metric as usize));
            let metric = metric.ok_or(BadReport::Series {
                id,
                known: self.0.len(),
            })?;
            if !value.is_finite() || metric.kind == MetricKind::Counter && value < 0.0 {
                return Err(BadReport::Value {
                    metric: metric.name.clone(),
                    value,
                });
            }
        }
        Ok(())
    }
}

fn check_verdict(verdict: &Verdict) -> Result<(), BadReport> {
    if verdict.rule.len() > RULE_BYTES || !is_name(&verdict.rule, '-') {
        return Err(BadReport::Rule(verdict.rule.chars().take(RULE_BYTES).collect()));
    }
    at_most("bytes of a verdict's message are", verdict.message.len(), MESSAGE_BYTES)?;
    at_most("bytes of a verdict's key are", verdict.key.len(), KEY_BYTES)?;
    at_most("tags of a verdict are", verdict.tags.len(), TAGS)?;
    at_most("fields of a verdict are", verdict.fields.len(), FIELDS)?;
    for tag in &verdict.tags {
        at_most("bytes of a tag are", tag.len(), TAG_BYTES)?;
    }
    for (name, value) in &verdict.fields {
        at_most("bytes of a field's name are", name.len(), FIELD_NAME_BYTES)?;
        at_most("bytes of a field are", value.len(), FIELD_BYTES)?;
    }
    Ok(())
}

fn check_row(row: Row, batch: Option<&Batch>) -> Result<(), BadReport> {
    let (table, row, kind) = match row {
        Row::Exec(row) => ("execs", row, Kind::Exec),
        Row::Exit(row) => ("exits", row, Kind::Exit),
        Row::Connection(row) => ("connections", row, Kind::Connection),
        Row::Open(row) => ("opens", row, Kind::Open),
        Row::Change(row) => ("changes", row, Kind::Change),
        Row::Privileged(row) => ("privileged", row, Kind::Privileged),
        Row::Socket(row) => ("sockets", row, Kind::Socket),
        Row::Resource(row) => ("resources", row, Kind::Resource),
    };
    let mut tables = batch.into_iter().flat_map(Batch::facts);
    let rows = tables
        .find(|facts| facts.kind == kind)
        .map_or(0, |facts| facts.seq.len());
    if (row as usize) < rows {
        Ok(())
    } else {
        Err(BadReport::Row { table, row, rows })
    }
}

fn at_most(what: &'static str, found: usize, max: usize) -> Result<(), BadReport> {
    if found <= max {
        Ok(())
    } else {
        Err(BadReport::TooMuch { what, found, max })
    }
}
