//! What happens on a plugin's thread: time passes, batches arrive, the guest fails and is replaced.
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::interface::vespid::plugin::events::Lost;
use crate::interface::vespid::plugin::reports::Report;

use crate::verdict::Cause;

use super::component::Plugin;
use super::failure::Failure;
use super::instance::Instance;
use super::stats::{CallTimes, PluginStats, Status};
use super::supervisor::{Remedy, Supervisor};
use super::worker::{Delivery, Rows, Sink, lock};

const SECOND: u64 = 1_000_000_000;
/// A gap in event time is ticked through second by second, but no more than this much of it: every window has closed by
/// then.
const MOST_TICKS: u64 = 600;

pub(super) struct Runner {
    plugin: Plugin,
    config: Value,
    sink: Box<dyn Sink>,
    stats: Arc<Mutex<PluginStats>>,
    state: State,
    supervisor: Supervisor,
    /// What the next batch that the guest sees has to report as lost.
    owed: Lost,
    /// The second of event time that was ticked last.
    second: Option<u64>,
}

enum State {
    Running(Box<Instance>),
    /// Until this event time.
    Waiting(u64),
    Quarantined,
}

impl Runner {
    pub(super) fn new(
        plugin: Plugin,
        config: Value,
        instance: Instance,
        mut sink: Box<dyn Sink>,
        stats: Arc<Mutex<PluginStats>>,
    ) -> Runner {
        sink.started(&plugin.identity, &plugin.manifest);
        lock(&stats).set_memory(instance.memory_bytes());
        Runner {
            supervisor: Supervisor::new(plugin.limits.failures, plugin.limits.failure_window),
            plugin,
            config,
            sink,
            stats,
            state: State::Running(Box::new(instance)),
            owed: Lost::NONE,
            second: None,
        }
    }

    /// Event time has reached `now`: a failed plugin may be due for its next instance, and seconds may have passed.
    pub(super) fn advance(&mut self, now: u64) {
        if matches!(self.state, State::Waiting(until) if now >= until) {
            self.restart(now);
        }
        let second = now / SECOND;
        let last = *self.second.get_or_insert(second);
        if second <= last {
            return;
        }
        self.second = Some(second);
        for second in (last + 1).max(second.saturating_sub(MOST_TICKS - 1))..=second {
            let tick = second * SECOND;
            self.call(
                now,
                Cause::Tick(tick),
                |stats| &mut stats.tick,
                |instance| instance.tick(tick),
            );
        }
    }

    /// A batch, before which `lost` was lost.
    pub(super) fn batch(&mut self, delivery: &Delivery, lost: Lost) {
        self.advance(delivery.first_time);
        let batch = &*delivery.batch;
        let lost = std::mem::replace(&mut self.owed, Lost::NONE).and(lost);
        let dropped = match &self.state {
            State::Running(_) => {
                let call = |instance: &mut Instance| instance.on_batch(batch, lost);
                self.call(
                    delivery.last_time,
                    Cause::Batch(batch),
                    |stats| &mut stats.on_batch,
                    call,
                )
            }
            State::Waiting(_) => Some("backoff"),
            State::Quarantined => Some("quarantined"),
        };
        let mut stats = lock(&self.stats);
        stats.last_event = delivery.last_time;
        match dropped {
            None => stats.pass_rows(&delivery.rows),
            Some(reason) => {
                stats.drop_rows(reason, &delivery.rows);
                self.owed = lost.and_rows(&delivery.rows);
            }
        }
    }

    /// Calls the guest if there is one, and applies its report. Returns the reason if it failed.
    fn call(
        &mut self,
        now: u64,
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
            let mut stats = lock(&self.stats);
            times(&mut stats).add(time);
            stats.set_memory(instance.memory_bytes());
            stats.verdicts += result.as_ref().map_or(0, |report| report.verdicts.len() as u64);
        }
        match result {
            Ok(report) => {
                self.sink.apply(&self.plugin.identity, cause, report);
                None
            }
            Err(failure) => Some(self.fail(now, &failure, time)),
        }
    }

    fn fail(&mut self, now: u64, failure: &Failure, time: Duration) -> &'static str {
        let reason = failure.reason();
        let remedy = self.supervisor.failed(now);
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
                    "the plugin {failure}; that was once too often, and it is quarantined"
                );
            }
        }
        let mut stats = lock(&self.stats);
        stats.status = status;
        *stats.failures.entry(reason).or_default() += 1;
        stats.last_failure = Some(failure.to_string());
        stats.memory_bytes = 0;
        reason
    }

    fn restart(&mut self, now: u64) {
        let begin = Instant::now();
        match self.plugin.start(&self.config, None) {
            Ok(instance) => {
                self.sink.started(&self.plugin.identity, &self.plugin.manifest);
                let mut stats = lock(&self.stats);
                stats.status = Status::Running;
                stats.restarts += 1;
                stats.set_memory(instance.memory_bytes());
                self.state = State::Running(Box::new(instance));
            }
            Err(failure) => {
                self.fail(now, &failure, begin.elapsed());
            }
        }
    }
}

impl Lost {
    /// Nothing was lost.
    pub const NONE: Lost = Lost {
        kernel: 0,
        decode: 0,
        queue: 0,
    };

    /// Both losses together.
    pub(super) fn and(self, other: Lost) -> Lost {
        Lost {
            kernel: self.kernel.saturating_add(other.kernel),
            decode: self.decode.saturating_add(other.decode),
            queue: self.queue.saturating_add(other.queue),
        }
    }

    /// This loss, and `rows` that never reached the guest.
    pub(super) fn and_rows(self, rows: &Rows) -> Lost {
        self.and(Lost {
            kernel: 0,
            decode: 0,
            queue: rows.iter().sum(),
        })
    }
}
