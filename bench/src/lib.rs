//! What the daemon costs, by the daemon's own code: `cargo xtask bench` runs all of it, docs/performance.md has the tables.
//!
//! Times are medians of rounds in which everything that is compared takes its turn; they are this machine's, at this
//! moment, so ratios say more than nanoseconds. What can be counted is counted, and is the same everywhere.
pub mod alloc;
pub mod counted;
pub mod dispatch;
pub mod instructions;
pub mod live;
pub mod machine;
pub mod native;
pub mod output;
pub mod page;
pub mod plot;
pub mod probes;
pub mod program;
pub mod replay;
pub mod rounds;
pub mod scale;
pub mod stages;
pub mod table;
pub mod traffic;
