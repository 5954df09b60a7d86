//! The Vespid daemon. Each module is a stage of the data path, or a side of it; `ARCHITECTURE.md` has the map.
//!
//! Imports go one way: a module uses only modules above it in this list.
pub mod bytes;
pub mod event;
pub mod interface;
pub mod ledger;

// Data path: kernel → decode → enrich → batch → plugin → outputs.
pub mod batch;
pub mod decode;
pub mod enrich;
pub mod kernel;
pub mod metrics;
pub mod plugin;
pub mod recording;
pub mod verdict;
