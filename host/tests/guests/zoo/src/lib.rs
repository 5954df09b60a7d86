//! A plugin that misbehaves as its configuration says, so that the runtime can be tested on the real thing.
//!
//! It is written on the bare bindings: the SDK would not let it lie.
use std::cell::RefCell;
use std::collections::BTreeMap;

use exports::vespid::plugin::guest::{Guest, Restored};
use serde_json::Value;
use vespid::plugin::describe::{Kinds, Manifest, Metric, MetricKind};
use vespid::plugin::events::Batch;
use vespid::plugin::log::{Level, log};
use vespid::plugin::reports::{Report, Row, Series, Severity, Verdict};

wit_bindgen::generate!({ path: "../../../../wit", world: "plugin" });

struct Zoo;
export!(Zoo);

/// `batch` names what to do with a batch, `at` (if there) the first sequence number of the only batch to do it with.
#[derive(Default)]
struct State {
    config: Value,
    events: u64,
    ticks: u64,
    series: BTreeMap<(u32, &'static str), u32>,
}

thread_local! {
    static STATE: RefCell<State> = RefCell::default();
}

const EVENTS: u32 = 0;
const TICKS: u32 = 1;
const NOW: u32 = 2;
const LOST: u32 = 3;
const SIZES: u32 = 4;

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
        Manifest {
            name: "zoo".into(),
            version: "1.2.3".into(),
            description: "Misbehaves as its configuration says.".into(),
            subscription: Kinds::EXECS | Kinds::OPENS,
            metrics: vec![
                metric("events", MetricKind::Counter, &["kind"], &[]),
                metric("ticks", MetricKind::Gauge, &[], &[]),
                metric("now", MetricKind::Gauge, &[], &[]),
                metric("lost", MetricKind::Gauge, &["stage"], &[]),
                metric("batch_events", MetricKind::Histogram, &[], &[1.0, 100.0, 10_000.0]),
            ],
            config_schema: r#"{"type": "object", "additionalProperties": false, "properties": {
                "init": {"enum": ["error", "trap"]},
                "batch": {"type": "string"},
                "tick": {"type": "string"},
                "at": {"type": "integer"}
            }}"#
            .into(),
            state_version: 1,
        }
    }

    fn init(config: String) -> Result<(), String> {
        let config: Value = serde_json::from_str(&config).map_err(|error| error.to_string())?;
        match config["init"].as_str() {
            Some("error") => return Err("the keeper said no".into()),
            Some("trap") => panic!("init was told to trap"),
            _ => {}
        }
        STATE.with_borrow_mut(|state| state.config = config);
        Ok(())
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
        STATE.with_borrow(|state| state.events.to_le_bytes().to_vec())
    }

    fn restore(version: u32, bytes: Vec<u8>) -> Restored {
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
        let next = self.series.len() as u32;
        let id = *self.series.entry((metric, label)).or_insert_with(|| {
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
        report
    }
}

#[inline(never)]
fn misbehave(act: &str, batch: &Batch, state: &mut State) -> Result<Report, String> {
    let mut report = empty();
    match act {
        "trap" => dig_a_hole(batch.header.first),
        "spin" => loop {
            std::hint::black_box(());
        },
        "recurse" => report.values.push(recurse(1) as f64),
        "allocate" => {
            let mut hoard = Vec::new();
            loop {
                hoard.push(vec![1_u8; 1 << 20]);
                std::hint::black_box(&hoard);
            }
        }
        "error" => return Err("not today\u{1b}[31m".into()),
        "idle" => {}
        "flood" => (0..10_000).for_each(|line| log(Level::Info, &format!("line {line}\n\u{1b}[31mforged"))),
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
        _ => report = state.count(batch),
    }
    Ok(report)
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
