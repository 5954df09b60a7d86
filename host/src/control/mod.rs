//! The operator's side of a running daemon: a Unix socket that `vespid ctl` and `vespid top` talk to.
//!
//! One connection carries one request and one answer, each a line of JSON (see [`protocol`]). The socket belongs to root:
//! its mode says so, and the kernel's word about the peer is checked on top. Whatever a client does, the next one waits
//! for it no longer than a couple of seconds.
mod client;
pub mod ledger;
pub mod probes;
pub mod protocol;
mod server;
mod socket;
#[cfg(test)]
mod tests;
pub mod view;

pub use client::{CallError, Client};
pub use protocol::{Change, Code, Mode, Refused, RefusedFile, Reloaded};
pub use server::{Server, ServerError};
pub use socket::SocketError;

use crate::shadow;
use ledger::Ledger;
use probes::Probes;
use view::View;

/// Where the daemon listens unless it is told otherwise.
pub const SOCKET: &str = "/run/vespid/control.sock";

/// What an operator may ask of a daemon. Called from the socket's threads: what only looks, two calls at a time; what
/// changes something, one at a time. An implementation may take its time, but not hold a stage's lock meanwhile.
pub trait Control: Send + Sync + 'static {
    /// What /plugins shows.
    fn plugins(&self) -> serde_json::Value;

    /// Looks at the plugin directory now and waits for the outcome.
    ///
    /// # Errors
    /// If the directory cannot be looked at. A file that is refused is part of the outcome, not an error.
    fn reload(&self) -> Result<Reloaded, Refused>;

    /// Ends a plugin's quarantine.
    ///
    /// # Errors
    /// If there is no such plugin, or it is not in quarantine.
    fn resume(&self, plugin: &str) -> Result<Change, Refused>;

    /// The comparison of a plugin with its shadow, so far.
    ///
    /// # Errors
    /// If there is no such plugin, or it has no shadow.
    fn shadow(&self, plugin: &str) -> Result<shadow::Summary, Refused>;

    /// Makes a plugin's shadow the active one.
    ///
    /// # Errors
    /// If there is no such plugin, it has no shadow, or the shadow cannot take over; nothing has changed then.
    fn promote(&self, plugin: &str) -> Result<Change, Refused>;

    /// All that `vespid top` shows, in totals.
    fn view(&self) -> View;

    /// The probes, and what the daemon has in the kernel.
    fn probes(&self) -> Probes;

    /// Where every event went.
    fn ledger(&self) -> Ledger;
}
