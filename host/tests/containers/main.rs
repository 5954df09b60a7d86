//! The whole daemon beside real container runtimes: what happens in a container is told with the container's name, image
//! and pod.
//!
//! `VESPID_CONTAINERD` names containerd if it is not on the PATH; without it these tests are skipped, out loud.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "tests")]

mod containerd;
mod cri;
mod many;
mod named;
mod runc;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/tools.rs"]
mod tools;
mod used;
mod users;
