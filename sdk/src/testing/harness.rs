//! Runs a plugin and keeps what it said.
use std::collections::HashMap;

use super::{BatchBuilder, EPOCH};
use crate::bindings::vespid::plugin::describe::{self, MetricKind};
use crate::bindings::vespid::plugin::events;
use crate::bindings::vespid::plugin::reports::{self, Verdict};
use crate::runtime::Instance;
use crate::{Plugin, Restored};

/// A plugin that runs natively. It does as the daemon does: describe, init, batches and ticks; and it adds up metrics.
///
/// Panics, as tests should, if the plugin returns an error.
///
/// ```
/// # use vespid_plugin::prelude::*;
/// # struct Opens(Counter<0>);
/// # impl Plugin for Opens {
/// #     const MANIFEST: Manifest = Manifest::new("opens", "0.1.0", "Counts.").opens();
/// #     type Config = Config;
/// #     type Metrics = Counter<0>;
/// #     fn metrics(declare: &Registry) -> Counter<0> { declare.counter("opens", "Opens.") }
/// #     fn new(_: Config, opens: Counter<0>) -> Result<Self, String> { Ok(Opens(opens)) }
/// #     fn on_batch(&mut self, batch: Batch<'_>, _: &mut Report) -> Result<(), String> {
/// #         self.0.with([]).add(batch.opens().count() as u64);
/// #         Ok(())
/// #     }
/// # }
/// # #[derive(Deserialize, JsonSchema)]
/// # struct Config {}
/// let mut plugin = testing::Harness::<Opens>::start("{}").unwrap();
/// assert_eq!(plugin.manifest().name, "opens");
/// assert!(plugin.filters().is_empty(), "all rows are wanted");
/// let mut batch = testing::BatchBuilder::new();
/// let cat = batch.process("/bin/cat").id();
/// batch.open(cat, "/etc/hosts");
/// assert_eq!(plugin.batch(&batch).rules(), [""; 0]);
/// // A swap: another instance goes on with the state of this one.
/// plugin.replace();
/// plugin.batch(&batch);
/// assert_eq!(plugin.tick(60 * testing::SECOND).lines(), [""; 0]);
/// assert_eq!(plugin.total("opens"), 2.0);
/// ```
pub struct Harness<P: Plugin> {
    instance: Instance<P>,
    config: String,
    manifest: describe::Manifest,
    filters: Vec<describe::Filter>,
    series: Vec<(String, Vec<String>)>,
    values: HashMap<(String, Vec<String>), f64>,
}

/// What a plugin said to one call.
///
/// ```
/// use vespid_plugin::testing::Outcome;
///
/// fn is_quiet(outcome: &Outcome) -> bool {
///     outcome.verdicts.is_empty() && outcome.rules().is_empty()
/// }
/// ```
#[derive(Debug)]
pub struct Outcome {
    /// Its verdicts.
    pub verdicts: Vec<Verdict>,
}

impl Outcome {
    /// The verdicts as lines of `severity rule: message`.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let line = |verdict: &Verdict| format!("{} {}: {}", severity(verdict), verdict.rule, verdict.message);
        self.verdicts.iter().map(line).collect()
    }

    /// The rules of the verdicts.
    #[must_use]
    pub fn rules(&self) -> Vec<&str> {
        self.verdicts.iter().map(|verdict| verdict.rule.as_str()).collect()
    }
}

pub(super) fn severity(verdict: &Verdict) -> &'static str {
    match verdict.severity {
        reports::Severity::Info => "info",
        reports::Severity::Notice => "notice",
        reports::Severity::Warning => "warning",
        reports::Severity::Error => "error",
        reports::Severity::Critical => "critical",
    }
}

#[expect(clippy::expect_used, reason = "a test's panic is its report")]
impl<P: Plugin> Harness<P> {
    /// Starts the plugin with a configuration.
    ///
    /// # Errors
    /// What the plugin has against the configuration.
    pub fn start(config: &str) -> Result<Self, String> {
        let mut instance = Instance::default();
        instance.init(config)?;
        Ok(Harness {
            filters: instance.filters(),
            instance,
            config: config.to_owned(),
            manifest: Instance::<P>::describe(),
            series: Vec::new(),
            values: HashMap::new(),
        })
    }

    /// What the plugin says about itself.
    #[must_use]
    pub fn manifest(&self) -> &describe::Manifest {
        &self.manifest
    }

    /// Which rows it wants of the tables that it subscribes to.
    #[must_use]
    pub fn filters(&self) -> &[describe::Filter] {
        &self.filters
    }

    /// Hands over a batch, whatever the filters say.
    pub fn batch(&mut self, batch: &BatchBuilder) -> Outcome {
        self.columns(&batch.columns()).expect("the plugin takes the batch")
    }

    /// Lets event time come to so many nanoseconds after [`EPOCH`].
    pub fn tick(&mut self, nanoseconds: u64) -> Outcome {
        self.tick_at(EPOCH + nanoseconds).expect("the plugin takes the tick")
    }

    pub(super) fn columns(&mut self, batch: &events::Batch) -> Result<Outcome, String> {
        let report = self.instance.on_batch(batch)?;
        Ok(self.apply(report))
    }

    pub(super) fn tick_at(&mut self, now: u64) -> Result<Outcome, String> {
        let report = self.instance.tick(now)?;
        Ok(self.apply(report))
    }

    /// Replaces the instance by another that continues from its snapshot.
    pub fn replace(&mut self) -> Restored {
        let state = self.instance.snapshot();
        self.restore(self.manifest.state_version, &state)
    }

    /// Replaces the instance by another that continues from a state of this version, such as an earlier one of the plugin
    /// wrote.
    pub fn restore(&mut self, version: u32, state: &[u8]) -> Restored {
        self.instance = Instance::default();
        self.instance
            .init(&self.config)
            .expect("the configuration has been taken before");
        self.series.clear();
        self.instance.restore(version, state)
    }

    /// The value of a counter or gauge, or the number of observations of a histogram; none if nothing was ever said.
    #[must_use]
    pub fn value<const N: usize>(&self, metric: &str, labels: [&str; N]) -> Option<f64> {
        self.values
            .get(&(metric.to_owned(), labels.map(str::to_owned).to_vec()))
            .copied()
    }

    /// The sum of a metric over all label values.
    #[must_use]
    pub fn total(&self, metric: &str) -> f64 {
        self.values
            .iter()
            .filter(|((name, _), _)| name == metric)
            .map(|(_, value)| value)
            .sum()
    }

    /// Name, labels and value of every series, as [`value`](Harness::value) has them.
    pub(super) fn series(&self) -> impl Iterator<Item = (&str, Vec<(String, String)>, f64)> {
        self.values.iter().map(|((name, values), value)| {
            let metric = self.manifest.metrics.iter().find(|metric| metric.name == *name);
            let names = metric.into_iter().flat_map(|metric| metric.labels.iter().cloned());
            (name.as_str(), names.zip(values.iter().cloned()).collect(), *value)
        })
    }

    fn apply(&mut self, report: reports::Report) -> Outcome {
        assert_eq!(
            report.ids.len(),
            report.values.len(),
            "samples come in two columns of equal length"
        );
        for series in report.series {
            let metric = self
                .manifest
                .metrics
                .get(series.metric as usize)
                .expect("a declared metric");
            assert_eq!(
                metric.labels.len(),
                series.labels.len(),
                "{} has a value for each label",
                metric.name
            );
            self.series.push((metric.name.clone(), series.labels));
        }
        for (id, sample) in report.ids.into_iter().zip(report.values) {
            let series = self.series.get(id as usize).expect("a registered series").clone();
            let metric = self.manifest.metrics.iter().find(|metric| metric.name == series.0);
            let value = self.values.entry(series).or_default();
            match metric.map(|metric| metric.kind) {
                Some(MetricKind::Gauge) => *value = sample,
                Some(MetricKind::Histogram) => *value += 1.0,
                _ => *value += sample,
            }
        }
        Outcome {
            verdicts: report.verdicts,
        }
    }
}
