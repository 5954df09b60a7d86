use super::*;

fn metric(name: &str, kind: MetricKind) -> Metric {
    let buckets = if kind == MetricKind::Histogram {
        vec![0.1, 1.0]
    } else {
        vec![]
    };
    Metric {
        name: name.into(),
        help: "Help.".into(),
        kind,
        unit: String::new(),
        labels: vec!["path".into()],
        buckets,
    }
}

#[track_caller]
fn check_with(change: impl FnOnce(&mut Manifest), expected: &str) {
    let mut manifest = Manifest {
        name: "file-audit".into(),
        version: "1.0.0-rc.1+build.5".into(),
        description: "Audits.".into(),
        subscription: Kinds::OPENS,
        metrics: vec![
            metric("opens", MetricKind::Counter),
            metric("open_files", MetricKind::Gauge),
            metric("open_duration", MetricKind::Histogram),
        ],
        config_schema: r#"{"type": "object"}"#.into(),
        state_version: 1,
        look_back: 0,
    };
    change(&mut manifest);
    let found = check(&manifest).map_or_else(|error| error.to_string(), |_| "fine".into());
    assert!(found.contains(expected), "{found}");
}

#[test]
fn an_ordinary_manifest_is_fine() {
    check_with(|_| {}, "fine");
    check_with(|m| m.metrics[0].labels = vec!["plugin".into(), "node".into()], "fine");
    check_with(|m| m.config_schema.clear(), "fine");
}

#[test]
fn names_are_of_the_documented_form() {
    for name in ["", "Tcp", "1st", "a_b", "a\nb", &"x".repeat(64)] {
        check_with(|m| m.name = name.into(), "is not of the form");
    }
    check_with(|m| m.name = "vespid".into(), "daemon's own");
    for version in ["", "1", "1.0", "1.0.x", "1.0.0-", "1.0.0+"] {
        check_with(|m| m.version = version.into(), "semver");
    }
}

#[test]
fn a_plugin_that_wants_nothing_is_refused() {
    check_with(|m| m.subscription = Kinds::empty(), "subscribes to no table");
    check_with(
        |m| m.look_back = 30 * 86_400 + 1,
        "it wants to look back over 2592001 s, and may over 2592000 s (30 days)",
    );
}

#[test]
fn metrics_are_valid_for_prometheus() {
    check_with(
        |m| m.metrics[0].name = "Opens".into(),
        "metric `Opens`: its name is not",
    );
    check_with(|m| m.metrics[0].name = "opens_total".into(), "adds by itself");
    check_with(|m| m.metrics[0].labels = vec!["le".into()], "reserved");
    check_with(|m| m.metrics[0].labels = vec!["__name__".into()], "not of the form");
    check_with(|m| m.metrics[0].labels = vec!["a".into(), "a".into()], "stands twice");
    check_with(|m| m.metrics[0].buckets = vec![1.0], "only a histogram");
    check_with(|m| m.metrics[2].buckets = vec![], "needs buckets");
    check_with(|m| m.metrics[2].buckets = vec![1.0, 1.0], "ascending");
    check_with(|m| m.metrics[2].buckets = vec![1.0, f64::INFINITY], "finite");
    check_with(|m| m.metrics[0].help = "two\nlines".into(), "help of metric `opens`");
}

#[test]
fn two_metrics_never_share_a_sample_name() {
    check_with(|m| m.metrics[1].name = "opens".into(), "as well");
    check_with(|m| m.metrics[1].name = "open_duration_sum".into(), "as well");
    check_with(
        |m| {
            m.metrics[1].name = "open_duration_seconds".into();
            m.metrics[2].unit = "seconds".into();
        },
        "as well",
    );
}

#[test]
fn sizes_are_capped() {
    check_with(
        |m| m.metrics = vec![metric("x", MetricKind::Gauge); 257],
        "declares 257 metrics",
    );
    check_with(
        |m| m.metrics[0].labels = (0..17).map(|at| format!("l{at}")).collect(),
        "17 labels",
    );
    check_with(|m| m.description = "x".repeat(2_000), "its description");
    check_with(
        |m| m.config_schema = format!("{{\"x\": \"{}\"}}", "x".repeat(70_000)),
        "may have 65536",
    );
}

#[test]
fn the_schema_is_a_json_object() {
    check_with(|m| m.config_schema = "[1]".into(), "is not a JSON object");
    check_with(|m| m.config_schema = "{".into(), "is not JSON");
}
