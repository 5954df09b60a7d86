//! What happens on a plugin's thread: time passes, batches arrive, the guest fails and is replaced.
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::interface::vespid::plugin::events::Lost;
use crate::interface::vespid::plugin::reports::Report;

use crate::verdict::Cause;

use super::component::Plugin;
use super::delivery::{Delivery, Sink};
use super::desk::{Desk, lock};
use super::failure::Failure;
use super::instance::{Instance, Snapshot};
use super::rate::Bucket;
use super::seconds::Seconds;
use super::stats::{CallTimes, PluginStats, Status};
use super::subscription::rows_of;
use super::supervisor::{Remedy, Supervisor};
use super::swap::{Carried, Saved, Successor, SwapError, Swapped};

const SECOND: u64 = 1_000_000_000;

pub(super) struct Runner {
    plugin: Plugin,
    config: Value,
    sink: Box<dyn Sink>,
    desk: Arc<Desk>,
    state: State,
    supervisor: Supervisor,
    saved: Saved,
    /// How many verdicts it may still give.
    verdicts: Bucket,
    /// Event time at which it was said that some were dropped.
    said_rate: Option<u64>,
    /// What the next batch that the guest sees has to report as lost.
    owed: Lost,
    /// Event time, as far as the plugin has been taken.
    now: u64,
    seconds: Seconds,
    /// An instance with more memory than this is replaced by one with the same state: memory never shrinks.
    high_water: usize,
}

enum State {
    Running(Box<Instance>),
    /// Until this event time.
    Waiting(u64),
    Quarantined,
}

impl Runner {
    pub(super) fn new(first: Successor, state: Option<Snapshot>, mut sink: Box<dyn Sink>, desk: Arc<Desk>) -> Runner {
        let Successor {
            plugin,
            config,
            mut instance,
            subscription: _,
        } = first;
        let mut saved = Saved::default();
        if let Some(snapshot) = state {
            let name = plugin.identity.name.as_str();
            let bytes = snapshot.state.len();
            match instance.restore(&snapshot) {
                Ok(true) => {
                    tracing::info!(plugin = name, bytes, "the plugin continues from its saved state");
                    *lock(&desk.snapshot) = Some(saved.restored(snapshot));
                }
                Ok(false) => tracing::warn!(
                    plugin = name,
                    bytes,
                    "the plugin does not understand its saved state, and starts without"
                ),
                Err(failure) => {
                    tracing::error!(
                        plugin = name,
                        bytes,
                        "the plugin {failure} on its saved state, and starts without"
                    );
                    match plugin.start(&config, None) {
                        Ok(again) => *instance = again,
                        Err(failure) => tracing::error!(plugin = name, "the plugin {failure}"),
                    }
                }
            }
        }
        sink.started(&plugin.identity, &plugin.manifest);
        lock(&desk.stats).set_memory(instance.memory_bytes());
        Runner {
            supervisor: Supervisor::new(plugin.limits.failures, plugin.limits.failure_window),
            verdicts: Bucket::new(plugin.limits.verdicts_per_second),
            said_rate: None,
            high_water: high_water(&plugin),
            plugin,
            config,
            sink,
            desk,
            state: State::Running(instance),
            saved,
            owed: Lost::NONE,
            now: 0,
            seconds: Seconds::default(),
        }
    }

    /// Event time has reached `now`: a failed plugin may be due for its next instance, and seconds may have passed.
    pub(super) fn advance(&mut self, now: u64) {
        self.now = self.now.max(now);
        if matches!(self.state, State::Waiting(until) if now >= until) {
            self.restart();
        }
        let is_due = self.saved.is_due(now, self.plugin.limits.snapshot_every);
        let mut has_passed = false;
        for tick in self.seconds.advance(now) {
            has_passed = true;
            self.call(
                Cause::Tick(tick),
                |stats| &mut stats.tick,
                |instance| instance.tick(tick),
            );
        }
        if is_due && has_passed {
            self.snapshot();
        }
    }

    /// A batch, before which `lost` was lost.
    pub(super) fn batch(&mut self, delivery: &Delivery, lost: Lost) {
        let before = self.now;
        self.advance(delivery.first_time);
        let lost = std::mem::replace(&mut self.owed, Lost::NONE).and(lost);
        let rows = rows_of(self.plugin.tables(), &delivery.rows);
        if rows.iter().all(|count| *count == 0) {
            // It was made for another version.
            self.owed = lost;
            return;
        }
        if lost.queue > 0 {
            self.sink.missed(lost.queue, before, delivery.first_time);
        }
        self.now = self.now.max(delivery.last_time);
        let batch = &*delivery.batch;
        let dropped = match &self.state {
            State::Running(_) => {
                let call = |instance: &mut Instance| instance.on_batch(batch, lost);
                self.call(Cause::Batch(batch), |stats| &mut stats.on_batch, call)
            }
            State::Waiting(_) => Some("backoff"),
            State::Quarantined => Some("quarantined"),
        };
        {
            let mut stats = lock(&self.desk.stats);
            stats.last_event = delivery.last_time;
            match dropped {
                None => stats.pass_rows(&rows),
                Some(reason) => {
                    stats.drop_rows(reason, &rows);
                    self.owed = lost.and_rows(&rows);
                }
            }
        }
        if matches!(&self.state, State::Running(instance) if instance.memory_bytes() > self.high_water) {
            self.renew();
        }
    }

    /// All that was handed over before is done.
    pub(super) fn end_turn(&mut self) {
        self.sink.end_turn();
    }

    /// Another instance takes over, with the present one's state.
    pub(super) fn swap(&mut self, successor: Successor) -> Result<Swapped, SwapError> {
        let begin = Instant::now();
        let snapshot = self.snapshot();
        let Successor {
            plugin,
            config,
            mut instance,
            subscription,
        } = successor;
        let state = match &snapshot {
            None => Carried::Nothing,
            Some(snapshot) => match instance.restore(snapshot).map_err(SwapError::Restore)? {
                true => Carried::Warm,
                false => Carried::Cold,
            },
        };
        self.sink.adopt(&plugin).map_err(SwapError::Declared)?;
        *lock(&self.desk.subscription) = subscription;
        let old = self.serve_with(plugin, config, instance);
        let pause = begin.elapsed();
        let state_bytes = snapshot.map_or(0, |snapshot| snapshot.state.len());
        let mut stats = lock(&self.desk.stats);
        stats.longest_pause_ns = stats.longest_pause_ns.max(nanos(pause));
        stats.carried = state;
        Ok(Swapped {
            state,
            state_bytes,
            pause,
            retired: match old {
                State::Running(instance) => Some(instance),
                State::Waiting(_) | State::Quarantined => None,
            },
        })
    }

    fn serve_with(&mut self, plugin: Plugin, config: Value, instance: Box<Instance>) -> State {
        self.supervisor = Supervisor::new(plugin.limits.failures, plugin.limits.failure_window);
        self.saved.another_version();
        if plugin.limits.verdicts_per_second != self.plugin.limits.verdicts_per_second {
            self.verdicts = Bucket::new(plugin.limits.verdicts_per_second);
        }
        self.high_water = high_water(&plugin);
        self.sink.started(&plugin.identity, &plugin.manifest);
        *lock(&self.desk.plugin) = plugin.clone();
        let mut stats = lock(&self.desk.stats);
        stats.status = Status::Running;
        stats.set_memory(instance.memory_bytes());
        (self.plugin, self.config) = (plugin, config);
        std::mem::replace(&mut self.state, State::Running(instance))
    }

    /// The same version again, with the same state and less memory.
    fn renew(&mut self) {
        let plugin = self.plugin.identity.name.clone();
        // Its file may have another name by now.
        let same = lock(&self.desk.plugin).clone();
        let renewed = Successor::start(same, self.config.clone())
            .map_err(|failure| failure.to_string())
            .and_then(|successor| self.swap(successor).map_err(|error| error.to_string()));
        let memory = match &self.state {
            State::Running(instance) => instance.memory_bytes(),
            State::Waiting(_) | State::Quarantined => 0,
        };
        match renewed {
            Ok(_) if memory <= self.high_water => {
                lock(&self.desk.stats).renewals += 1;
                tracing::info!(
                    plugin,
                    memory,
                    "the plugin used most of its memory, and goes on in a new instance"
                );
            }
            outcome => {
                let why = outcome.err().unwrap_or_else(|| "its state needs as much".to_owned());
                // It may use the rest, and then fails.
                self.high_water = usize::MAX;
                tracing::warn!(
                    plugin,
                    memory,
                    "the plugin uses most of its memory, and a new instance is no remedy: {why}"
                );
            }
        }
    }

    /// Asks for the state, and keeps it. The last good one if there is none to be had.
    pub(super) fn snapshot(&mut self) -> Option<Arc<Snapshot>> {
        if let State::Running(instance) = &mut self.state {
            let begin = Instant::now();
            match instance.snapshot() {
                Ok(snapshot) => {
                    let snapshot = self.saved.keep(snapshot);
                    *lock(&self.desk.snapshot) = Some(snapshot.clone());
                    let mut stats = lock(&self.desk.stats);
                    stats.state_bytes = snapshot.state.len() as u64;
                    stats.state_time = self.now;
                    stats.set_memory(instance.memory_bytes());
                    return Some(snapshot);
                }
                Err(failure) => {
                    self.saved.give_up();
                    self.fail(&failure, begin.elapsed());
                }
            }
        }
        self.saved.last()
    }

    /// Ends a quarantine or a wait. Whether there is an instance now.
    pub(super) fn resume(&mut self) -> bool {
        if !matches!(self.state, State::Running(_)) {
            self.supervisor = Supervisor::new(self.plugin.limits.failures, self.plugin.limits.failure_window);
            self.restart();
        }
        matches!(self.state, State::Running(_))
    }

    /// Calls the guest if there is one, and applies its report. Returns the reason if it failed.
    fn call(
        &mut self,
        cause: Cause<'_>,
        times: fn(&mut PluginStats) -> &mut CallTimes,
        call: impl FnOnce(&mut Instance) -> Result<Report, Failure>,
    ) -> Option<&'static str> {
        let State::Running(instance) = &mut self.state else {
            return None;
        };
        let begin = Instant::now();
        let result = call(instance);
        let time = begin.elapsed();
        {
            let mut stats = lock(&self.desk.stats);
            times(&mut stats).add(time);
            stats.fuel += instance.burnt();
            stats.set_memory(instance.memory_bytes());
        }
        match result {
            Ok(mut report) => {
                if let Cause::Batch(_) = cause {
                    self.saved.batch_completed();
                }
                self.cap_verdicts(&mut report);
                self.sink.apply(&self.plugin.identity, self.now, cause, report);
                None
            }
            Err(failure) => Some(self.fail(&failure, time)),
        }
    }

    /// Verdicts over the plugin's rate are dropped, those that came last in their report first.
    fn cap_verdicts(&mut self, report: &mut Report) {
        let given = report.verdicts.len();
        if given == 0 {
            return;
        }
        let admitted = self.verdicts.take(self.now, given);
        report.verdicts.truncate(admitted);
        let dropped = (given - admitted) as u64;
        let mut stats = lock(&self.desk.stats);
        stats.verdicts += admitted as u64;
        stats.verdicts_dropped += dropped;
        if dropped > 0
            && self
                .said_rate
                .is_none_or(|said| self.now.saturating_sub(said) >= 60 * SECOND)
        {
            self.said_rate = Some(self.now);
            tracing::warn!(
                plugin = self.plugin.identity.name,
                dropped = stats.verdicts_dropped,
                "the plugin gives more verdicts than verdicts_per_second allows; those over it are dropped and counted"
            );
        }
    }

    fn fail(&mut self, failure: &Failure, time: Duration) -> &'static str {
        let reason = failure.reason();
        let remedy = self.supervisor.failed(self.now);
        let (state, status) = match remedy {
            Remedy::RestartAt(until) => (State::Waiting(until), Status::Backoff),
            Remedy::Quarantine => (State::Quarantined, Status::Quarantined),
        };
        self.state = state;
        let plugin = self.plugin.identity.name.as_str();
        let elapsed_ms = time.as_millis();
        match remedy {
            Remedy::RestartAt(_) => tracing::warn!(plugin, reason, elapsed_ms, "the plugin {failure}"),
            Remedy::Quarantine => {
                tracing::error!(
                    plugin,
                    reason,
                    elapsed_ms,
                    "the plugin {failure}; that was once too often, and it is quarantined until its file changes or \
                     `vespid ctl plugin resume {plugin}`"
                );
                self.sink.quarantined(&self.plugin.identity, self.now, failure);
            }
        }
        let mut stats = lock(&self.desk.stats);
        stats.status = status;
        *stats.failures.entry(reason).or_default() += 1;
        stats.last_failure = Some(failure.to_string());
        stats.memory_bytes = 0;
        reason
    }

    fn restart(&mut self) {
        let begin = Instant::now();
        let state = self.saved.for_restart();
        let started = self.plugin.start(&self.config, None).and_then(|mut instance| {
            let is_warm = state.as_ref().map_or(Ok(false), |state| instance.restore(state))?;
            Ok((instance, is_warm))
        });
        match started {
            Ok((instance, is_warm)) => {
                let plugin = self.plugin.identity.name.as_str();
                tracing::info!(plugin, is_warm, "the plugin has a new instance");
                self.sink.started(&self.plugin.identity, &self.plugin.manifest);
                let mut stats = lock(&self.desk.stats);
                stats.status = Status::Running;
                stats.restarts += 1;
                stats.set_memory(instance.memory_bytes());
                self.state = State::Running(Box::new(instance));
            }
            Err(failure) => {
                self.fail(&failure, begin.elapsed());
            }
        }
    }
}

fn high_water(plugin: &Plugin) -> usize {
    plugin.limits.memory_bytes / 4 * 3
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
