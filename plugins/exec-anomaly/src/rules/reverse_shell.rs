//! A shell whose input and output are a connection: `bash -i >& /dev/tcp/…`, `nc -e`, a few lines of Python.
//!
//! The connection becomes standard input and output first; then the process, or its child, is a shell, or was one before.
//! A shell that only writes to a connection, or only reads, asks whether a port is open.
use std::time::Duration;

use vespid_plugin::prelude::*;
use vespid_plugin::{Exec, Globs, Keyed, Privileged, PrivilegedOp, ProcessId};

use super::{Finding, name};
use crate::config::Config;

/// Processes with a socket as standard input or output that are remembered.
const MAX_PROCESSES: usize = 4096;
/// How long a process may take from its socket to its shell.
const PATIENCE: Duration = Duration::from_secs(60);

const INPUT: u8 = 1;
const OUTPUT: u8 = 1 << 1;

/// Which streams of a process are a connection, and to where.
#[derive(Default)]
struct Streams {
    mask: u8,
    remote: Vec<u8>,
    /// A shell on it has been found: the next one is the same.
    is_told: bool,
}

pub(crate) struct ReverseShells {
    shells: Globs,
    except: Globs,
    streams: Keyed<ProcessId, Streams>,
}

impl ReverseShells {
    pub(crate) fn new(config: &Config) -> Self {
        ReverseShells {
            shells: Globs::new(&config.servers.shells),
            except: Globs::new(&config.reverse_shells.except),
            streams: Keyed::new(MAX_PROCESSES, PATIENCE),
        }
    }

    /// A stream becomes a connection.
    pub(crate) fn redirected(&mut self, call: Privileged<'_>, process: Process<'_>) -> Option<Finding> {
        if call.op() != PrivilegedOp::StdioSocket || call.detail().is_empty() || self.except.matches(process.exe()) {
            return None;
        }
        let (streams, _) = self.streams.touch(call.time(), process.id(), Streams::default);
        if streams.remote != call.detail() {
            *streams = Streams {
                remote: call.detail().to_vec(),
                ..Streams::default()
            };
        }
        streams.mask |= if call.code() == 0 { INPUT } else { OUTPUT };
        if self.shells.matches(process.exe()) {
            streams.tell(process)
        } else {
            None
        }
    }

    /// A process becomes a shell.
    pub(crate) fn executed(&mut self, exec: Exec<'_>, process: Process<'_>) -> Option<Finding> {
        if self.streams.is_empty() || !self.shells.matches(process.exe()) {
            return None;
        }
        let parent = process.parent().map(Process::id);
        for id in std::iter::once(process.id()).chain(parent) {
            if let Some(streams) = self.streams.get(exec.time(), &id) {
                return streams.tell(process);
            }
        }
        None
    }

    pub(crate) fn tick(&mut self, now: u64) {
        self.streams.expire(now);
    }
}

impl Streams {
    /// The first shell that has both streams on the connection.
    fn tell(&mut self, shell: Process<'_>) -> Option<Finding> {
        if self.is_told || self.mask != INPUT | OUTPUT {
            return None;
        }
        self.is_told = true;
        let remote = text(&self.remote);
        Some(Finding {
            rule: "reverse-shell",
            severity: Severity::Critical,
            message: format!(
                "input and output of {} (pid {}) are a connection to {remote}",
                name(shell),
                shell.pid()
            ),
            tags: &["T1059.004"],
            detail: self.remote.clone(),
            fields: vec![("remote", remote.to_string())],
        })
    }
}
