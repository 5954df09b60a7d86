//! Metrics: declared once, then counted through handles.
//!
//! What a batch adds is summed up here and leaves with the report, one sample a series (of a histogram, one an
//! observation). Finding a series that exists takes one hash of the label values and no allocation.
mod ledger;

use std::cell::RefCell;
use std::marker::PhantomData;
use std::rc::Rc;
use std::time::Duration;

pub(crate) use ledger::Ledger;

use crate::bindings::vespid::plugin::describe::{Metric, MetricKind};

/// Counts things; never goes down.
///
/// ```
/// # use vespid_plugin::{Counter, Registry};
/// # let declare = Registry::default();
/// let bytes: Counter<2> = declare
///     .counter("sent", "Payload sent.")
///     .unit("bytes")
///     .labels(["process", "port"]);
/// bytes.with([b"curl", b"443"]).add(1500);
/// bytes.with([b"curl", b"443"]).inc();
///
/// let time: Counter<1> = declare.counter("cpu", "Time on processors.").unit("seconds").labels(["container"]);
/// time.with([b"host"]).add_seconds(std::time::Duration::from_millis(20));
/// ```
pub type Counter<const LABELS: usize> = Family<Counting, LABELS>;
/// Shows a level.
///
/// ```
/// # use vespid_plugin::{Gauge, Registry};
/// # let declare = Registry::default();
/// let open: Gauge<1> = declare.gauge("open", "Connections now open.").labels(["process"]);
/// open.with([b"nginx"]).set(7.0);
/// open.with([b"nginx"]).add(-1.0);
/// ```
pub type Gauge<const LABELS: usize> = Family<Gauging, LABELS>;
/// Shows how observations are distributed.
///
/// ```
/// # use vespid_plugin::{Histogram, Registry};
/// # let declare = Registry::default();
/// let seconds: Histogram<0> = declare
///     .histogram("duration", "How long connections last.", &[0.01, 1.0, 60.0])
///     .unit("seconds");
/// seconds.with([]).observe(0.5);
/// ```
pub type Histogram<const LABELS: usize> = Family<Observing, LABELS>;

/// Marks a counter.
#[derive(Debug)]
pub enum Counting {}
/// Marks a gauge.
#[derive(Debug)]
pub enum Gauging {}
/// Marks a histogram.
#[derive(Debug)]
pub enum Observing {}

/// Where a plugin declares its metrics.
///
/// Names are `[a-z][a-z0-9_]*`. The daemon puts the plugin's name before them, and the unit and `_total` behind them.
///
/// ```
/// use vespid_plugin::{Counter, Gauge, Histogram, Registry};
///
/// struct Metrics {
///     execs: Counter<1>,
///     running: Gauge<0>,
///     lifetime: Histogram<0>,
/// }
///
/// fn declare(declare: &Registry) -> Metrics {
///     Metrics {
///         execs: declare.counter("execs", "Programs started.").labels(["process"]),
///         running: declare.gauge("running", "Processes that have not ended."),
///         lifetime: declare
///             .histogram("lifetime", "How long processes live.", &[0.1, 1.0, 10.0])
///             .unit("seconds"),
///     }
/// }
///
/// let metrics = declare(&Registry::default());
/// metrics.execs.with([b"sh"]).inc();
/// metrics.running.with([]).set(3.0);
/// metrics.lifetime.with([]).observe(0.25);
/// ```
#[derive(Default)]
pub struct Registry(pub(crate) Rc<RefCell<Ledger>>);

impl Registry {
    fn declare<K>(&self, name: &str, help: &str, kind: MetricKind, buckets: &[f64]) -> Family<K, 0> {
        let metric = Metric {
            name: name.to_owned(),
            help: help.to_owned(),
            kind,
            unit: String::new(),
            labels: Vec::new(),
            buckets: buckets.to_vec(),
        };
        Family {
            ledger: Rc::clone(&self.0),
            metric: self.0.borrow_mut().declare(metric),
            kind: PhantomData,
        }
    }

    /// Declares a counter; `help` is one sentence.
    #[must_use]
    pub fn counter(&self, name: &str, help: &str) -> Counter<0> {
        self.declare(name, help, MetricKind::Counter, &[])
    }

    /// Declares a gauge.
    #[must_use]
    pub fn gauge(&self, name: &str, help: &str) -> Gauge<0> {
        self.declare(name, help, MetricKind::Gauge, &[])
    }

    /// Declares a histogram with the upper bounds of its buckets, ascending; one for the rest is added.
    #[must_use]
    pub fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Histogram<0> {
        self.declare(name, help, MetricKind::Histogram, buckets)
    }
}

/// A metric with `LABELS` labels.
///
/// ```
/// use vespid_plugin::{Counter, Registry};
///
/// let declare = Registry::default();
/// let names: Counter<2> = declare.counter("opens", "Files opened.").labels(["process", "result"]);
/// names.with([b"cat", b"ok"]).inc();
/// ```
pub struct Family<K, const LABELS: usize> {
    ledger: Rc<RefCell<Ledger>>,
    metric: u32,
    kind: PhantomData<K>,
}

impl<K> Family<K, 0> {
    /// Sets the base unit, such as `seconds` or `bytes`.
    #[must_use]
    pub fn unit(self, unit: &str) -> Self {
        self.ledger
            .borrow_mut()
            .metric(self.metric, |metric| unit.clone_into(&mut metric.unit));
        self
    }

    /// Names the labels.
    #[must_use]
    pub fn labels<const LABELS: usize>(self, names: [&str; LABELS]) -> Family<K, LABELS> {
        let labels = names.map(str::to_owned).to_vec();
        self.ledger
            .borrow_mut()
            .metric(self.metric, |metric| metric.labels = labels);
        Family {
            ledger: self.ledger,
            metric: self.metric,
            kind: PhantomData,
        }
    }
}

/// Names a series of one metric as long as the instance lives.
///
/// ```
/// # use vespid_plugin::{Gauge, Registry};
/// # let declare = Registry::default();
/// let open: Gauge<1> = declare.gauge("open", "Connections now open.").labels(["process"]);
/// let nginx = open.with([b"nginx"]).id();
/// open.at(nginx).add(1.0); // no label is hashed
/// assert_eq!(nginx.index(), 0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesId(u32);

impl SeriesId {
    /// Its number: series of an instance are numbered from 0 in the order in which they were first used.
    #[must_use]
    pub fn index(self) -> u32 {
        self.0
    }
}

/// One series, ready to take samples.
///
/// ```
/// # let declare = vespid_plugin::Registry::default();
/// # let opens = declare.counter("opens", "Files opened.").labels(["process"]);
/// let cat = opens.with([b"cat"]);
/// cat.inc();
/// cat.add(2);
/// ```
pub struct Series<'a, K> {
    ledger: &'a RefCell<Ledger>,
    id: u32,
    kind: PhantomData<K>,
}

impl<K, const LABELS: usize> Family<K, LABELS> {
    /// The series with these label values, which may be any bytes: they are escaped as [`text`](crate::text) does.
    #[inline]
    pub fn with(&self, labels: [&[u8]; LABELS]) -> Series<'_, K> {
        let id = self.ledger.borrow_mut().series(self.metric, &labels);
        Series {
            ledger: &self.ledger,
            id,
            kind: PhantomData,
        }
    }

    /// The series that [`Series::id`] named.
    #[inline]
    pub fn at(&self, id: SeriesId) -> Series<'_, K> {
        Series {
            ledger: &self.ledger,
            id: id.0,
            kind: PhantomData,
        }
    }
}

impl<K> Series<'_, K> {
    /// A short name for it, to come back without hashing labels.
    #[must_use]
    pub fn id(&self) -> SeriesId {
        SeriesId(self.id)
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "samples are f64 in the interface; 2^53 increments a batch are enough"
)]
impl Series<'_, Counting> {
    /// Counts one.
    #[inline]
    pub fn inc(&self) {
        self.add(1);
    }

    /// Counts `n`.
    #[inline]
    pub fn add(&self, n: u64) {
        self.ledger.borrow_mut().add(self.id, n as f64);
    }

    /// Counts a time, in seconds.
    #[inline]
    pub fn add_seconds(&self, time: Duration) {
        self.ledger.borrow_mut().add(self.id, time.as_secs_f64());
    }
}

impl Series<'_, Gauging> {
    /// Sets the level.
    #[inline]
    pub fn set(&self, value: f64) {
        self.ledger.borrow_mut().set(self.id, value);
    }

    /// Moves the level.
    #[inline]
    pub fn add(&self, change: f64) {
        self.ledger.borrow_mut().add(self.id, change);
    }
}

impl Series<'_, Observing> {
    /// Takes an observation.
    #[inline]
    pub fn observe(&self, value: f64) {
        self.ledger.borrow_mut().observe(self.id, value);
    }
}
