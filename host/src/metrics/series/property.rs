//! However reports, new versions, restarts, idleness and limits follow each other, series never mix.
use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::interface::vespid::plugin::describe::MetricKind;

/// A metric by its name and by which of several forms it has.
type Form = (u8, u8);
const GAUGE: u8 = 2;
const PLAIN: u8 = 4;

fn metric((name, form): Form) -> Metric {
    use MetricKind::{Counter, Gauge, Histogram};
    let (kind, label) = [
        (Counter, Some("pod")),
        (Counter, Some("node")),
        (Gauge, Some("pod")),
        (Histogram, Some("pod")),
        (Counter, None),
    ][usize::from(form)];
    Metric {
        name: format!("m{name}"),
        help: "Help.".into(),
        kind,
        unit: String::new(),
        labels: label.into_iter().map(str::to_owned).collect(),
        buckets: if kind == Histogram { vec![2.0] } else { Vec::new() },
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// A report of the youngest instance (0), or of one before it.
    Report {
        instance: usize,
        series: Vec<(u8, u8)>,
        samples: Vec<(u8, u8)>,
    },
    Adopt(Vec<Form>),
    /// Another instance of the present manifest.
    Restart,
    Wait(u8),
    Limit(u8),
}

fn step(can_forget: bool) -> impl Strategy<Value = Step> {
    let report = (
        prop_oneof![4 => Just(0_usize), 1 => 1..4_usize],
        proptest::collection::vec((0..5_u8, 0..4_u8), 0..4),
        proptest::collection::vec((0..8_u8, 1..5_u8), 0..6),
    );
    let manifest = proptest::collection::btree_map(0..4_u8, 0..5_u8, 0..5);
    let forgetting = u32::from(can_forget);
    prop_oneof![
        8 => report.prop_map(|(instance, series, samples)| Step::Report { instance, series, samples }),
        2 => manifest.prop_map(|forms| Step::Adopt(forms.into_iter().collect())),
        1 => Just(Step::Restart),
        2 * forgetting => (0..80_u8).prop_map(Step::Wait),
        forgetting => (0..8_u8).prop_map(Step::Limit),
    ]
}

/// A series: its family and the value of its label.
type Key = (Form, String);

struct Instance {
    ids: SeriesIds,
    manifest: u64,
    /// What each of its ids stands for.
    series: Vec<Option<Key>>,
}

/// What was reported, kept in the simplest way.
struct Model {
    families: Families,
    now: Instant,
    metrics: Vec<Form>,
    manifest: u64,
    /// With which manifest each family began.
    began: BTreeMap<Form, u64>,
    reported: BTreeMap<Key, f64>,
    seen: BTreeMap<Key, f64>,
    instances: Vec<Instance>,
}

impl Model {
    fn new() -> Model {
        let now = Instant::now();
        let limits = Limits {
            series: 6,
            idle: Duration::from_secs(60),
        };
        let mut model = Model {
            families: Families::new("p", &[], limits, now).expect("no metrics"),
            now,
            metrics: Vec::new(),
            manifest: 0,
            began: BTreeMap::new(),
            reported: BTreeMap::new(),
            seen: BTreeMap::new(),
            instances: Vec::new(),
        };
        model.begin();
        model
    }

    fn begin(&mut self) {
        self.instances.push(Instance {
            ids: self.families.ids(),
            manifest: self.manifest,
            series: Vec::new(),
        });
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Report {
                instance,
                series,
                samples,
            } => self.report(instance, &series, &samples),
            Step::Adopt(metrics) => self.adopt(metrics),
            Step::Restart => self.begin(),
            Step::Wait(seconds) => self.now += Duration::from_secs(seconds.into()),
            Step::Limit(series) => self.families.limit(Limits {
                series: series.into(),
                idle: Duration::from_secs(60),
            }),
        }
    }

    fn adopt(&mut self, metrics: Vec<Form>) {
        let manifest: Vec<Metric> = metrics.iter().copied().map(metric).collect();
        self.families.adopt("p", &manifest).expect("sound metrics");
        self.manifest += 1;
        self.began.retain(|form, _| metrics.contains(form));
        for form in &metrics {
            self.began.entry(*form).or_insert(self.manifest);
        }
        self.reported.retain(|(form, _), _| metrics.contains(form));
        self.seen.retain(|(form, _), _| metrics.contains(form));
        self.metrics = metrics;
        self.begin();
    }

    fn report(&mut self, instance: usize, series: &[(u8, u8)], samples: &[(u8, u8)]) {
        let at = self.instances.len().saturating_sub(1 + instance);
        let instance = &mut self.instances[at];
        let mut new = Vec::new();
        for (index, pod) in series {
            let form = self.metrics.get(usize::from(*index)).copied();
            let label = match form {
                Some((_, PLAIN)) => None,
                _ => Some(format!("pod-{pod}")),
            };
            new.push(Series {
                metric: u32::from(*index),
                labels: label.clone().into_iter().collect(),
            });
            let form = form.filter(|_| instance.manifest == self.manifest);
            instance.series.push(form.map(|form| (form, label.unwrap_or_default())));
        }
        for (id, amount) in samples {
            let key = instance.series.get(usize::from(*id)).and_then(Option::as_ref);
            let lives = |(form, _): &&Key| self.began.get(form).is_some_and(|began| *began <= instance.manifest);
            if let Some(key) = key.filter(lives) {
                *self.reported.entry(key.clone()).or_default() += f64::from(*amount);
            }
        }
        let ids: Vec<u32> = samples.iter().map(|(id, _)| u32::from(*id)).collect();
        let values: Vec<f64> = samples.iter().map(|(_, amount)| f64::from(*amount)).collect();
        self.families.apply(&mut instance.ids, (&new, &ids, &values), self.now);
    }

    /// Compares what is shown with what was reported. Nothing may be missing if nothing was ever forgotten.
    fn check(&mut self, can_forget: bool) -> Result<(), TestCaseError> {
        let page = self.families.snapshot(self.now);
        let labelled = page.iter().filter(|family| !family.descriptor.labels.is_empty());
        let live: usize = labelled.map(|family| family.series.len()).sum();
        prop_assert_eq!(
            live,
            self.families.series(),
            "the number of series that counts against the limit"
        );
        prop_assert!(self.families.dormant.len() <= self.families.limits.series);
        for family in &page {
            let name = family.name();
            let form = self
                .metrics
                .iter()
                .copied()
                .find(|(number, _)| name == format!("p_m{number}"));
            let form = form.ok_or_else(|| TestCaseError::fail(format!("{name} is shown")))?;
            if form.1 == GAUGE {
                continue;
            }
            let mut shown = family.overflow.as_ref().map_or(0.0, |(value, _)| *value);
            for (labels, value) in &family.series {
                shown += value;
                let key = (form, labels.first().map_or(String::new(), ToString::to_string));
                let reported = self.reported.get(&key).copied().unwrap_or_default();
                prop_assert!(*value <= reported, "{} {:?} is {} of {}", name, labels, value, reported);
                let before = self.seen.insert(key, *value).unwrap_or_default();
                prop_assert!(
                    can_forget || *value >= before,
                    "{} {:?} went back to {}",
                    name,
                    labels,
                    value
                );
            }
            let own = self.reported.iter().filter(|((of, _), _)| *of == form);
            let reported: f64 = own.map(|(_, amount)| amount).sum();
            prop_assert!(shown <= reported, "{} has {} of {}", name, shown, reported);
            prop_assert!(
                can_forget || shown == reported,
                "{} has only {} of {}",
                name,
                shown,
                reported
            );
        }
        Ok(())
    }
}

fn run(steps: Vec<Step>, can_forget: bool) -> Result<(), TestCaseError> {
    let mut model = Model::new();
    for step in steps {
        model.step(step);
        model.check(can_forget)?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_sample_is_lost_and_no_counter_goes_backwards(steps in proptest::collection::vec(step(false), 1..60)) {
        run(steps, false)?;
    }

    #[test]
    fn idle_series_and_limits_mix_nothing_up(steps in proptest::collection::vec(step(true), 1..60)) {
        run(steps, true)?;
    }
}
