//! A page of /metrics while it is written: families and their rows, whatever they are about.
use std::fmt;

use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeLabel, EncodeLabelSet, LabelSetEncoder,
    MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use super::descriptor::OVERFLOW_LABEL;
use super::family::FamilySnapshot;
use super::histogram::Histogram;
use crate::interface::vespid::plugin::describe::MetricKind;

/// Names and values of a series' labels.
pub(super) type Pairs<'a> = Vec<(&'a str, &'a str)>;

/// The page being written. Families without a sample are left out.
pub(super) struct Page<'e>(pub(super) DescriptorEncoder<'e>);

/// A family's name without its unit, its unit and its help text.
pub(super) type Title<'a> = (&'a str, Option<Unit>, &'a str);

/// A family's only row.
pub(super) fn one<V>(value: V) -> [(Pairs<'static>, V); 1] {
    [(Vec::new(), value)]
}

impl Page<'_> {
    pub(super) fn counters<'r, V: EncodeCounterValue>(
        &mut self,
        title: Title<'_>,
        rows: impl IntoIterator<Item = (Pairs<'r>, V)>,
    ) -> fmt::Result {
        self.rows(title, MetricType::Counter, rows, |metric, value| {
            metric.encode_counter::<NoLabelSet, V, u64>(&value, None)
        })
    }

    pub(super) fn gauges<'r, V: EncodeGaugeValue>(
        &mut self,
        title: Title<'_>,
        rows: impl IntoIterator<Item = (Pairs<'r>, V)>,
    ) -> fmt::Result {
        self.rows(title, MetricType::Gauge, rows, |metric, value| {
            metric.encode_gauge(&value)
        })
    }

    pub(super) fn histograms<'r>(
        &mut self,
        title: Title<'_>,
        rows: impl IntoIterator<Item = (Pairs<'r>, &'r Histogram)>,
    ) -> fmt::Result {
        self.rows(title, MetricType::Histogram, rows, |metric, histogram| {
            histogram_sample(metric, histogram.sum(), histogram.bounds(), histogram.counts())
        })
    }

    fn rows<'r, V>(
        &mut self,
        (name, unit, help): Title<'_>,
        kind: MetricType,
        rows: impl IntoIterator<Item = (Pairs<'r>, V)>,
        mut write: impl FnMut(&mut MetricEncoder<'_>, V) -> fmt::Result,
    ) -> fmt::Result {
        let mut rows = rows.into_iter().peekable();
        if rows.peek().is_none() {
            return Ok(());
        }
        let mut metric = self.0.encode_descriptor(name, help, unit.as_ref(), kind)?;
        rows.try_for_each(|(labels, value)| {
            if labels.is_empty() {
                write(&mut metric, value)
            } else {
                write(&mut metric.encode_family(&labels)?, value)
            }
        })
    }

    /// A family of a plugin's.
    pub(super) fn family(&mut self, family: &FamilySnapshot) -> fmt::Result {
        let described = &*family.descriptor;
        let kind = match described.kind {
            MetricKind::Counter => MetricType::Counter,
            MetricKind::Gauge => MetricType::Gauge,
            MetricKind::Histogram => MetricType::Histogram,
        };
        let mut metric = self
            .0
            .encode_descriptor(&described.stem, &described.help, described.unit.as_ref(), kind)?;
        let write = |metric: &mut MetricEncoder<'_>, value: f64, counts: &[u64]| match described.kind {
            MetricKind::Counter => metric.encode_counter::<NoLabelSet, f64, u64>(&value, None),
            MetricKind::Gauge => metric.encode_gauge(&value),
            MetricKind::Histogram => histogram_sample(metric, value, &described.bounds, counts),
        };
        let buckets = family.counts.len() / family.series.len().max(1);
        for (row, (values, value)) in family.series.iter().enumerate() {
            let counts = &family.counts[row * buckets..(row + 1) * buckets];
            if values.is_empty() {
                write(&mut metric, *value, counts)?;
            } else {
                let labels = Row {
                    names: &described.labels,
                    values,
                };
                write(&mut metric.encode_family(&labels)?, *value, counts)?;
            }
        }
        if let Some((value, counts)) = &family.overflow {
            write(&mut metric.encode_family(&[(OVERFLOW_LABEL, "true")])?, *value, counts)?;
        }
        Ok(())
    }
}

fn histogram_sample(metric: &mut MetricEncoder<'_>, sum: f64, bounds: &[f64], counts: &[u64]) -> fmt::Result {
    let bounds = bounds.iter().copied().chain([f64::INFINITY]);
    let buckets: Vec<(f64, u64)> = bounds.zip(counts.iter().copied()).collect();
    metric.encode_histogram::<NoLabelSet>(sum, counts.iter().sum(), &buckets, None)
}

/// The labels of a plugin's series.
struct Row<'a> {
    names: &'a [String],
    values: &'a [Box<str>],
}

impl EncodeLabelSet for Row<'_> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        let mut pairs = self.names.iter().zip(self.values);
        pairs.try_for_each(|(name, value)| (name.as_str(), &**value).encode(encoder.encode_label()))
    }
}
