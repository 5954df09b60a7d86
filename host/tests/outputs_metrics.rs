//! /metrics as its readers see it: promtool, and the parsers of PyPI's prometheus-client.
//!
//! `VESPID_PROMTOOL` and `VESPID_PYTHON` name them if they are not on the PATH; without them these tests are skipped, out
//! loud, unless `VESPID_REQUIRE_TOOLS=1`.
#![expect(clippy::expect_used, reason = "a test's way to fail")]
#![expect(clippy::print_stderr, reason = "a skipped test says so")]

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use vespid::bytes::Bytes;
use vespid::interface::vespid::plugin::describe::{Metric, MetricKind};
use vespid::interface::vespid::plugin::reports::Series;
use vespid::metrics::{
    Books, Build, Compared, Families, Format, Histogram, LAG_SECONDS, Limits, Plugin, Refusals, Reloads, Restarts,
    Scrape, SeriesIds, StageName, State, Usage, render,
};
use vespid_ebpf::Kind;

const HOSTILE: [&str; 9] = [
    "plain",
    "",
    "new\nline",
    "quote\"} 1\n# EOF",
    r"back\slash\n",
    "\u{1b}[31mred\u{7f}\r",
    "\u{1f41d} und \u{e9}\u{301}",
    "{a=\"b\",c=\"d\"}",
    "\u{202e}gnp.exe\u{2028}",
];

/// What a label is on the page: what cannot be shown is escaped as everywhere in Vespid, the rest is as it was.
fn shown(label: &str) -> String {
    match label {
        "new\nline" => r"new\x0aline".to_owned(),
        "quote\"} 1\n# EOF" => r#"quote"} 1\x0a# EOF"#.to_owned(),
        "\u{1b}[31mred\u{7f}\r" => r"\x1b[31mred\x7f\x0d".to_owned(),
        "\u{202e}gnp.exe\u{2028}" => r"\xe2\x80\xaegnp.exe\xe2\x80\xa8".to_owned(),
        label => label.to_owned(),
    }
}

/// A daemon with every self metric, two plugins, hostile labels and a plugin beyond its limit.
fn scrape() -> Scrape {
    let mut scrape = Scrape {
        build: Build {
            version: "0.1.0",
            revision: "abc",
            interface: "0.1.0",
        },
        start_seconds: 1_764_000_000.25,
        usage: Usage {
            cpu_seconds: 1.5,
            resident_bytes: 50_000_000,
        },
        ..Scrape::default()
    };
    for stage in [
        StageName::Kernel,
        StageName::Decode,
        StageName::Enrich,
        StageName::Batch,
    ] {
        let mut ledger = vespid::ledger::Stage::default();
        ledger.pass(Kind::Open, 90);
        ledger.pass(Kind::Exec, 5);
        if stage == StageName::Kernel {
            ledger.drop(Kind::Open, "ring_full", 10);
            ledger.drop(Kind::Exec, "ring_full", 1);
            ledger.drop(Kind::Exec, "shed", 2);
        }
        scrape.books.push(Books { stage, ledger });
    }
    scrape.batch_rows.observe(95.0);
    scrape.verdicts.dropped.insert("queue_full", 2);
    scrape.refusals = Refusals {
        files: 2,
        by_kind: BTreeMap::from([("duplicate", 1), ("not_wasm", 4)]),
    };
    scrape.plugins = vec![plugin("tcp-stats"), plugin("exec-anomaly")];
    scrape
}

fn plugin(name: &str) -> Plugin {
    let mut plugin = Plugin {
        name: name.into(),
        version: "0.1.0".into(),
        digest: "d".repeat(64),
        ..Plugin::default()
    };
    plugin.books.pass(Kind::Open, 80);
    plugin.books.drop(Kind::Open, "queue_full", 10);
    plugin.lag = Histogram::new(LAG_SECONDS);
    plugin.lag.observe_many(0.02, 80);
    plugin.calls.observe(0.000_2);
    plugin.failures.insert("trap", 1);
    plugin.verdicts.count("port-scan", "warning");
    plugin.reloads = Reloads {
        swapped: 3,
        failed: 1,
        last_seconds: 0.015,
        total_seconds: 0.25,
        longest_pause_seconds: 0.000_4,
    };
    plugin.restarts = Restarts { failure: 2, memory: 1 };
    plugin.state = (name == "tcp-stats").then_some(State {
        bytes: 4_096,
        taken_seconds: 1_764_000_060.5,
    });
    plugin.refused_verdicts = 7;
    let compared = Compared {
        agreed: 5,
        severity: 4,
        missing: 3,
        extra: 2,
        undecided: 1,
    };
    plugin.shadow.insert("port-scan".into(), compared);
    plugin.families = families(name).snapshot(Instant::now());
    plugin
}

fn families(plugin: &str) -> Families {
    let metric = |name: &str, unit: &str, kind, labels: &[&str]| Metric {
        name: name.into(),
        help: format!("Say \"{name}\" to C:\\temp,\nplease."),
        kind,
        unit: unit.into(),
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        buckets: if kind == MetricKind::Histogram {
            vec![0.005, 0.5, 10.0]
        } else {
            Vec::new()
        },
    };
    let metrics = [
        metric("bytes", "bytes", MetricKind::Counter, &["name", "direction"]),
        metric("active", "", MetricKind::Gauge, &["name"]),
        metric("rtt_seconds", "seconds", MetricKind::Histogram, &["name"]),
        metric("events", "", MetricKind::Counter, &[]),
        metric("never_used", "", MetricKind::Gauge, &["name"]),
    ];
    let limits = Limits {
        series: 3 * HOSTILE.len(),
        ..Limits::default()
    };
    let mut families = Families::new(plugin, &metrics, limits, Instant::now()).expect("sound metrics");
    let series = |metric: u32, label: &str| {
        let labels = if metric == 0 {
            vec![label.to_owned(), "in".to_owned()]
        } else {
            vec![label.to_owned()]
        };
        Series { metric, labels }
    };
    let mut new: Vec<Series> = (0..3)
        .flat_map(|metric| HOSTILE.map(|label| series(metric, label)))
        .collect();
    new.extend([series(0, "one too many"), series(2, "one too many")]);
    let ids: Vec<u32> = (0u32..).take(new.len()).collect();
    let values: Vec<f64> = ids.iter().map(|id| f64::from(*id) + 0.25).collect();
    families.apply(&mut SeriesIds::default(), (&new, &ids, &values), Instant::now());
    families
}

/// A tool's path, or `None` after saying that the test is skipped.
fn tool(variable: &str, name: &str, probe: &[&str]) -> Option<String> {
    let path = std::env::var(variable).unwrap_or_else(|_| name.to_owned());
    let runs = Command::new(&path)
        .args(probe)
        .output()
        .is_ok_and(|output| output.status.success());
    if runs {
        return Some(path);
    }
    let required = std::env::var("VESPID_REQUIRE_TOOLS").is_ok_and(|value| value == "1");
    assert!(
        !required,
        "`{path}` is required by VESPID_REQUIRE_TOOLS: `{path} {}` failed",
        probe.join(" ")
    );
    eprintln!(
        "SKIPPED: `{path} {}` failed; install it, or name it with {variable}",
        probe.join(" ")
    );
    None
}

fn promtool() -> Option<String> {
    tool("VESPID_PROMTOOL", "promtool", &["--version"])
}

fn python() -> Option<String> {
    tool(
        "VESPID_PYTHON",
        "python3",
        &["-c", "import prometheus_client.openmetrics.parser"],
    )
}

fn feed(program: &str, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it ran a moment ago");
    child
        .stdin
        .take()
        .expect("piped")
        .write_all(input.as_bytes())
        .expect("it reads");
    child.wait_with_output().expect("it ends")
}

/// What a program said, escaped.
fn said(output: &Output) -> String {
    Bytes::from([&*output.stdout, &*output.stderr].concat()).to_string()
}

#[test]
fn promtool_has_no_remark_about_the_page() {
    let Some(promtool) = promtool() else { return };
    let page = render(scrape(), Format::Prometheus);
    let output = feed(&promtool, &["check", "metrics"], &page);
    let said = said(&output);
    assert!(
        output.status.success() && said.trim().is_empty(),
        "promtool: {said}\n{page}"
    );
}

/// Every sample, `name` with its labels and value, as a parser of PyPI's prometheus-client reads it.
fn parsed(python: &str, module: &str, page: &str) -> BTreeMap<(String, BTreeMap<String, String>), f64> {
    const SCRIPT: &str = "\
import importlib, json, sys
parse = importlib.import_module(sys.argv[1]).text_string_to_metric_families
for family in parse(sys.stdin.buffer.read().decode('utf-8')):
    assert family.documentation and family.type != 'unknown', family
    for sample in family.samples:
        print(json.dumps([sample.name, sample.labels, str(sample.value)]))
";
    let output = feed(python, &["-c", SCRIPT, module], page);
    assert!(output.status.success(), "{module}: {}\n{page}", said(&output));
    let mut samples = BTreeMap::new();
    for line in std::str::from_utf8(&output.stdout).expect("JSON").lines() {
        let (name, labels, value): (String, _, String) = serde_json::from_str(line).expect("a sample");
        let before = samples.insert((name, labels), value.parse().expect("a number"));
        assert_eq!(before, None, "twice: {line}");
    }
    samples
}

#[test]
fn openmetrics_and_prometheus_text_hold_the_same_samples_with_every_label_byte() {
    let Some(python) = python() else { return };
    let openmetrics = parsed(
        &python,
        "prometheus_client.openmetrics.parser",
        &render(scrape(), Format::OpenMetrics),
    );
    let prometheus = parsed(
        &python,
        "prometheus_client.parser",
        &render(scrape(), Format::Prometheus),
    );
    assert_eq!(openmetrics, prometheus);

    for (at, label) in (0u32..).zip(HOSTILE) {
        let labels = BTreeMap::from([
            ("name".to_owned(), shown(label)),
            ("direction".to_owned(), "in".to_owned()),
        ]);
        let value = openmetrics.get(&("tcp_stats_bytes_total".to_owned(), labels));
        assert_eq!(value, Some(&(f64::from(at) + 0.25)), "{label:?}");
    }
    let overflow = BTreeMap::from([("otel_metric_overflow".to_owned(), "true".to_owned())]);
    assert_eq!(
        openmetrics.get(&("tcp_stats_bytes_total".to_owned(), overflow)),
        Some(&27.25)
    );
    let plain = openmetrics.get(&("exec_anomaly_events_total".to_owned(), BTreeMap::new()));
    assert_eq!(plain, Some(&0.0), "a counter without labels starts at 0");
}

/// The lines of the page that begin with one of `starts`, without descriptions.
fn lines<'p>(page: &'p str, starts: &[&str]) -> Vec<&'p str> {
    let wanted = |line: &&str| starts.iter().any(|start| line.starts_with(start));
    page.lines().filter(wanted).collect()
}

#[test]
fn the_bill_of_a_plugin_names_its_reloads_restarts_state_and_shadow() {
    let page = render(scrape(), Format::Prometheus);
    let of_tcp = lines(
        &page,
        &[
            "vespid_plugin_info{plugin=\"tcp-stats\"",
            "vespid_plugin_reloads_total{plugin=\"tcp-stats\"",
            "vespid_plugin_last_reload_seconds{plugin=\"tcp-stats\"",
            "vespid_plugin_reload_seconds_total{plugin=\"tcp-stats\"",
            "vespid_plugin_longest_pause_seconds{plugin=\"tcp-stats\"",
            "vespid_plugin_restarts_total{plugin=\"tcp-stats\"",
            "vespid_plugin_state_",
            "vespid_plugin_refused_verdicts_total{plugin=\"tcp-stats\"",
            "vespid_shadow_verdicts_total{plugin=\"tcp-stats\"",
            "vespid_plugin_files_refused",
            "vespid_plugin_refusals_total",
        ],
    );
    let digest = "d".repeat(64);
    let info =
        format!("vespid_plugin_info{{plugin=\"tcp-stats\",version=\"0.1.0\",digest=\"{digest}\",mode=\"active\"}} 1");
    let shadow = |outcome, count| {
        format!("vespid_shadow_verdicts_total{{plugin=\"tcp-stats\",rule=\"port-scan\",outcome=\"{outcome}\"}} {count}")
    };
    let expected = [
        info.as_str(),
        "vespid_plugin_refused_verdicts_total{plugin=\"tcp-stats\"} 7",
        "vespid_plugin_reloads_total{plugin=\"tcp-stats\",outcome=\"swapped\"} 3",
        "vespid_plugin_reloads_total{plugin=\"tcp-stats\",outcome=\"failed\"} 1",
        "vespid_plugin_last_reload_seconds{plugin=\"tcp-stats\"} 0.015",
        "vespid_plugin_reload_seconds_total{plugin=\"tcp-stats\"} 0.25",
        "vespid_plugin_longest_pause_seconds{plugin=\"tcp-stats\"} 0.0004",
        "vespid_plugin_restarts_total{plugin=\"tcp-stats\",reason=\"failure\"} 2",
        "vespid_plugin_restarts_total{plugin=\"tcp-stats\",reason=\"memory\"} 1",
        "vespid_plugin_state_bytes{plugin=\"tcp-stats\"} 4096",
        "vespid_plugin_state_timestamp_seconds{plugin=\"tcp-stats\"} 1764000060.5",
        &shadow("agreed", 5),
        &shadow("severity", 4),
        &shadow("missing", 3),
        &shadow("extra", 2),
        &shadow("undecided", 1),
        "vespid_plugin_files_refused 2",
        "vespid_plugin_refusals_total{kind=\"duplicate\"} 1",
        "vespid_plugin_refusals_total{kind=\"not_wasm\"} 4",
    ];
    assert_eq!(of_tcp, expected);
}

#[test]
fn a_swap_is_seen_on_the_page_as_counters_that_go_on() {
    let metric = |name: &str, help: &str| Metric {
        name: name.into(),
        help: help.into(),
        kind: MetricKind::Counter,
        unit: String::new(),
        labels: Vec::new(),
        buckets: Vec::new(),
    };
    let page = |families: &mut Families| {
        let plugin = Plugin {
            name: "p".into(),
            families: families.snapshot(Instant::now()),
            ..Plugin::default()
        };
        let scrape = Scrape {
            plugins: vec![plugin],
            ..Scrape::default()
        };
        render(scrape, Format::Prometheus)
    };
    let old = [metric("hits", "Old."), metric("gone", "Gone.")];
    let mut families = Families::new("p", &old, Limits::default(), Instant::now()).expect("sound metrics");
    let series = |metric| Series {
        metric,
        labels: Vec::new(),
    };
    let mut before = families.ids();
    families.apply(
        &mut before,
        (&[series(0), series(1)], &[0, 1], &[5.0, 6.0]),
        Instant::now(),
    );
    assert_eq!(
        lines(&page(&mut families), &["p_"]),
        ["p_hits_total 5.0", "p_gone_total 6.0"]
    );

    let new = [metric("fresh", "Fresh."), metric("hits", "New.")];
    families.adopt("p", &new).expect("sound metrics");
    let mut after = families.ids();
    families.apply(
        &mut after,
        (&[series(1), series(0)], &[0, 1], &[2.0, 1.0]),
        Instant::now(),
    );
    let page = page(&mut families);
    assert_eq!(lines(&page, &["p_"]), ["p_fresh_total 1.0", "p_hits_total 7.0"]);
    assert!(page.contains("# HELP p_hits_total New.\n"), "{page}");
}

#[test]
fn two_plugins_with_one_name_for_two_things_do_not_spoil_the_page() {
    let metric = |name: &str, kind| Metric {
        name: name.into(),
        help: "Help.".into(),
        kind,
        unit: String::new(),
        labels: Vec::new(),
        buckets: Vec::new(),
    };
    let plugin = |name: &str, metrics: &[Metric]| {
        let mut families = Families::new(name, metrics, Limits::default(), Instant::now()).expect("sound metrics");
        Plugin {
            name: name.into(),
            families: families.snapshot(Instant::now()),
            ..Plugin::default()
        }
    };
    let plugins = vec![
        plugin("a", &[metric("b_c", MetricKind::Counter)]),
        plugin(
            "a-b",
            &[metric("c", MetricKind::Counter), metric("d", MetricKind::Counter)],
        ),
    ];
    let page = render(
        Scrape {
            plugins,
            ..Scrape::default()
        },
        Format::Prometheus,
    );
    assert_eq!(page.matches("# TYPE a_b_c_total").count(), 1);
    assert!(page.contains("\na_b_d_total 0.0\n"), "{page}");
    assert!(
        page.contains("\nvespid_plugin_hidden_metrics{plugin=\"a-b\"} 1\n"),
        "{page}"
    );
}

/// The query of `host/src/metrics/host.rs`.
const LEAKS: &str = "sum by (stage, plugin, kind) (vespid_events_in_total) \
    != sum by (stage, plugin, kind) ({__name__=~\"vespid_events_(out|dropped)_total\"})";

/// What Prometheus answers to [`LEAKS`]: whether it is as expected, and what promtool said.
fn asked(promtool: &str, scrape: Scrape, expected: &str) -> (bool, String) {
    let page = render(scrape, Format::Prometheus);
    let series: String = page
        .lines()
        .filter_map(|line| line.strip_prefix("vespid_events_")?.rsplit_once(' '))
        .map(|(series, value)| format!("      - {{series: 'vespid_events_{series}', values: '{value}'}}\n"))
        .collect();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("test.yml");
    let tests = format!(
        "rule_files: []\ntests:\n  - interval: 1m\n    input_series:\n{series}    promql_expr_test:\n      \
         - {{expr: '{LEAKS}', eval_time: 0m, exp_samples: [{expected}]}}\n"
    );
    std::fs::write(&file, tests).expect("written");
    let output = Command::new(promtool)
        .args(["test", "rules"])
        .arg(&file)
        .output()
        .expect("it ran a moment ago");
    let said = said(&output);
    (output.status.success(), said)
}

#[test]
fn one_query_finds_every_stage_that_loses_events_silently() {
    let Some(promtool) = promtool() else { return };
    let (as_expected, said) = asked(&promtool, scrape(), "");
    assert!(as_expected, "{said}");

    let mut leaky = scrape();
    leaky.plugins[1].books.entered[Kind::Open.index()] += 1;
    let found = "{labels: '{stage=\"plugin\", plugin=\"exec-anomaly\", kind=\"open\"}', value: 91}";
    let (as_expected, said) = asked(&promtool, leaky, found);
    assert!(as_expected, "{said}");
}
