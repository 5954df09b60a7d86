//! Runs a plugin's logic on the machine at hand: on batches made by hand, or on the recordings of its test cases.
//!
//! What runs is what the component runs: the columns, the row views, the configuration's parser and the metrics; only
//! the boundary is missing.
mod builder;
mod calls;
mod cases;
mod columns;
mod connections;
mod filters;
mod harness;
mod processes;
mod resources;
mod syscalls;

pub use builder::BatchBuilder;
pub use cases::cases;
pub use connections::ConnectionRow;
pub use harness::{Harness, Outcome};
pub use processes::{ContainerRow, ExecRow, ExitRow, ProcessRow};
pub use resources::ResourceRow;
pub use syscalls::{ChangeRow, OpenRow, PrivilegedRow, SocketRow};

/// Midnight of 2026-01-01 in Unix nanoseconds: where time begins in a [`BatchBuilder`].
pub const EPOCH: u64 = 1_767_225_600 * SECOND;
/// A second in nanoseconds.
pub const SECOND: u64 = 1_000_000_000;
/// A millisecond in nanoseconds.
pub const MILLISECOND: u64 = 1_000_000;
