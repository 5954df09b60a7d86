//! The zoo, and batches to feed it with.
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use serde_json::Value;
use vespid::interface::vespid::plugin::describe::Manifest;
use vespid::interface::vespid::plugin::events::{Batch, Execs, Header, Lost, Opens, Processes, Strings};
use vespid::interface::vespid::plugin::reports::Report;
use vespid::plugin::{Delivery, Engine, Failure, Identity, Limits, Plugin, Sink, Worker};
use vespid::verdict::Cause;
use vespid_ebpf::Kind;

pub(crate) const SECOND: u64 = 1_000_000_000;
pub(crate) const MS: u64 = 1_000_000;
pub(crate) const NO_LOSS: Lost = Lost {
    kernel: 0,
    decode: 0,
    queue: 0,
};

pub(crate) fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new().expect("an engine"))
}

/// Where `cargo xtask build` puts the zoo.
pub(crate) fn zoo_file() -> PathBuf {
    let file = std::env::var_os("VESPID_ZOO").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/zoo/zoo.wasm"),
        PathBuf::from,
    );
    assert!(
        file.exists(),
        "{} is not there: run `cargo xtask build`, or name it in VESPID_ZOO",
        file.display()
    );
    file
}

pub(crate) fn small_limits() -> Limits {
    Limits {
        memory_bytes: 16 << 20,
        call_time: Duration::from_millis(100),
        report_bytes: 2 << 20,
        queue_len: 4,
        ..Limits::default()
    }
}

/// The zoo, compiled once.
pub(crate) fn zoo() -> Plugin {
    static ZOO: OnceLock<Plugin> = OnceLock::new();
    ZOO.get_or_init(|| Plugin::load(engine(), &zoo_file(), &small_limits()).expect("the zoo is a plugin"))
        .clone()
}

/// The zoo with other words in its statics: another version, or a worse description of itself.
pub(crate) fn altered(words: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = std::fs::read(zoo_file()).expect("the zoo");
    for (word, other) in words {
        assert_eq!(word.len(), other.len(), "{word} and {other} are of one length");
        let found: Vec<usize> = (0..=bytes.len() - word.len())
            .filter(|at| bytes[*at..].starts_with(word.as_bytes()))
            .collect();
        assert_eq!(found.len(), 1, "the zoo says {word} once");
        bytes[found[0]..found[0] + word.len()].copy_from_slice(other.as_bytes());
    }
    bytes
}

/// Another version of the zoo.
pub(crate) fn zoo_version(version: &str) -> Plugin {
    let bytes = altered(&[("version:1.2.3", &format!("version:{version}"))]);
    Plugin::from_bytes(engine(), &zoo_file(), &bytes, &small_limits()).expect("the zoo is a plugin")
}

/// A worker for the zoo.
pub(crate) fn spawn(json: &str, sink: Box<dyn Sink>) -> Worker {
    Worker::spawn(zoo(), config(json), None, sink).expect("it starts")
}

/// A batch of `rows` opens, the first with sequence number `first`.
pub(crate) fn opens(first: u64, rows: usize) -> Batch {
    let rows_u64 = rows as u64;
    let mut batch = empty(first, first + rows_u64 - 1);
    batch.opens = Some(Opens {
        seq: (first..first + rows_u64).collect(),
        time: vec![0; rows],
        process: vec![0; rows],
        path: vec![1; rows],
        typed: vec![1; rows],
        flags: vec![0; rows],
        mode: vec![0o100_644; rows],
        result: vec![3; rows],
        path_kind: vec![0; rows],
        traits: vec![0; rows],
        count: vec![1; rows],
    });
    batch
}

/// A batch of `rows` execs.
pub(crate) fn execs(first: u64, rows: usize) -> Batch {
    let rows_u64 = rows as u64;
    let mut batch = empty(first, first + rows_u64 - 1);
    batch.execs = Some(Execs {
        seq: (first..first + rows_u64).collect(),
        time: vec![0; rows],
        process: vec![0; rows],
        previous: vec![u32::MAX; rows],
        filename: vec![1; rows],
        errno: vec![0; rows],
    });
    batch
}

fn empty(first: u64, last: u64) -> Batch {
    let one = || vec![1_u32];
    Batch {
        header: Header {
            node: "node".into(),
            boot_id: "boot".into(),
            first,
            last,
            lost: NO_LOSS,
        },
        strings: Strings {
            ends: vec![0, 8],
            blob: b"/bin/dog".to_vec(),
        },
        processes: Processes {
            pid: one(),
            ppid: one(),
            parent: vec![u32::MAX],
            start: vec![1],
            uid: one(),
            gid: one(),
            euid: one(),
            login_uid: one(),
            comm: one(),
            exe: one(),
            args: one(),
            cwd: one(),
            tty: vec![0],
            cgroup: one(),
            container: vec![u32::MAX],
            flags: vec![0],
            capabilities: vec![0],
            namespaces: vec![0; 8],
            user: vec![0],
            group: vec![0],
        },
        containers: None,
        execs: None,
        exits: None,
        connections: None,
        opens: None,
        changes: None,
        privileged: None,
        sockets: None,
        resources: None,
    }
}

/// A batch on its way, all its events at `time`.
pub(crate) fn at(time: u64, batch: Batch) -> Delivery {
    let mut rows = [0; Kind::ALL.len()];
    rows[Kind::Open.index()] = batch.opens.as_ref().map_or(0, |table| table.seq.len() as u64);
    rows[Kind::Exec.index()] = batch.execs.as_ref().map_or(0, |table| table.seq.len() as u64);
    Delivery {
        batch: Arc::new(batch),
        rows,
        first_time: time,
        last_time: time,
    }
}

/// What reached a sink, in words: metrics by name, in the order of their arrival.
#[derive(Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().expect("nobody panics with it").clone()
    }

    /// The values of one sample, in the order of their arrival.
    pub(crate) fn values(&self, sample: &str) -> Vec<f64> {
        let prefix = format!("{sample} ");
        self.lines()
            .iter()
            .filter_map(|line| line.strip_prefix(&prefix)?.parse().ok())
            .collect()
    }

    pub(crate) fn sink(&self) -> Box<dyn Sink> {
        Box::new(Listener {
            heard: self.clone(),
            metrics: vec![],
            series: vec![],
            permits: None,
        })
    }

    /// A sink that takes a report only when it gets a permit.
    pub(crate) fn slow_sink(&self, permits: crossbeam_channel::Receiver<()>) -> Box<dyn Sink> {
        Box::new(Listener {
            heard: self.clone(),
            metrics: vec![],
            series: vec![],
            permits: Some(permits),
        })
    }
}

struct Listener {
    heard: Heard,
    metrics: Vec<String>,
    series: Vec<String>,
    permits: Option<crossbeam_channel::Receiver<()>>,
}

impl Listener {
    fn say(&self, line: String) {
        self.heard.0.lock().expect("nobody panics with it").push(line);
    }
}

impl Sink for Listener {
    fn started(&mut self, _: &Identity, manifest: &Manifest) {
        self.metrics = manifest.metrics.iter().map(|metric| metric.name.clone()).collect();
        self.series.clear();
        self.say("started".into());
    }

    fn adopt(&mut self, plugin: &Plugin) -> Result<(), String> {
        self.say(format!("adopted {}", plugin.identity.version));
        Ok(())
    }

    fn missed(&mut self, events: u64, from: u64, to: u64) {
        self.say(format!("missed {events} from {from} to {to}"));
    }

    fn quarantined(&mut self, plugin: &Identity, _: u64, failure: &Failure) {
        self.say(format!("quarantined {}: {}", plugin.name, failure.reason()));
    }

    fn apply(&mut self, _: &Identity, _: u64, _: Cause<'_>, report: Report) {
        let mut lines: Vec<String> = report
            .verdicts
            .iter()
            .map(|verdict| format!("verdict {} {}", verdict.rule, verdict.message))
            .collect();
        for series in &report.series {
            let labels: String = series.labels.iter().map(|label| format!("/{label}")).collect();
            self.series
                .push(format!("{}{labels}", self.metrics[series.metric as usize]));
        }
        let samples = report.ids.iter().zip(&report.values);
        lines.extend(samples.map(|(id, value)| format!("{} {value}", self.series[*id as usize])));
        self.heard.0.lock().expect("nobody panics with it").extend(lines);
        if let Some(permits) = &self.permits {
            permits.recv().unwrap_or_default();
        }
    }
}

pub(crate) fn config(json: &str) -> Value {
    serde_json::from_str(json).expect("JSON")
}
