//! What a plugin author implements.
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

pub use crate::bindings::exports::vespid::plugin::guest::Restored;
use crate::bindings::vespid::plugin::describe::Kinds;
use crate::state::Versioned;
use crate::{Batch, Filter, Registry, Report};

/// A detection plugin. The [front page](crate) has one with configuration and metrics; this is the least of one:
///
/// ```
/// use vespid_plugin::prelude::*;
///
/// struct Roots;
///
/// #[derive(Deserialize, JsonSchema)]
/// struct Config {}
///
/// impl Plugin for Roots {
///     const MANIFEST: Manifest = Manifest::new("roots", "0.1.0", "Reports what root executes.").execs();
///     type Config = Config;
///     type Metrics = ();
///
///     fn metrics(_: &Registry) {}
///
///     fn new(_: Config, (): ()) -> Result<Self, String> {
///         Ok(Roots)
///     }
///
///     fn on_batch(&mut self, batch: Batch<'_>, out: &mut Report) -> Result<(), String> {
///         for exec in batch.execs().filter(|exec| exec.process().is_some_and(|process| process.uid() == 0)) {
///             out.verdict("root-exec", Severity::Info).about(&exec).message(text(exec.filename()).to_string());
///         }
///         Ok(())
///     }
/// }
/// ```
pub trait Plugin: Sized + 'static {
    /// Name, version and subscription.
    const MANIFEST: Manifest;

    /// The configuration. `#[serde(default, deny_unknown_fields)]` belongs on it and on every struct in it: the first
    /// makes `{}` the default, the second makes the published schema forbid what `new` would refuse.
    type Config: DeserializeOwned + JsonSchema;

    /// Handles on the plugin's metrics.
    type Metrics;

    /// Declares the metrics. Called for the manifest and again for the plugin, and must declare the same.
    fn metrics(declare: &Registry) -> Self::Metrics;

    /// Starts the plugin.
    ///
    /// # Errors
    /// What is wrong with the configuration, beyond what its types say.
    fn new(config: Self::Config, metrics: Self::Metrics) -> Result<Self, String>;

    /// Which rows of the subscribed tables the plugin wants: of a table that no filter is about, all; of the others,
    /// those that any filter describes. Asked once, after [`new`](Plugin::new), and must follow from the configuration
    /// alone. While a version with other filters takes over, a few batches hold what either of the two wants.
    fn filters(&self) -> Vec<Filter> {
        Vec::new()
    }

    /// Takes a batch that has at least one row of a subscribed table.
    ///
    /// # Errors
    /// Why the batch could not be used. Its verdicts are lost; metrics go out with the next report.
    fn on_batch(&mut self, batch: Batch<'_>, out: &mut Report) -> Result<(), String>;

    /// Event time has come to `now` (Unix nanoseconds); called once a second of event time, traffic or not.
    ///
    /// # Errors
    /// As for [`on_batch`](Plugin::on_batch).
    fn tick(&mut self, now: u64, out: &mut Report) -> Result<(), String> {
        let _ = (now, out);
        Ok(())
    }

    /// The state for another instance, perhaps of a newer version, to continue from. [`state`](crate::state) shows how.
    fn snapshot(&self) -> Vec<u8> {
        Vec::new()
    }

    /// Continues from what an instance with state version `version` returned.
    fn restore(&mut self, version: u32, state: &[u8]) -> Restored {
        let _ = version;
        if state.is_empty() {
            Restored::Warm
        } else {
            Restored::Cold
        }
    }
}

/// What the daemon must know before it starts a plugin, apart from metrics and configuration.
///
/// ```
/// use vespid_plugin::Manifest;
///
/// const MANIFEST: Manifest = Manifest::new("watch", "1.2.0", "Watches programs and what they open.")
///     .execs()
///     .exits()
///     .connections()
///     .opens()
///     .changes()
///     .privileged()
///     .sockets()
///     .resources()
///     .state_version(1);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Manifest {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) description: &'static str,
    pub(crate) subscription: Kinds,
    pub(crate) state_version: u32,
    pub(crate) look_back: u32,
}

impl Manifest {
    /// A plugin that gets no events yet. `name` is `[a-z][a-z0-9-]*`, `version` is as on semver.org, `description` is
    /// one sentence.
    #[must_use]
    pub const fn new(name: &'static str, version: &'static str, description: &'static str) -> Self {
        Manifest {
            name,
            version,
            description,
            subscription: Kinds::empty(),
            state_version: 0,
            look_back: 0,
        }
    }

    /// Subscribes to `execve`.
    #[must_use]
    pub const fn execs(self) -> Self {
        self.and(Kinds::EXECS)
    }

    /// Subscribes to the ends of processes.
    #[must_use]
    pub const fn exits(self) -> Self {
        self.and(Kinds::EXITS)
    }

    /// Subscribes to TCP connections.
    #[must_use]
    pub const fn connections(self) -> Self {
        self.and(Kinds::CONNECTIONS)
    }

    /// Subscribes to file opens.
    #[must_use]
    pub const fn opens(self) -> Self {
        self.and(Kinds::OPENS)
    }

    /// Subscribes to changed names and attributes of files, and to mounts.
    #[must_use]
    pub const fn changes(self) -> Self {
        self.and(Kinds::CHANGES)
    }

    /// Subscribes to privileged calls.
    #[must_use]
    pub const fn privileged(self) -> Self {
        self.and(Kinds::PRIVILEGED)
    }

    /// Subscribes to sockets beside TCP connections.
    #[must_use]
    pub const fn sockets(self) -> Self {
        self.and(Kinds::SOCKETS)
    }

    /// Subscribes to what control groups use, and to processes killed for want of memory.
    #[must_use]
    pub const fn resources(self) -> Self {
        self.and(Kinds::RESOURCES)
    }

    const fn and(self, kind: Kinds) -> Self {
        Manifest {
            subscription: self.subscription.union(kind),
            ..self
        }
    }

    /// The version of what [`Plugin::snapshot`] returns.
    #[must_use]
    pub const fn state_version(self, state_version: u32) -> Self {
        Manifest { state_version, ..self }
    }

    /// Asks for what the flight recorder has kept, when this component becomes active for the first time on a node: so
    /// many seconds of it are shown to another instance, whose verdicts are marked `retro`. At most 30 days.
    ///
    /// ```
    /// use vespid_plugin::Manifest;
    ///
    /// const MANIFEST: Manifest = Manifest::new("implants", "1.0.0", "Finds a family of implants.").execs().look_back(6 * 3600);
    /// ```
    #[must_use]
    pub const fn look_back(self, seconds: u32) -> Self {
        Manifest {
            look_back: seconds,
            ..self
        }
    }

    /// The plugin has state of this type, and so of its version.
    #[must_use]
    pub const fn state<S: Versioned>(self) -> Self {
        self.state_version(S::VERSION)
    }
}
