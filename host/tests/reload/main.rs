//! A running daemon whose plugins come, go, change, fail and are replaced, on a live kernel.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "tests")]

#[path = "../support/mod.rs"]
mod support;

mod components;
mod crashes;
mod directory;
mod latency;
mod quarantine;
mod scraper;
mod shadow;
mod site;
mod swaps;
