//! The daemon's HTTP side: /metrics, /healthz, /readyz, /plugins.
//!
//! It reads and never changes anything. It has a thread of its own, and everything that a client could make large or slow
//! is bounded: connections, headers, the time of a request and of a connection.
mod accept;
mod routes;
mod server;

pub use server::{BindError, Http};

use crate::metrics::Scrape;

/// What the server shows. Called from the server's threads, a few at a time; an implementation holds a stage's lock only
/// as long as it takes to copy its numbers.
pub trait Source: Send + Sync + 'static {
    /// The numbers for /metrics.
    fn scrape(&self) -> Scrape;

    /// The answer to /plugins.
    fn plugins(&self) -> serde_json::Value;

    /// Whether probes run and plugins are loaded.
    ///
    /// # Errors
    /// What is still missing, for people.
    fn readiness(&self) -> Result<(), String>;
}
