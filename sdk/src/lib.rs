//! Write Vespid detection plugins in Rust.
//!
//! A plugin is a type that implements [`Plugin`] and is handed to [`export!`]. Built as a `cdylib` for
//! `wasm32-unknown-unknown` it is a component that imports nothing but a log; built for the machine at hand it is an
//! ordinary crate whose logic `cargo test` runs through [`testing`].
//!
//! ```
//! use vespid_plugin::prelude::*;
//!
//! /// Counts file opens, and reports those of one path.
//! struct Watch {
//!     config: Config,
//!     opens: Counter<1>,
//! }
//!
//! /// What to watch.
//! #[derive(Debug, Deserialize, Serialize, JsonSchema)]
//! #[serde(default, deny_unknown_fields)]
//! struct Config {
//!     /// The path to report.
//!     path: String,
//! }
//!
//! impl Default for Config {
//!     fn default() -> Self {
//!         Config { path: "/etc/shadow".into() }
//!     }
//! }
//!
//! impl Plugin for Watch {
//!     const MANIFEST: Manifest = Manifest::new("watch", "0.1.0", "Watches one path.").opens();
//!     type Config = Config;
//!     type Metrics = Counter<1>;
//!
//!     fn metrics(declare: &Registry) -> Self::Metrics {
//!         declare.counter("opens", "Files opened.").labels(["process"])
//!     }
//!
//!     fn new(config: Config, opens: Self::Metrics) -> Result<Self, String> {
//!         Ok(Watch { config, opens })
//!     }
//!
//!     fn on_batch(&mut self, batch: Batch<'_>, out: &mut Report) -> Result<(), String> {
//!         for open in batch.opens() {
//!             let comm = open.process().map_or(&b""[..], Process::comm);
//!             self.opens.with([comm]).inc();
//!             if open.path() == self.config.path.as_bytes() {
//!                 let message = format!("{} opened {}", text(comm), text(open.path()));
//!                 out.verdict("opened", Severity::Warning).about(&open).message(message);
//!             }
//!         }
//!         Ok(())
//!     }
//! }
//!
//! vespid_plugin::export!(Watch);
//!
//! let mut plugin = testing::Harness::<Watch>::start("{}").unwrap();
//! let mut batch = testing::BatchBuilder::new();
//! let cat = batch.process("/bin/cat").id();
//! batch.open(cat, "/etc/shadow");
//! assert_eq!(plugin.batch(&batch).lines(), ["warning opened: cat opened /etc/shadow"]);
//! assert_eq!(plugin.value("opens", ["cat"]), Some(1.0));
//! ```

mod batch;
pub mod bindings;
mod burst;
mod config;
pub mod errno;
mod filter;
mod glob;
mod keyed;
pub mod log;
mod lru;
#[cfg(any(test, all(feature = "allocator", target_family = "wasm", target_os = "unknown")))]
mod memory;
mod metrics;
mod names;
mod plugin;
mod repeats;
mod report;
mod rows;
#[doc(hidden)]
pub mod runtime;
pub mod state;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
mod text;
pub mod window;

pub use batch::{Batch, Row};
pub use burst::{Burst, BurstEnd, BurstLimits, Edge};
pub use config::did_you_mean;
pub use filter::{Filter, InNamespace, Namespace, Pattern};
pub use glob::{Globs, glob_match};
pub use keyed::Keyed;
pub use metrics::{Counter, Gauge, Histogram, Registry, SeriesId};
pub use names::NameLimit;
pub use plugin::{Manifest, Plugin, Restored};
pub use repeats::Repeats;
pub use report::{Report, Severity, Verdict};
pub use rows::{
    Change, ChangeOp, Connection, ConnectionOp, Container, Direction, Exec, Exit, Fact, Open, PathKind, Privileged,
    PrivilegedOp, Process, ProcessId, Resource, ResourceOp, Socket, SocketOp,
};
pub use text::{Text, basename, cut, remembered, text};

pub use schemars;
pub use serde;

/// What nearly every plugin uses.
pub mod prelude {
    // The derive macro of `JsonSchema` looks for its crate by this name.
    pub use crate::schemars::{self, JsonSchema};
    pub use crate::serde::{Deserialize, Serialize};
    #[cfg(not(target_family = "wasm"))]
    pub use crate::testing;
    pub use crate::{
        Batch, Container, Counter, Fact, Gauge, Histogram, Manifest, Plugin, Process, Registry, Report, Severity, text,
    };
}
