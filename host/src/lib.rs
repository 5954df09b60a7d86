//! The Vespid daemon. Each module is a stage of the data path, or a side of it; `ARCHITECTURE.md` has the map.
//!
//! Imports go one way: a module uses only modules above it in this list.
pub mod bytes;
pub mod clock;
pub mod event;
pub mod interface;
pub mod ledger;
pub mod progress;
pub mod units;

// The data path: kernel → decode → enrich → batch → plugin, and what comes of it: metrics and verdicts.
pub mod batch;
pub mod decode;
pub mod enrich;
pub mod filter;
pub mod kernel;
pub mod metrics;
pub mod pipeline;
pub mod plugin;
pub mod recording;
pub mod shadow;
pub mod verdict;

// The plugins' files, and what they remember.
pub mod nest;
pub mod state;

// A plugin without a daemon.
pub mod trial;

// What authors of plugins work with.
pub mod author;
pub mod hunt;

// What puts it together, and what a user meets.
pub mod cli;
pub mod config;
pub mod control;
pub mod daemon;
pub mod http;
pub mod logging;
pub mod screen;
pub mod summary;
