//! Test cases of Vespid plugins.
//!
//! A case is a TOML file: a recording, what is done with it, and the verdicts and metrics that are expected. This crate
//! reads it, compares it with what was observed, and rewrites it with what was observed. It runs nothing: `vespid plugin
//! test` does, with the built component, and the SDK does, with the plugin's native build.
mod accept;
mod case;
mod compare;
mod error;
mod junit;
mod observed;
mod parse;
mod pattern;
mod shape;
mod show;
mod source;

pub use accept::accept;
pub use case::{Case, ExpectedMetric, ExpectedVerdict, Slice, Swap};
pub use compare::{Comparison, Difference, MetricRow, Pairing, Scope, compare};
pub use error::CaseError;
pub use junit::{Report, junit};
pub use observed::{Observed, Sample};
pub use pattern::Pattern;
pub use show::Style;
