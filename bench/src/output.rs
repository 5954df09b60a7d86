//! What comes of an event: samples, verdicts, and the page that shows them.
use std::hint::black_box;
use std::time::{Duration, Instant};

use vespid::interface::vespid::plugin::describe::{Kinds, Metric, MetricKind};
use vespid::interface::vespid::plugin::reports::{Row, Series, Severity, Verdict};
use vespid::metrics::{Families, Format, Limits, Plugin, Scrape, render};
use vespid::verdict::{Cause, Origin, Record, Sink, Target};

use crate::dispatch::batches;
use crate::rounds::{Plain, interleave};
use crate::table::{Cell, Table, cost};

const SAMPLES: u32 = 1_000;
/// As many as meet each of a hundred thousand series.
const REPORTS: u32 = 100;
/// As many as may wait for their destination: none is refused.
const VERDICTS: usize = 1_000;

/// Samples into their series, verdicts into lines, lines into a file.
///
/// # Errors
/// If the fixtures cannot be read, or no file can be written.
pub fn table(rounds: usize) -> anyhow::Result<Table> {
    let mut families = families(SAMPLES as usize)?;
    let mut ids = families.ids();
    let registered: Vec<Series> = (0..SAMPLES).map(series).collect();
    families.apply(&mut ids, (&registered, &[], &[]), Instant::now());
    let (named, values): (Vec<u32>, Vec<f64>) = (0..SAMPLES).map(|id| (id, 1.0)).unzip();

    let batch = batches(Kinds::EXECS | Kinds::OPENS, 1024, 1)?.remove(0);
    let origin = Origin {
        node: "node".to_owned(),
        plugin: "file-audit".into(),
        version: "0.1.0".to_owned(),
        digest: "0".repeat(64),
        retro: false,
    };
    let line = || Record::new(&origin, verdict(), Cause::Batch(&batch));
    let record = line()?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("verdicts.jsonl");

    let costs = interleave(
        rounds,
        &mut [
            Box::new(Plain(|| {
                families.apply(&mut ids, (&[], &named, &values), Instant::now());
                u64::from(SAMPLES)
            })),
            Box::new(Plain(|| {
                (0..100).for_each(|_| drop(black_box(line())));
                100
            })),
            Box::new(Plain(|| {
                let written = Sink::start(Target::File(file.clone())).map(|(sink, delivery)| {
                    (0..VERDICTS).for_each(|_| sink.send(record.clone()));
                    delivery.finish(Duration::from_secs(60)).written
                });
                written.unwrap_or_default()
            })),
        ],
    );
    let mut table = Table::new(
        "outputs",
        "What comes of a report",
        &["what", "ns each", "±", "allocations", "bytes"],
    );
    let names = [
        "sample into its series",
        "verdict into its line",
        "line through the queue into a file",
    ];
    for (name, found) in names.into_iter().zip(&costs) {
        table.row([Cell::from(name)].into_iter().chain(cost(found)));
    }
    Ok(table)
}

/// Samples into their series, each into another of so many.
///
/// # Errors
/// If the metrics could not be exported.
pub fn samples(sizes: &[u32], rounds: usize) -> anyhow::Result<Table> {
    let mut table = Table::new(
        "series",
        "Samples into their series, each into another one; reports of 1,000 samples",
        &["series", "ns a sample", "±", "allocations", "bytes"],
    );
    for &size in sizes {
        let mut families = families(size as usize)?;
        let mut ids = families.ids();
        let registered: Vec<Series> = (0..size).map(series).collect();
        families.apply(&mut ids, (&registered, &[], &[]), Instant::now());
        let values = vec![1.0; SAMPLES as usize];
        // A step that is coprime to all sizes: none is met again before all are, or the reports end.
        let mut steps = (0_u64..).map(|step| (step * 7_919 % u64::from(size)).try_into().unwrap_or_default());
        let reports: Vec<Vec<u32>> = (0..REPORTS)
            .map(|_| steps.by_ref().take(SAMPLES as usize).collect())
            .collect();
        let costs = interleave(
            rounds,
            &mut [Box::new(Plain(|| {
                for named in &reports {
                    families.apply(&mut ids, (&[], named, &values), Instant::now());
                }
                u64::from(REPORTS * SAMPLES)
            }))],
        );
        table.row(
            [Cell::number(f64::from(size), 0)]
                .into_iter()
                .chain(costs.iter().flat_map(cost)),
        );
    }
    Ok(table)
}

/// The page at some numbers of series.
///
/// # Errors
/// If the metrics could not be exported.
pub fn scrape(sizes: &[u32], rounds: usize) -> anyhow::Result<Table> {
    let mut table = Table::new(
        "scrape",
        "A page of /metrics; only copying the numbers holds up the plugin's reports",
        &["series", "copying ms", "rendering ms", "±", "bytes"],
    );
    for &size in sizes {
        let mut families = families(size as usize)?;
        let mut ids = families.ids();
        let registered: Vec<Series> = (0..size).map(series).collect();
        let (named, values): (Vec<u32>, Vec<f64>) = (0..size).map(|id| (id, f64::from(id))).unzip();
        families.apply(&mut ids, (&registered, &named, &values), Instant::now());
        let page = |families: &mut Families| Scrape {
            plugins: vec![Plugin {
                name: "bench".to_owned(),
                families: families.snapshot(Instant::now()),
                ..Plugin::default()
            }],
            ..Scrape::default()
        };
        let bytes = render(page(&mut families), Format::OpenMetrics).len();
        let copied = page(&mut families);
        let costs = interleave(
            rounds,
            &mut [
                Box::new(Plain(|| {
                    drop(black_box(families.snapshot(Instant::now())));
                    1
                })),
                Box::new(Plain(|| {
                    drop(black_box(render(copied.clone(), Format::OpenMetrics)));
                    1
                })),
            ],
        );
        let [copy, rendered] = [&costs[0], &costs[1]];
        #[expect(clippy::cast_precision_loss, reason = "some megabytes")]
        let bytes = bytes as f64;
        table.row([
            Cell::number(f64::from(size), 0),
            Cell::number(copy.ns / 1e6, 3),
            Cell::number(rendered.ns / 1e6, 2),
            crate::table::spread(rendered),
            Cell::number(bytes, 0),
        ]);
    }
    Ok(table)
}

fn families(series: usize) -> anyhow::Result<Families> {
    let metric = Metric {
        name: "events".to_owned(),
        help: "Events.".to_owned(),
        kind: MetricKind::Counter,
        unit: String::new(),
        labels: vec!["process".to_owned(), "container".to_owned()],
        buckets: Vec::new(),
    };
    let limits = Limits {
        series,
        ..Limits::default()
    };
    Ok(Families::new("bench", &[metric], limits, Instant::now())?)
}

fn series(id: u32) -> Series {
    Series {
        metric: 0,
        labels: vec![format!("process-{}", id % 100), format!("container-{}", id / 100)],
    }
}

fn verdict() -> Verdict {
    Verdict {
        rule: "sensitive-read".to_owned(),
        severity: Severity::Warning,
        message: "cat (pid 4242) opened /etc/shadow, which only the system's own programs do".to_owned(),
        key: "sensitive-read/cat//etc/shadow".to_owned(),
        tags: vec!["T1003.008".to_owned()],
        subject: Some(Row::Open(0)),
        fields: vec![("path".to_owned(), "/etc/shadow".to_owned())],
    }
}
