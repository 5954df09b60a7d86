//! A plugin that misbehaves as its configuration says, so that the runtime can be tested on the real thing.
//!
//! It is written on the bare bindings: the SDK would not let it lie.
use std::cell::RefCell;
use std::collections::BTreeMap;

use serde_json::Value;
use vespid_plugin::bindings::exports::vespid::plugin::guest::{Guest, Restored};
use vespid_plugin::bindings::vespid::plugin::describe::{
    Accesses, Filter, Kinds, Manifest, Metric, MetricKind, NamespaceFilter, NamespaceKind, Outcomes, Pattern, Places,
    WhichNamespace,
};
use vespid_plugin::bindings::vespid::plugin::events::Batch;
use vespid_plugin::bindings::vespid::plugin::log::{Level, log};
use vespid_plugin::bindings::vespid::plugin::reports::{Report, Row, Series, Severity, Verdict};
use vespid_plugin::bindings::{self, export_guest};

use questions::{QUESTIONS, Question};

#[path = "../../../../../sdk/benches/rows/questions.rs"]
mod questions;

struct Zoo;
export_guest!(Zoo with_types_in bindings);

/// `describe` gets no configuration: a test that wants it to misbehave puts another word of this length in its place, in
/// the component's bytes. So it makes another version, too.
static DESCRIBE: [u8; 24] = *b"describe:as-it-should-be";
static VERSION: [u8; 13] = *b"version:1.2.3";

/// What a test may have put into a static, which the compiler must not take for granted.
fn word(bytes: &'static [u8], prefix: &str) -> &'static str {
    let bytes = std::hint::black_box(bytes);
    std::str::from_utf8(bytes)
        .ok()
        .and_then(|word| word.strip_prefix(prefix))
        .unwrap_or_default()
}

/// `batch` names what to do with a batch, `at` (if there) the first sequence number of the only batch to do it with.
#[derive(Default)]
struct State {
    config: Value,
    events: u64,
    ticks: u64,
    series: BTreeMap<(u32, &'static str), u32>,
    /// Series so far.
    made: u32,
}

thread_local! {
    static STATE: RefCell<State> = RefCell::default();
}

const EVENTS: u32 = 0;
const TICKS: u32 = 1;
const NOW: u32 = 2;
const LOST: u32 = 3;
const SIZES: u32 = 4;
const TOTAL: u32 = 5;

impl Guest for Zoo {
    fn describe() -> Manifest {
        let metric = |name: &str, kind, labels: &[&str], buckets: &[f64]| Metric {
            name: name.into(),
            help: "What the zoo counts.".into(),
            kind,
            unit: String::new(),
            labels: labels.iter().map(ToString::to_string).collect(),
            buckets: buckets.to_vec(),
        };
        let mut manifest = Manifest {
            name: "zoo".into(),
            version: word(&VERSION, "version:").into(),
            description: "Misbehaves as its configuration says.".into(),
            subscription: Kinds::EXECS | Kinds::OPENS,
            metrics: vec![
                metric("events", MetricKind::Counter, &["kind"], &[]),
                metric("ticks", MetricKind::Gauge, &[], &[]),
                metric("now", MetricKind::Gauge, &[], &[]),
                metric("lost", MetricKind::Gauge, &["stage"], &[]),
                metric("batch_events", MetricKind::Histogram, &[], &[1.0, 100.0, 10_000.0]),
                // Kept in the guest's memory alone.
                metric("remembered_events", MetricKind::Gauge, &[], &[]),
            ],
            config_schema: r#"{"type": "object", "additionalProperties": false, "properties": {
                "init": {"enum": ["error", "trap", "spin"]},
                "batch": {"type": "string"},
                "tick": {"type": "string"},
                "snapshot": {"enum": ["trap", "spin", "giant"]},
                "restore": {"enum": ["trap", "spin", "cold"]},
                "at": {"type": "integer"},
                "network": {"type": "integer"},
                "executable": {"type": "string"}
            }}"#
            .into(),
            state_version: 1,
            look_back: 0,
        };
        match word(&DESCRIBE, "describe:") {
            "with-trap-in-it" => panic!("describe was told to trap"),
            "without-any-end" => spin(),
            "looks-back-here" => manifest.look_back = 3600,
            "other-tables-on" => manifest.subscription = Kinds::EXECS | Kinds::EXITS,
            "the-hosts-names" => manifest.metrics[0].name = "events total".into(),
            "unsorted-bounds" => manifest.metrics[4].buckets = vec![3.0, 2.0, 1.0],
            "too-many-things" => {
                manifest.metrics = (0..100_000)
                    .map(|at| metric(&format!("m{at}"), MetricKind::Counter, &[], &[]))
                    .collect();
            }
            "broken-schema-a" => manifest.config_schema = "{".into(),
            "changed-metrics" => manifest.metrics[0] = metric("events", MetricKind::Gauge, &["kind"], &[]),
            _ => {}
        }
        manifest
    }

    fn init(config: String) -> Result<(), String> {
        let config: Value = serde_json::from_str(&config).map_err(|error| error.to_string())?;
        match config["init"].as_str() {
            Some("error") => return Err("the keeper said no".into()),
            Some("trap") => panic!("init was told to trap"),
            Some("spin") => spin(),
            _ => {}
        }
        STATE.with_borrow_mut(|state| state.config = config);
        Ok(())
    }

    /// All that happens in one network namespace, or by one executable, or all.
    fn filters() -> Vec<Filter> {
        let config = STATE.with_borrow(|state| state.config.clone());
        let inside = config["network"].as_u64().map(|inode| NamespaceFilter {
            kind: NamespaceKind::Network,
            which: WhichNamespace::Inode(inode as u32),
        });
        let executable = config["executable"]
            .as_str()
            .map(|path| Pattern::Exact(path.to_owned()));
        if inside.is_none() && executable.is_none() {
            return Vec::new();
        }
        vec![Filter {
            tables: Kinds::EXECS | Kinds::OPENS,
            never: false,
            outcomes: Outcomes::empty(),
            places: Places::empty(),
            namespaces: inside.into_iter().collect(),
            users: Vec::new(),
            executables: executable.into_iter().collect(),
            paths: Vec::new(),
            accesses: Accesses::empty(),
            ops: Vec::new(),
            local_ports: Vec::new(),
            remote_ports: Vec::new(),
            remote_networks: Vec::new(),
            merge_ms: 0,
        }]
    }

    fn on_batch(batch: Batch) -> Result<Report, String> {
        STATE.with_borrow_mut(|state| {
            let at = state.config["at"].as_u64();
            if at.is_none_or(|at| at == batch.header.first) {
                let act = state.config["batch"].as_str().unwrap_or_default().to_owned();
                misbehave(&act, &batch, state)
            } else {
                Ok(state.count(&batch))
            }
        })
    }

    fn tick(now: u64) -> Result<Report, String> {
        STATE.with_borrow_mut(|state| {
            if state.config["tick"] == "trap" {
                panic!("tick was told to trap");
            }
            state.ticks += 1;
            let mut report = empty();
            let ticks = state.ticks as f64;
            state.sample(&mut report, TICKS, "", ticks);
            state.sample(&mut report, NOW, "", now as f64);
            Ok(report)
        })
    }

    fn snapshot() -> Vec<u8> {
        STATE.with_borrow(|state| match state.config["snapshot"].as_str() {
            Some("trap") => panic!("snapshot was told to trap"),
            Some("spin") => spin(),
            Some("giant") => vec![7; 1 << 30],
            _ => state.events.to_le_bytes().to_vec(),
        })
    }

    fn restore(version: u32, bytes: Vec<u8>) -> Restored {
        match STATE
            .with_borrow(|state| state.config["restore"].as_str().map(str::to_owned))
            .as_deref()
        {
            Some("trap") => panic!("restore was told to trap"),
            Some("spin") => spin(),
            Some("cold") => return Restored::Cold,
            _ => {}
        }
        match (version, <[u8; 8]>::try_from(bytes)) {
            (1, Ok(bytes)) => {
                STATE.with_borrow_mut(|state| state.events = u64::from_le_bytes(bytes));
                Restored::Warm
            }
            _ => Restored::Cold,
        }
    }
}

impl State {
    fn sample(&mut self, report: &mut Report, metric: u32, label: &'static str, value: f64) {
        let made = &mut self.made;
        let id = *self.series.entry((metric, label)).or_insert_with(|| {
            let next = *made;
            *made += 1;
            let labels = if label.is_empty() {
                vec![]
            } else {
                vec![label.to_owned()]
            };
            report.series.push(Series { metric, labels });
            next
        });
        report.ids.push(id);
        report.values.push(value);
    }

    fn count(&mut self, batch: &Batch) -> Report {
        let execs = batch.execs.as_ref().map_or(0, |table| table.seq.len());
        let opens = batch.opens.as_ref().map_or(0, |table| table.seq.len());
        self.events += (execs + opens) as u64;
        let mut report = empty();
        self.sample(&mut report, EVENTS, "exec", execs as f64);
        self.sample(&mut report, EVENTS, "open", opens as f64);
        self.sample(&mut report, LOST, "kernel", batch.header.lost.kernel as f64);
        self.sample(&mut report, LOST, "queue", batch.header.lost.queue as f64);
        self.sample(&mut report, SIZES, "", (execs + opens) as f64);
        let total = self.events as f64;
        self.sample(&mut report, TOTAL, "", total);
        report
    }
}

#[inline(never)]
fn misbehave(act: &str, batch: &Batch, state: &mut State) -> Result<Report, String> {
    let mut report = empty();
    match act {
        "trap" => dig_a_hole(batch.header.first),
        "spin" => spin(),
        "recurse" => report.values.push(recurse(1) as f64),
        "allocate" => {
            let mut hoard = Vec::new();
            loop {
                hoard.push(vec![1_u8; 1 << 20]);
                std::hint::black_box(&hoard);
            }
        }
        "leak" => {
            std::mem::forget(std::hint::black_box(vec![1_u8; 1 << 20]));
            report = state.count(batch);
        }
        "million-series" => {
            for at in 0..10_000_u64 {
                let id = state.made;
                state.made += 1;
                let labels = vec![format!("{}-{at}", batch.header.first)];
                report.series.push(Series { metric: EVENTS, labels });
                report.ids.push(id);
                report.values.push(1.0);
            }
        }
        "not-utf-8" => {
            // SAFETY: it is not valid, which is what the daemon is to find out.
            #[allow(unsafe_code, reason = "a hostile guest")]
            let label = unsafe { String::from_utf8_unchecked(vec![0xff, 0xfe]) };
            report.series.push(Series {
                metric: EVENTS,
                labels: vec![label],
            });
        }
        "hostile-labels" => {
            let labels = vec!["a\"} 1\nforged_total{x=\"\u{1b}[31m\\".to_owned()];
            report.series.push(Series { metric: EVENTS, labels });
            (report.ids, report.values) = (vec![state.made], vec![1.0]);
            state.made += 1;
        }
        "infinite" => state.sample(&mut report, TICKS, "", f64::INFINITY),
        "error" => return Err("not today\u{1b}[31m".into()),
        "idle" => {}
        "flood" => (0..10_000).for_each(|line| log(Level::Info, &format!("line {line}\n\u{1b}[31mforged"))),
        "chatter" => loop {
            log(Level::Debug, "");
        },
        "bad-row" => report.verdicts.push(verdict(Some(Row::Open(u32::MAX)), "out of range")),
        "no-table" => report.verdicts.push(verdict(Some(Row::Connection(0)), "no such table")),
        "bad-series" => (report.ids, report.values) = (vec![1_000_000], vec![1.0]),
        "bad-metric" => report.series.push(Series {
            metric: 99,
            labels: vec![],
        }),
        "bad-labels" => report.series.push(Series {
            metric: EVENTS,
            labels: vec![],
        }),
        "nan" => state.sample(&mut report, TICKS, "", f64::NAN),
        "negative" => state.sample(&mut report, EVENTS, "exec", -1.0),
        "uneven" => report.ids.push(0),
        // Half of it is right: nothing of it may be applied.
        "half" => {
            report = state.count(batch);
            report.verdicts.push(verdict(None, ""));
            report.verdicts[0].rule = "Not A Rule".into();
        }
        "giant-message" => report.verdicts.push(verdict(None, &"x".repeat(1 << 20))),
        "many-verdicts" => report.verdicts = (0..2_000).map(|_| verdict(None, "again")).collect(),
        "giant-report" => report.verdicts = (0..40).map(|_| verdict(None, &"x".repeat(100_000))).collect(),
        "verdict" => {
            let row = if batch.opens.is_some() {
                Row::Open(0)
            } else {
                Row::Exec(0)
            };
            report.verdicts.push(verdict(Some(row), "seen"));
        }
        act => match asked(act) {
            Some(question) => {
                let (first, second) = answer(question, batch);
                state.sample(&mut report, TICKS, "", first as f64);
                state.sample(&mut report, NOW, "", second as f64);
            }
            None => report = state.count(batch),
        },
    }
    Ok(report)
}

/// How often a question is asked of a batch, so that the batch's way into the guest hardly counts.
const TIMES: u32 = 100;

/// The question that a benchmark wants asked: `rows of opens`, `columns of opens`.
fn asked(act: &str) -> Option<Question> {
    let (side, table) = act.split_once(" of ")?;
    let (_, by_row, by_column) = QUESTIONS.into_iter().find(|(name, ..)| *name == table)?;
    Some(if side == "rows" { by_row } else { by_column })
}

fn answer(question: Question, batch: &Batch) -> (u64, usize) {
    let mut found = (0, 0);
    for _ in 0..TIMES {
        found = std::hint::black_box(question)(std::hint::black_box(batch));
    }
    found
}

fn spin() -> ! {
    loop {
        std::hint::black_box(());
    }
}

#[inline(never)]
fn dig_a_hole(depth: u64) {
    panic!("fell into a hole {depth} deep");
}

#[inline(never)]
fn recurse(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 64]);
    if depth == u64::MAX {
        0
    } else {
        recurse(depth + 1) + frame[1]
    }
}

fn verdict(subject: Option<Row>, message: &str) -> Verdict {
    Verdict {
        rule: "zoo-rule".into(),
        severity: Severity::Warning,
        message: message.into(),
        key: "zoo".into(),
        tags: vec!["T1059".into()],
        subject,
        fields: vec![("answer".into(), "42".into())],
    }
}

fn empty() -> Report {
    Report {
        verdicts: vec![],
        series: vec![],
        ids: vec![],
        values: vec![],
    }
}
