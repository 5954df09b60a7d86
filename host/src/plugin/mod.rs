//! WebAssembly plugins: from a file in a directory to a thread that is handed batches and hands on reports.
//!
//! A plugin harms only itself. Its file is inspected before it is compiled, its calls have deadlines, its memory and
//! its reports have limits, its queue is bounded; and whatever it does becomes a number in [`PluginStats`].
mod anatomy;
mod code;
mod compile;
mod component;
pub mod config;
mod delivery;
mod desk;
mod engine;
mod failure;
mod inspect;
mod instance;
mod limits;
mod load;
mod log;
mod log_gate;
mod lost;
mod manifest;
mod rate;
mod refusal;
mod report;
mod runner;
mod seconds;
mod settings;
mod stats;
mod subscription;
mod supervisor;
mod swap;
mod tenant;
mod view;
mod worker;

pub use anatomy::{Anatomy, Sizes};
pub use compile::{
    Allowance, Cache, CacheError, CacheLimits, Child, ChildLimits, CompileError, Compiler, Origin, ServeError, serve,
};
pub use component::{Identity, Plugin};
pub use delivery::{Delivery, Sink};
pub use engine::{Engine, EngineError};
pub use failure::Failure;
pub use inspect::inspect;
pub use instance::{Instance, Snapshot};
pub use limits::Limits;
pub use load::{Found, load, make};
pub use manifest::{ManifestError, check_name};
pub use refusal::{Refusal, Why};
pub use report::BadReport;
pub use seconds::Seconds;
pub use settings::{Mode, Settings, split};
pub use stats::{CALL_TIME_BOUNDS, CallTimes, PluginStats, Status};
pub use subscription::{Rows, record_kinds};
pub use swap::{Carried, Successor, SwapError, Swapped};
pub use worker::{StartError, Worker};
