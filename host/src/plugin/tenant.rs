//! What a store holds for its guest.
use std::sync::Arc;

use super::limits::{HostCalls, Quota};
use super::log_gate::LogGate;

/// A guest's part of its store.
pub(super) struct Tenant {
    /// Name in the log.
    pub(super) plugin: String,
    pub(super) log: Arc<LogGate>,
    pub(super) host_calls: HostCalls,
    pub(super) quota: Quota,
    /// The error that it logged last in the call at hand.
    pub(super) last_words: Option<String>,
}
