//! The kernel side on the running kernel: real processes, files and connections, and the events they come out as.
//!
//! Where BPF is not permitted the tests say so and pass, unless `VESPID_REQUIRE_BPF=1`.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests"
)]

mod actor;
mod changes;
mod connections;
mod equivalence;
mod fair;
mod files;
mod filters;
mod groups;
mod harness;
mod merged;
mod overflow;
mod privileged;
mod processes;
mod resources;
mod sockets;
mod storm;
#[path = "../support/tools.rs"]
mod tools;
mod uring;
mod variants;
mod wanted;
mod yardstick;
