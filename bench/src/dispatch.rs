//! A batch's way through a plugin: as a component, and as the same logic compiled for this machine.
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use serde_json::{Value, json};
use vespid::config;
use vespid::enrich::{Nothing, Options, ProcessTable};
use vespid::filter::Subscription;
use vespid::interface::vespid::plugin::describe::Kinds;
use vespid::interface::vespid::plugin::events::{Batch, Lost};
use vespid::pipeline::{Origin, Outlet, Pipeline, Seat};
use vespid::plugin::{self, Delivery, Engine, Found, Instance, Limits, Plugin, Settings};
use vespid::recording::Line;
use vespid_plugin::bindings::vespid::plugin::events as guest;

use crate::native::{self, Native};
use crate::rounds::{Cost, Course, interleave};
use crate::table::{Cell, Table, spread};
use crate::traffic::Traffic;

/// Those of the shipped plugins that the traffic has events for.
pub const SHIPPED: [&str; 3] = ["exec-anomaly", "file-audit", "tcp-stats"];
/// Rows of a batch, and how many batches of that size there are.
const SIZES: [(usize, usize); 4] = [(1, 256), (64, 32), (1024, 4), (8192, 1)];

/// Keeps batches.
struct Kept(Vec<Arc<Batch>>);

impl Outlet for Kept {
    fn deliver(&mut self, _: Seat, delivery: &Delivery) {
        self.0.push(delivery.batch.clone());
    }
}

/// `count` batches of the recorded mix, of `rows` rows each, for who wants these tables.
///
/// # Errors
/// If the fixtures cannot be read.
pub fn batches(kinds: Kinds, rows: usize, count: usize) -> anyhow::Result<Vec<Arc<Batch>>> {
    let mut traffic = Traffic::recorded()?;
    let limits = config::Batch {
        max_events: rows,
        max_age_ms: u64::MAX,
    };
    let origin = Origin {
        node: traffic.header().node.clone(),
        boot_id: traffic.header().boot_id.clone(),
    };
    let table = ProcessTable::new(Options::default(), Box::new(Nothing));
    let mut pipeline = Pipeline::new(&limits, &origin, table);
    let mut kept = Kept(Vec::new());
    pipeline.subscribe(Seat(0), &Subscription::whole(kinds), &mut kept);
    while kept.0.len() < count {
        for line in traffic.next_round() {
            match line {
                Line::Known(known) => pipeline.table().learn(&known),
                Line::Container(container) => pipeline.table().learn_container(&container),
                Line::Account(account) => pipeline.table().learn_account(&account),
                Line::Event(event) => pipeline.take(&event, &mut kept),
                Line::Lost(_) | Line::End(_) => {}
            }
        }
    }
    kept.0.truncate(count);
    Ok(kept.0)
}

/// A shipped plugin with its shipped configuration.
///
/// # Errors
/// If it has not been built.
pub fn shipped(engine: &Engine, plugins: &Path, name: &str) -> anyhow::Result<Found> {
    let file = plugins.join(name).with_extension("wasm");
    let settings = Settings {
        limits: patient(),
        ..Settings::default()
    };
    plugin::load(engine, &file, &settings).with_context(|| format!("{}: `cargo xtask build` makes it", file.display()))
}

/// No deadline that a busy machine could miss.
fn patient() -> Limits {
    Limits {
        call_time: Duration::from_secs(60),
        ..Limits::default()
    }
}

/// Batches into a component.
struct Component {
    instance: Instance,
    batches: Vec<Arc<Batch>>,
    rows: u64,
}

impl Component {
    fn new(plugin: &Plugin, config: &Value, batches: &[Arc<Batch>]) -> anyhow::Result<Component> {
        Ok(Component {
            instance: plugin
                .start(config, None)
                .map_err(|failure| anyhow!("the plugin {failure}"))?,
            batches: batches.to_vec(),
            rows: batches.iter().map(|batch| batch.rows() as u64).sum(),
        })
    }
}

impl Course for Component {
    /// The others have just had the caches to themselves; a plugin under load has its memory there.
    fn prepare(&mut self) {
        self.run();
    }

    fn run(&mut self) -> u64 {
        for batch in &self.batches {
            let report = self.instance.on_batch(batch, Lost::NONE);
            assert!(report.is_ok(), "the plugin failed: {:?}", report.err());
        }
        self.rows
    }
}

/// The same batches into the same logic.
struct Compiled {
    plugin: Box<dyn Native>,
    batches: Vec<guest::Batch>,
    rows: u64,
}

impl Course for Compiled {
    fn prepare(&mut self) {
        self.run();
    }

    fn run(&mut self) -> u64 {
        for batch in &self.batches {
            let report = self.plugin.on_batch(batch);
            assert!(report.is_ok(), "the plugin failed: {:?}", report.err());
        }
        self.rows
    }
}

/// Instructions of an event in each shipped plugin, at 1,024 rows a batch: the same on every machine.
///
/// # Errors
/// If a plugin has not been built.
pub fn fuel(plugins: &Path) -> anyhow::Result<Vec<(&'static str, f64)>> {
    let engine = Engine::counting()?;
    let measured = SHIPPED.map(|name| {
        let found = shipped(&engine, plugins, name)?;
        let batches = batches(found.plugin.tables(), 1024, 2)?;
        let mut component = Component::new(&found.plugin, &found.config, &batches)?;
        component.run();
        component.instance.burnt();
        let rows = component.run();
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let each = component.instance.burnt() as f64 / rows as f64;
        Ok((name, each))
    });
    measured.into_iter().collect()
}

/// Each shipped plugin and one that does nothing, at each size of batch, beside native code.
///
/// # Errors
/// If a plugin has not been built, or the fixtures cannot be read.
pub fn table(plugins: &Path, idle: &Path, rounds: usize) -> anyhow::Result<Table> {
    let mut table = Table::new(
        "dispatch",
        "A plugin's whole call, as a component and compiled natively; the price of WebAssembly is the ratio",
        &[
            "plugin",
            "rows a batch",
            "component ns an event",
            "±",
            "native ns",
            "ratio",
            "target",
            "allocations",
        ],
    );
    let engine = Engine::new()?;
    for (rows, count) in SIZES {
        let mut courses: Vec<Box<dyn Course>> = Vec::new();
        for name in SHIPPED {
            let found = shipped(&engine, plugins, name)?;
            let batches = batches(found.plugin.tables(), rows, count)?;
            courses.push(Box::new(Component::new(&found.plugin, &found.config, &batches)?));
            courses.push(Box::new(Compiled {
                plugin: native::plugin(name, &found.config.to_string()).map_err(|error| anyhow!(error))?,
                rows: batches.iter().map(|batch| batch.rows() as u64).sum(),
                batches: batches.iter().map(|batch| native::batch(batch)).collect(),
            }));
        }
        // What every plugin pays before it has done anything.
        let guest = Plugin::load(&engine, idle, &patient())?;
        let batches = batches(guest.tables(), rows, count)?;
        courses.push(Box::new(Component::new(&guest, &json!({"batch": "idle"}), &batches)?));
        let costs = interleave(rounds, &mut courses);
        let (pairs, idle) = costs.as_chunks::<2>();
        for (name, [component, native]) in SHIPPED.iter().zip(pairs) {
            table.row(cells(name, rows, component, Some(native)));
        }
        for cost in idle {
            table.row(cells("none: lowering alone", rows, cost, None));
        }
    }
    Ok(table)
}

#[expect(clippy::cast_precision_loss, reason = "thousands of rows at most")]
fn cells(name: &str, rows: usize, component: &Cost, native: Option<&Cost>) -> [Cell; 8] {
    let target = match (rows, native) {
        (1024, Some(_)) => "2.5 ×".into(),
        (1024, None) => "5 ns".into(),
        _ => Cell::Empty,
    };
    [
        name.into(),
        Cell::number(rows as f64, 0),
        Cell::number(component.ns, 1),
        spread(component),
        native.map_or(Cell::Empty, |native| Cell::number(native.ns, 1)),
        native.map_or(Cell::Empty, |native| Cell::number(component.ns / native.ns, 2)),
        target,
        Cell::number(component.allocations, 3),
    ]
}
