//! What one plugin may use. Everything here is per plugin, so that one plugin's appetite is not another's hunger.
use std::time::Duration;

use wasmtime::ResourceLimiter;

/// What one plugin may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest component file, in bytes.
    pub file_bytes: u64,
    /// Linear memory, in bytes: the sum of all memories of an instance.
    pub memory_bytes: usize,
    /// Entries of all tables of an instance.
    pub table_entries: usize,
    /// Longest `on-batch` or `tick`.
    pub call_time: Duration,
    /// Longest `describe`, `init`, `snapshot` or `restore`, each.
    pub start_time: Duration,
    /// Most bytes that one call may hand to the daemon: a report, or a line of log.
    pub report_bytes: usize,
    /// Most bytes of a snapshot.
    pub snapshot_bytes: usize,
    /// How often a snapshot is taken, in case the instance or the daemon fails.
    pub snapshot_every: Duration,
    /// Verdicts a second of event time in the long run; ten times as many at once.
    pub verdicts_per_second: u32,
    /// Lines of log a second, in the long run and at once.
    pub log_lines_per_second: u32,
    /// Calls to the daemon that the plugin may make within one call to it.
    pub host_calls: u32,
    /// Batches that may wait for the plugin.
    pub queue_len: usize,
    /// Failures within [`Limits::failure_window`] after which the plugin is quarantined.
    pub failures: usize,
    /// Event time over which failures are counted.
    pub failure_window: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            file_bytes: 64 << 20,
            memory_bytes: 64 << 20,
            table_entries: 1 << 20,
            call_time: Duration::from_secs(1),
            start_time: Duration::from_secs(10),
            report_bytes: 16 << 20,
            snapshot_bytes: 64 << 20,
            snapshot_every: Duration::from_secs(60),
            verdicts_per_second: 100,
            log_lines_per_second: 100,
            host_calls: 20_000,
            queue_len: 64,
            failures: 5,
            failure_window: Duration::from_secs(60),
        }
    }
}

/// Watches the memory of one store. wasmtime's own `StoreLimits` caps each memory by itself, and a component may have
/// any number of them.
#[derive(Debug)]
pub(super) struct Quota {
    max_memory: usize,
    max_table: usize,
    memory: usize,
    table: usize,
}

/// More memory was asked for than the plugin may have.
#[derive(Debug, thiserror::Error)]
#[error("asked for {asked} bytes of memory and may have {max}")]
pub(super) struct OutOfMemory {
    asked: usize,
    max: usize,
}

/// How often the daemon may still be called within one call to a plugin.
#[derive(Debug)]
pub(super) struct HostCalls {
    max: u32,
    left: u32,
}

/// The daemon was called too often.
#[derive(Debug, thiserror::Error)]
#[error("it may call the daemon {max} times within one call")]
pub(super) struct TooManyHostCalls {
    max: u32,
}

impl HostCalls {
    pub(super) fn new(limits: &Limits) -> HostCalls {
        HostCalls {
            max: limits.host_calls,
            left: limits.host_calls,
        }
    }

    /// Another call to the plugin begins.
    pub(super) fn reset(&mut self) {
        self.left = self.max;
    }

    /// The plugin calls the daemon.
    pub(super) fn take(&mut self) -> Result<(), TooManyHostCalls> {
        let Some(left) = self.left.checked_sub(1) else {
            return Err(TooManyHostCalls { max: self.max });
        };
        self.left = left;
        Ok(())
    }
}

impl Quota {
    pub(super) fn new(limits: &Limits) -> Quota {
        Quota {
            max_memory: limits.memory_bytes,
            max_table: limits.table_entries,
            memory: 0,
            table: 0,
        }
    }

    /// Bytes of linear memory. It never shrinks.
    pub(super) fn memory_bytes(&self) -> usize {
        self.memory
    }
}

impl ResourceLimiter for Quota {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let asked = self.memory.saturating_add(desired.saturating_sub(current));
        if asked > self.max_memory {
            // An error traps where the memory was asked for, so that the backtrace names the culprit.
            return Err(OutOfMemory {
                asked,
                max: self.max_memory,
            }
            .into());
        }
        self.memory = asked;
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let asked = self.table.saturating_add(desired.saturating_sub(current));
        if asked > self.max_table || maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.table = asked;
        Ok(true)
    }

    // Each reserves address space or bookkeeping of the daemon's. A JavaScript component needs about twenty instances.
    fn instances(&self) -> usize {
        100
    }

    fn tables(&self) -> usize {
        100
    }

    fn memories(&self) -> usize {
        20
    }
}
