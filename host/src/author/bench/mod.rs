//! What a plugin costs: the calls that a recording makes, repeated in fresh instances until the figures are steady, and
//! once more in an engine that counts instructions.
mod score;
mod work;

use std::time::{Duration, Instant};

use serde_json::Value;

pub use score::Score;
pub use work::Work;

use crate::plugin::{Failure, Instance, Plugin};
use score::Samples;
use work::Call;

/// How long is measured.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Passes over the recording go on until they have taken so long,
    pub time: Duration,
    /// or until there were so many.
    pub passes: usize,
}

impl Default for Effort {
    fn default() -> Effort {
        Effort {
            time: Duration::from_secs(2),
            passes: 1_000,
        }
    }
}

/// What a plugin costs.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Cost {
    /// Events in one pass that the plugin got.
    pub events: u64,
    /// Batches in one pass.
    pub batches: u64,
    /// Ticks in one pass.
    pub ticks: u64,
    /// Verdicts in one pass.
    pub verdicts: u64,
    /// How often the recording was passed over.
    pub passes: usize,
    /// Nanoseconds an event; the quantiles are those of batches.
    pub ns_per_event: Score,
    /// Nanoseconds a tick.
    pub ns_per_tick: Score,
    /// WebAssembly instructions an event, as wasmtime counts them. The same on every machine and in every run.
    pub fuel_per_event: f64,
    /// WebAssembly instructions a tick.
    pub fuel_per_tick: f64,
    /// From a file to the first event.
    pub start_up: StartUp,
    /// Linear memory at most, in bytes.
    pub memory_peak_bytes: u64,
    /// Its state at the end of the recording, in bytes.
    pub snapshot_bytes: u64,
}

/// How long a plugin takes until it can be handed events, in nanoseconds.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct StartUp {
    /// Compiling, when its code is not in the cache.
    pub compile_ns: u64,
    /// Making an instance, at the median.
    pub instantiate_ns: u64,
    /// Taking the configuration, at the median.
    pub init_ns: u64,
}

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// It does not start.
    #[error("the plugin does not start: it {0}")]
    Start(Failure),
    /// A call failed.
    #[error("the plugin {failure}, at call {call} of {calls} that the recording makes")]
    Failed {
        /// How.
        failure: Failure,
        /// Which call.
        call: usize,
        /// How many there are.
        calls: usize,
    },
}

/// Times and amounts of all passes.
#[derive(Default)]
struct Passes {
    count: usize,
    batches: Samples,
    ticks: Samples,
    instantiate: Samples,
    init: Samples,
    memory: usize,
    snapshot: usize,
}

/// What one pass came to, whatever the machine.
#[derive(Clone, Copy, Default)]
struct Sums {
    verdicts: u64,
    batch_fuel: u64,
    tick_fuel: u64,
}

impl Work {
    /// Measures `plugin`, which was compiled in this process, and its `twin` of a counting engine.
    ///
    /// # Errors
    /// If the plugin fails: then its figures would be those of something else.
    pub fn measure(&self, plugin: &Plugin, twin: &Plugin, config: &Value, effort: &Effort) -> Result<Cost, BenchError> {
        let counted = self.pass(twin, config, &mut Passes::default())?;
        let mut passes = Passes::default();
        let begin = Instant::now();
        while passes.count == 0 || (begin.elapsed() < effort.time && passes.count < effort.passes) {
            self.pass(plugin, config, &mut passes)?;
        }
        Ok(Cost {
            events: self.events(),
            batches: self.batches(),
            ticks: self.ticks(),
            verdicts: counted.verdicts,
            passes: passes.count,
            fuel_per_event: each(counted.batch_fuel, self.events()),
            fuel_per_tick: each(counted.tick_fuel, self.ticks()),
            start_up: StartUp {
                compile_ns: nanoseconds(plugin.origin.took),
                instantiate_ns: passes.instantiate.score().median,
                init_ns: passes.init.score().median,
            },
            ns_per_event: passes.batches.score(),
            ns_per_tick: passes.ticks.score(),
            memory_peak_bytes: passes.memory as u64,
            snapshot_bytes: passes.snapshot as u64,
        })
    }

    /// All calls, in a new instance.
    fn pass(&self, plugin: &Plugin, config: &Value, passes: &mut Passes) -> Result<Sums, BenchError> {
        let (instance, took) = timed(|| plugin.instantiate());
        let mut instance = instance.map_err(BenchError::Start)?;
        passes.instantiate.add(took, 1);
        let config = config.to_string();
        let (started, took) = timed(|| instance.init(&config));
        started.map_err(BenchError::Start)?;
        passes.init.add(took, 1);
        // Its start is not the events' cost.
        instance.burnt();
        let mut sums = Sums::default();
        for (at, call) in self.calls().iter().enumerate() {
            call.make(&mut instance, &mut sums, passes)
                .map_err(|failure| BenchError::Failed {
                    failure,
                    call: at + 1,
                    calls: self.calls().len(),
                })?;
        }
        passes.memory = passes.memory.max(instance.memory_bytes());
        passes.snapshot = instance.snapshot().map_err(BenchError::Start)?.state.len();
        passes.count += 1;
        Ok(sums)
    }
}

impl Call {
    fn make(&self, instance: &mut Instance, sums: &mut Sums, passes: &mut Passes) -> Result<(), Failure> {
        let report = match self {
            Call::Batch { batch, rows } => {
                let (report, took) = timed(|| instance.on_batch(batch, batch.header.lost));
                passes.batches.add(took, *rows);
                sums.batch_fuel += instance.burnt();
                report?
            }
            Call::Tick(now) => {
                let (report, took) = timed(|| instance.tick(*now));
                passes.ticks.add(took, 1);
                sums.tick_fuel += instance.burnt();
                report?
            }
        };
        sums.verdicts += report.verdicts.len() as u64;
        Ok(())
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let begin = Instant::now();
    let outcome = work();
    (outcome, nanoseconds(begin.elapsed()))
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn each(sum: u64, count: u64) -> f64 {
    sum as f64 / count.max(1) as f64
}
