//! The plugin runtime, tried on a real component that misbehaves on demand.
#![expect(
    clippy::expect_used,
    reason = "what the helpers of a test expect is part of the test"
)]

mod calls;
mod compile;
mod cost;
mod refusals;
mod support;
mod swap;
mod worker;
