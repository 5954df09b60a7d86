//! A plugin that runs: one store, one instance, and the calls of the interface, each under a deadline.
use std::sync::Arc;
use std::time::Duration;

use wasmtime::Store;
use wasmtime::component::TypedFunc;

use crate::filter::Subscription;
use crate::interface::vespid::plugin::describe::Manifest;
use crate::interface::vespid::plugin::events::{Batch, Lost};
use crate::interface::vespid::plugin::reports::Report;
use crate::interface::{self, exports::vespid::plugin::guest::Restored};

use super::code::Code;
use super::engine::epochs;
use super::failure::Failure;
use super::limits::{HostCalls, Limits, Quota};
use super::log_gate::LogGate;
use super::report::SeriesTable;
use super::tenant::Tenant;
use super::view::BatchView;

/// More than any guest burns between two looks; its limit is its deadline.
const FUEL: u64 = u64::MAX;

/// Whatever a batch's lifetime is: what takes longer ones takes shorter ones.
type OnBatch = TypedFunc<(BatchView<'static>,), (Result<Report, String>,)>;

/// A running plugin. After a failed call it refuses every other one; its owner makes a new one.
pub struct Instance {
    store: Store<Tenant>,
    exports: interface::Plugin,
    /// Checking its type takes a third of a microsecond, so it is done once.
    on_batch: OnBatch,
    limits: Arc<Limits>,
    manifest: Arc<Manifest>,
    series: SeriesTable,
    /// Whether the engine counts instructions. Asking one that does not makes an error each time.
    counts_fuel: bool,
    is_poisoned: bool,
}

/// A plugin's state, with the version of its form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// `state-version` of the manifest.
    pub version: u32,
    /// What the guest made of its state.
    pub state: Vec<u8>,
}

impl Instance {
    /// An instance that nothing was called in yet.
    pub(super) fn new(
        code: &Code,
        manifest: Arc<Manifest>,
        limits: Arc<Limits>,
        log: Arc<LogGate>,
    ) -> Result<Instance, Failure> {
        let tenant = Tenant {
            plugin: manifest.name.clone(),
            log,
            host_calls: HostCalls::new(&limits),
            quota: Quota::new(&limits),
            last_words: None,
        };
        let mut store = Store::new(code.engine(), tenant);
        store.limiter(|tenant| &mut tenant.quota);
        store.set_hostcall_fuel(limits.report_bytes);
        let counts_fuel = store.set_fuel(FUEL).is_ok();
        // A start function is guest code too.
        store.set_epoch_deadline(epochs(limits.start_time));
        let failed = |error: wasmtime::Error| Failure::from_call(&error);
        let exports = code.instantiate(&mut store).map_err(failed)?;
        let on_batch = exports
            .vespid_plugin_guest()
            .func_on_batch()
            .func()
            .typed(&store)
            .map_err(failed)?;
        Ok(Instance {
            store,
            exports,
            on_batch,
            limits,
            manifest,
            series: SeriesTable::default(),
            counts_fuel,
            is_poisoned: false,
        })
    }

    pub(super) fn describe(&mut self) -> Result<Manifest, Failure> {
        self.call(self.limits.start_time, |exports, store| {
            exports.vespid_plugin_guest().call_describe(store)
        })
    }

    /// Gives it its configuration, before anything else.
    ///
    /// # Errors
    /// If the guest fails, or does not accept it.
    pub fn init(&mut self, config: &str) -> Result<(), Failure> {
        let answer = self.call(self.limits.start_time, |exports, store| {
            exports.vespid_plugin_guest().call_init(store, config)
        })?;
        self.accept(answer)
    }

    /// What it wants to be called with, now that it has its configuration.
    ///
    /// # Errors
    /// If the guest fails, or asks for what makes no sense.
    pub fn subscription(&mut self) -> Result<Subscription, Failure> {
        let given = self.call(self.limits.start_time, |exports, store| {
            exports.vespid_plugin_guest().call_filters(store)
        })?;
        let subscription = Subscription::new(&given, self.manifest.subscription);
        self.is_poisoned |= subscription.is_err();
        Ok(subscription?)
    }

    /// Offers it the state of another instance. Whether it took it; an instance that did not starts cold.
    ///
    /// # Errors
    /// If the guest fails.
    pub fn restore(&mut self, snapshot: &Snapshot) -> Result<bool, Failure> {
        let Snapshot { version, state } = snapshot;
        let restored = self.call(self.limits.call_time, |exports, store| {
            exports.vespid_plugin_guest().call_restore(store, *version, state)
        })?;
        Ok(restored == Restored::Warm)
    }

    /// Hands over a batch, before which `lost` was lost for this plugin.
    ///
    /// # Errors
    /// If the guest fails or its report is bad; nothing of such a report is to be used.
    pub fn on_batch(&mut self, batch: &Batch, lost: Lost) -> Result<Report, Failure> {
        let (on_batch, subscription) = (self.on_batch, self.manifest.subscription);
        let answer = self.call(self.limits.call_time, |_, store| {
            Ok(on_batch.call(store, (BatchView::new(batch, subscription, lost),))?.0)
        })?;
        self.checked(answer, Some(batch))
    }

    /// Tells the time, in Unix nanoseconds of the events.
    ///
    /// # Errors
    /// As of [`Instance::on_batch`].
    pub fn tick(&mut self, now: u64) -> Result<Report, Failure> {
        let answer = self.call(self.limits.call_time, |exports, store| {
            exports.vespid_plugin_guest().call_tick(store, now)
        })?;
        self.checked(answer, None)
    }

    /// The plugin's state, for another instance to continue from.
    ///
    /// # Errors
    /// If the guest fails.
    pub fn snapshot(&mut self) -> Result<Snapshot, Failure> {
        self.store.set_hostcall_fuel(self.limits.snapshot_bytes);
        let state = self.call(self.limits.call_time, |exports, store| {
            exports.vespid_plugin_guest().call_snapshot(store)
        });
        self.store.set_hostcall_fuel(self.limits.report_bytes);
        Ok(Snapshot {
            version: self.manifest.state_version,
            state: state?,
        })
    }

    /// Bytes of linear memory. They never become fewer in an instance.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.store.data().quota.memory_bytes()
    }

    /// Instructions since this was last asked; 0 if the engine does not count them.
    pub fn burnt(&mut self) -> u64 {
        if !self.counts_fuel {
            return 0;
        }
        let left = self.store.get_fuel().unwrap_or(FUEL);
        drop(self.store.set_fuel(FUEL));
        FUEL - left
    }

    fn checked(&mut self, answer: Result<Report, String>, batch: Option<&Batch>) -> Result<Report, Failure> {
        let report = self.accept(answer)?;
        let verdict = self.series.check(&report, &self.manifest, batch);
        self.is_poisoned |= verdict.is_err();
        verdict?;
        Ok(report)
    }

    /// An error of the guest's own leaves its state as unknown as a trap does.
    fn accept<T>(&mut self, answer: Result<T, String>) -> Result<T, Failure> {
        self.is_poisoned |= answer.is_err();
        answer.map_err(|message| Failure::returned(&message))
    }

    fn call<T>(
        &mut self,
        time: Duration,
        call: impl FnOnce(&interface::Plugin, &mut Store<Tenant>) -> wasmtime::Result<T>,
    ) -> Result<T, Failure> {
        if self.is_poisoned {
            return Err(Failure::Poisoned);
        }
        self.store.set_epoch_deadline(epochs(time));
        let tenant = self.store.data_mut();
        tenant.host_calls.reset();
        tenant.last_words = None;
        let result = call(&self.exports, &mut self.store);
        self.is_poisoned = result.is_err();
        result.map_err(|error| {
            let last_words = self.store.data().last_words.as_deref();
            Failure::from_call(&error).after(last_words)
        })
    }
}
