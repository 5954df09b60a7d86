use super::*;
use crate::interface::vespid::plugin::describe::MetricKind;

/// A plugin with one metric of each kind, labelled by `pod`, and its instance.
struct Setup {
    families: Families,
    ids: SeriesIds,
    start: Instant,
}

const COUNTER: u32 = 0;
const GAUGE: u32 = 1;
const HISTOGRAM: u32 = 2;
const PLAIN: u32 = 3;

fn setup(series: usize) -> Setup {
    let metric = |name: &str, kind, labels: &[&str]| Metric {
        name: name.into(),
        help: "Help.".into(),
        kind,
        unit: String::new(),
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        buckets: if kind == MetricKind::Histogram {
            vec![1.0, 10.0]
        } else {
            Vec::new()
        },
    };
    let metrics = [
        metric("hits", MetricKind::Counter, &["pod"]),
        metric("open", MetricKind::Gauge, &["pod"]),
        metric("size", MetricKind::Histogram, &["pod"]),
        metric("plain", MetricKind::Counter, &[]),
    ];
    let limits = Limits {
        series,
        idle: Duration::from_secs(60),
    };
    let start = Instant::now();
    let families = Families::new("p", &metrics, limits, start).expect("sound metrics");
    Setup {
        families,
        ids: SeriesIds::default(),
        start,
    }
}

impl Setup {
    fn report(&mut self, second: u64, series: &[(u32, &str)], samples: &[(u32, f64)]) {
        let series: Vec<Series> = series
            .iter()
            .map(|(metric, pod)| {
                let labels = if *metric == PLAIN {
                    Vec::new()
                } else {
                    vec![(*pod).to_owned()]
                };
                Series {
                    metric: *metric,
                    labels,
                }
            })
            .collect();
        let (ids, values): (Vec<u32>, Vec<f64>) = samples.iter().copied().unzip();
        let now = self.start + Duration::from_secs(second);
        self.families.apply(&mut self.ids, (&series, &ids, &values), now);
    }

    /// `name{pod}=value` of everything that is shown, histograms with their counts.
    fn shown(&mut self, second: u64) -> String {
        let mut lines = Vec::new();
        for family in self.families.snapshot(self.start + Duration::from_secs(second)) {
            let buckets = family.counts.len() / family.series.len().max(1);
            for (row, (labels, value)) in family.series.iter().enumerate() {
                let counts = &family.counts[row * buckets..(row + 1) * buckets];
                let counts = if buckets > 0 {
                    format!("{counts:?}")
                } else {
                    String::new()
                };
                lines.push(format!("{}{{{}}}={value}{counts}", family.name(), labels.join(",")));
            }
            if let Some((value, counts)) = &family.overflow {
                lines.push(format!("{}{{overflow}}={value}{counts:?}", family.name()));
            }
        }
        lines.join(" ")
    }
}

#[test]
fn samples_add_up_replace_or_fall_into_buckets() {
    let mut setup = setup(10);
    setup.report(
        0,
        &[(COUNTER, "a"), (GAUGE, "a"), (HISTOGRAM, "a")],
        &[(0, 2.0), (1, 7.0), (2, 1.0), (2, 99.0)],
    );
    setup.report(1, &[], &[(0, 3.0), (1, 4.0)]);
    assert_eq!(
        setup.shown(1),
        "p_hits{a}=5 p_open{a}=4 p_size{a}=100[1, 0, 1] p_plain{}=0"
    );
}

#[test]
fn a_new_instance_continues_the_old_ones_counters() {
    let mut setup = setup(10);
    setup.report(0, &[(COUNTER, "a"), (COUNTER, "b")], &[(0, 1.0), (1, 10.0)]);
    setup.ids = SeriesIds::default();
    setup.report(1, &[(COUNTER, "b"), (PLAIN, "")], &[(0, 5.0), (1, 1.0)]);
    assert_eq!(setup.shown(1), "p_hits{a}=1 p_hits{b}=15 p_plain{}=1");
    assert_eq!(setup.families.refused_series(), 0);
}

#[test]
fn samples_beyond_the_limit_go_to_the_overflow_series_so_sums_stay_right() {
    let mut setup = setup(2);
    setup.report(
        0,
        &[
            (COUNTER, "a"),
            (COUNTER, "b"),
            (COUNTER, "c"),
            (COUNTER, "d"),
            (HISTOGRAM, "a"),
        ],
        &[],
    );
    setup.report(0, &[], &[(0, 1.0), (1, 1.0), (2, 1.0), (3, 1.0), (4, 5.0)]);
    assert_eq!(
        setup.shown(0),
        "p_hits{a}=1 p_hits{b}=1 p_hits{overflow}=2[] p_size{overflow}=5[0, 1, 0] p_plain{}=0"
    );
    assert_eq!((setup.families.series(), setup.families.refused_series()), (2, 3));
}

#[test]
fn a_gauge_beyond_the_limit_is_counted_instead_of_shown() {
    let mut setup = setup(0);
    setup.report(0, &[(GAUGE, "a")], &[(0, 1.0)]);
    assert_eq!(setup.shown(0), "p_plain{}=0");
    assert_eq!(
        (setup.families.refused_series(), setup.families.refused_samples()),
        (1, 1)
    );
}

#[test]
fn an_idle_series_goes_and_comes_back_with_its_old_value() {
    let mut setup = setup(10);
    setup.report(0, &[(COUNTER, "a"), (GAUGE, "a")], &[(0, 3.0), (1, 8.0)]);
    assert_eq!(setup.shown(60), "p_hits{a}=3 p_open{a}=8 p_plain{}=0");
    assert_eq!(setup.shown(61), "p_plain{}=0");
    assert_eq!(setup.families.series(), 0);
    setup.report(62, &[], &[(0, 1.0)]);
    assert_eq!(setup.shown(62), "p_hits{a}=4 p_plain{}=0");
}

#[test]
fn idle_series_make_room_even_if_nobody_scrapes() {
    let mut setup = setup(1);
    setup.report(0, &[(COUNTER, "a")], &[(0, 1.0)]);
    setup.report(61, &[(COUNTER, "b")], &[(1, 1.0)]);
    assert_eq!(setup.shown(61), "p_hits{b}=1 p_plain{}=0");
    assert_eq!(setup.families.refused_series(), 0);
}

#[test]
fn the_place_of_a_forgotten_series_is_never_given_samples_of_its_old_owner() {
    let mut setup = setup(1);
    for (second, pod) in [(0, "a"), (100, "b"), (200, "c"), (300, "d")] {
        setup.report(
            second,
            &[(COUNTER, pod)],
            &[(u32::try_from(second / 100).expect("small"), 1.0)],
        );
    }
    // `a` and `b` are forgotten, and `d` may have the place of one of them.
    setup.report(301, &[], &[(0, 50.0), (1, 50.0)]);
    assert_eq!(setup.shown(301), "p_hits{d}=1 p_hits{overflow}=100[] p_plain{}=0");
}

#[test]
fn churn_for_a_month_keeps_a_bounded_number_of_series() {
    let mut setup = setup(4);
    for second in 0..2_000_u64 {
        setup.report(second * 61, &[(HISTOGRAM, &format!("pod-{second}"))], &[]);
    }
    let family = &setup.families.places[HISTOGRAM as usize];
    assert!(
        format!("{family:?}").matches("generation").count() <= 2 * 4 + 1,
        "more than twice the limit is kept"
    );
    assert!(setup.families.dormant.len() <= 4);
}

#[test]
fn nonsense_is_counted_and_harms_nobody() {
    let mut setup = setup(10);
    setup.report(0, &[(COUNTER, "a")], &[(0, 1.0)]);
    setup.report(
        0,
        &[(99, "x")],
        &[(1, 1.0), (77, 1.0), (0, -1.0), (0, f64::NAN), (0, f64::INFINITY)],
    );
    let wrong_labels = [Series {
        metric: COUNTER,
        labels: Vec::new(),
    }];
    let start = setup.start;
    setup
        .families
        .apply(&mut setup.ids, (&wrong_labels, &[0, 0], &[1.0]), start);
    assert_eq!(setup.shown(0), "p_hits{a}=2 p_plain{}=0");
    assert_eq!(
        (setup.families.refused_series(), setup.families.refused_samples()),
        (2, 5)
    );
}

#[test]
fn a_counter_at_the_end_of_the_scale_stays_a_number() {
    let mut setup = setup(10);
    setup.report(
        0,
        &[(COUNTER, "a"), (HISTOGRAM, "a")],
        &[(0, 1e308), (0, 1e308), (0, 1e308), (1, -1e308), (1, -1e308)],
    );
    let shown = setup.shown(0);
    assert!(!shown.contains("inf"), "{shown}");
}

#[test]
fn a_label_value_is_one_short_line_that_cannot_colour_a_terminal() {
    assert_eq!(&*shown("pod-\u{e9}\u{1f980}"), "pod-\u{e9}\u{1f980}");
    assert_eq!(&*shown(r"C:\x"), r"C:\x");
    assert_eq!(&*shown("a\nb\u{1b}[31m\\"), r"a\x0ab\x1b[31m\\");
    let long = shown(&"\u{e9}".repeat(4_000));
    assert!(
        long.len() <= MAX_LABEL_BYTES && long.ends_with('…'),
        "{} bytes",
        long.len()
    );
}
