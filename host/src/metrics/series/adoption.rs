//! What a new version's manifest does to a plugin's series.
use super::*;
use crate::interface::vespid::plugin::describe::MetricKind;

fn metric(name: &str, kind: MetricKind, labels: &[&str]) -> Metric {
    Metric {
        name: name.into(),
        help: format!("Help of {name}."),
        kind,
        unit: String::new(),
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        buckets: if kind == MetricKind::Histogram {
            vec![1.0, 10.0]
        } else {
            Vec::new()
        },
    }
}

fn series(metric: u32, labels: &[&str]) -> Series {
    Series {
        metric,
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
    }
}

/// `name{labels}=value` of everything that is shown; an overflow series has the label `overflow`.
fn shown(families: &mut Families, now: Instant) -> Vec<String> {
    let mut lines = Vec::new();
    for family in families.snapshot(now) {
        for (labels, value) in &family.series {
            lines.push(format!("{}{{{}}}={value}", family.name(), labels.join(",")));
        }
        lines.extend(
            family
                .overflow
                .iter()
                .map(|(value, _)| format!("{}{{overflow}}={value}", family.name())),
        );
    }
    lines
}

const LIMITS: Limits = Limits {
    series: 10,
    idle: Duration::from_secs(60),
};

fn families(metrics: &[Metric], now: Instant) -> Families {
    Families::new("p", metrics, LIMITS, now).expect("sound metrics")
}

#[test]
fn what_both_versions_have_continues_and_the_rest_goes() {
    use MetricKind::{Counter, Gauge, Histogram};
    let now = Instant::now();
    let stays = metric("stays", Counter, &["pod"]);
    let plain = metric("plain", Counter, &[]);
    let old = [
        metric("gone", Counter, &["pod"]),
        stays.clone(),
        metric("kind", Counter, &["pod"]),
        metric("labels", Counter, &["pod"]),
        metric("size", Histogram, &["pod"]),
        plain.clone(),
    ];
    let mut families = families(&old, now);
    let mut ids = families.ids();
    let new: Vec<Series> = (0..5)
        .map(|metric| series(metric, &["a"]))
        .chain([series(5, &[])])
        .collect();
    families.apply(&mut ids, (&new, &[0, 1, 2, 3, 4, 5], &[7.0; 6]), now);
    assert_eq!(families.series(), 5);

    let new = [
        plain,
        metric("kind", Gauge, &["pod"]),
        Metric {
            help: "Other help.".into(),
            ..stays
        },
        metric("labels", Counter, &["pod", "node"]),
        Metric {
            buckets: vec![2.0],
            ..metric("size", Histogram, &["pod"])
        },
        metric("fresh", Counter, &[]),
    ];
    families.adopt("p", &new).expect("sound metrics");
    assert_eq!(
        shown(&mut families, now),
        ["p_plain{}=7", "p_stays{a}=7", "p_fresh{}=0"]
    );
    assert_eq!(families.series(), 1);
    let help = &families.snapshot(now)[1].descriptor.help;
    assert_eq!(help, "Other help.");

    let mut ids = families.ids();
    families.apply(
        &mut ids,
        (&[series(2, &["a"]), series(1, &["a"])], &[0, 1], &[1.0, 3.0]),
        now,
    );
    assert_eq!(
        shown(&mut families, now),
        ["p_plain{}=7", "p_kind{a}=3", "p_stays{a}=8", "p_fresh{}=0"]
    );
}

#[test]
fn a_bad_manifest_changes_nothing() {
    let now = Instant::now();
    let mut families = families(&[metric("hits", MetricKind::Counter, &["pod"])], now);
    let mut ids = families.ids();
    families.apply(&mut ids, (&[series(0, &["a"])], &[0], &[1.0]), now);
    let bad = [
        metric("other", MetricKind::Counter, &[]),
        metric("a b", MetricKind::Counter, &[]),
    ];
    families.adopt("p", &bad).expect_err("no such name");
    families.apply(&mut ids, (&[series(0, &["b"])], &[0, 1], &[1.0, 1.0]), now);
    assert_eq!(shown(&mut families, now), ["p_hits{a}=2", "p_hits{b}=1"]);
    assert_eq!((families.refused_series(), families.refused_samples()), (0, 0));
}

#[test]
fn an_instance_of_before_reaches_only_what_continued() {
    let now = Instant::now();
    let (a, b) = (
        metric("a", MetricKind::Counter, &["pod"]),
        metric("b", MetricKind::Counter, &["pod"]),
    );
    let mut families = families(&[a, b.clone()], now);
    let (mut old, mut silent) = (families.ids(), families.ids());
    families.apply(
        &mut old,
        (&[series(0, &["x"]), series(1, &["x"])], &[0, 1], &[1.0, 1.0]),
        now,
    );

    // `c` gets the place that `a` had, and its series the same slot.
    families
        .adopt("p", &[b, metric("c", MetricKind::Counter, &["pod"])])
        .expect("sound metrics");
    families.apply(&mut families.ids(), (&[series(1, &["x"])], &[0], &[100.0]), now);
    families.apply(&mut old, (&[series(0, &["y"])], &[0, 1, 2], &[1.0, 1.0, 1.0]), now);
    families.apply(&mut silent, (&[series(0, &["z"])], &[0], &[1.0]), now);
    assert_eq!(shown(&mut families, now), ["p_b{x}=2", "p_c{x}=100"]);
    assert_eq!((families.refused_series(), families.refused_samples()), (2, 3));
}

#[test]
fn what_went_makes_room_and_a_lower_limit_counts_from_now_on() {
    let now = Instant::now();
    let counter = |name| metric(name, MetricKind::Counter, &["pod"]);
    let mut families = families(&[counter("a"), counter("b")], now);
    let new: Vec<Series> = (0..5)
        .flat_map(|pod| [0, 1].map(|metric| series(metric, &[&format!("pod-{pod}")])))
        .collect();
    families.apply(&mut families.ids(), (&new, &[], &[]), now);
    families.adopt("p", &[counter("b")]).expect("sound metrics");
    assert_eq!(families.series(), 5);

    families.limit(Limits { series: 3, ..LIMITS });
    let mut ids = families.ids();
    families.apply(
        &mut ids,
        (&[series(0, &["one more"]), series(0, &["pod-0"])], &[0, 1], &[2.0, 1.0]),
        now,
    );
    assert_eq!(families.series(), 5, "what is shown stays");
    assert!(shown(&mut families, now).contains(&"p_b{overflow}=2".to_owned()));

    let later = now + Duration::from_secs(61);
    assert_eq!(shown(&mut families, later), ["p_b{overflow}=2"]);
    assert_eq!(families.dormant.len(), 3, "the limit also bounds what is remembered");
    families.adopt("p", &[]).expect("no metrics");
    assert_eq!((families.series(), families.dormant.len()), (0, 0));
}

#[test]
fn a_thousand_versions_need_no_more_places_than_the_largest() {
    let now = Instant::now();
    let mut families = families(&[], now);
    for version in 0..1_000 {
        let metrics =
            [0, 1, 2].map(|metric| self::metric(&format!("m{}", version + metric), MetricKind::Counter, &["pod"]));
        families.adopt("p", &metrics).expect("sound metrics");
        let new: Vec<Series> = (0..3).map(|metric| series(metric, &["a"])).collect();
        families.apply(&mut families.ids(), (&new, &[0, 1, 2], &[1.0; 3]), now);
    }
    assert_eq!(
        shown(&mut families, now),
        ["p_m999{a}=3", "p_m1000{a}=2", "p_m1001{a}=1"]
    );
    assert_eq!((families.places.len(), families.series()), (3, 3));
}
