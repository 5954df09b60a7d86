//! One process that tries many doors.
//!
//! It is told from a crawler, a proxy or a monitoring system, which try as many, by how often it fails.
use std::hash::Hash;
use std::net::IpAddr;
use std::time::Duration;

use vespid_plugin::prelude::*;
use vespid_plugin::{Connection, ConnectionOp, Keyed, ProcessId};

use crate::config::Scan;

const SECOND: u64 = 1_000_000_000;
const MAX_PROCESSES: usize = 4096;
/// Ports, and hosts, that are told apart of one process: as many as there are ports, far more than a threshold may be.
const MOST: usize = 1 << 16;

pub(crate) struct Scans {
    config: Scan,
    window: u64,
    processes: Keyed<ProcessId, Attempts>,
}

/// What one process tried.
struct Attempts {
    ports: Keyed<u16, ()>,
    hosts: Keyed<IpAddr, ()>,
    window_start: u64,
    tried: u64,
    failed: u64,
    reported: Option<u64>,
}

impl Scans {
    pub(crate) fn new(config: Scan) -> Self {
        let window = u64::from(config.window_seconds) * SECOND;
        Scans {
            config,
            window,
            processes: Keyed::new(MAX_PROCESSES, Duration::from_nanos(window)),
        }
    }

    pub(crate) fn attempt(&mut self, connection: Connection<'_>, process: Process<'_>, out: &mut Report) {
        let now = connection.time();
        let (attempts, _) = self.processes.touch(now, process.id(), || Attempts::new(self.window));
        if attempts
            .reported
            .is_some_and(|reported| now < reported.saturating_add(self.window))
        {
            return;
        }
        attempts.count(now, self.window, connection, &self.config);
        let Some((what, distinct)) = attempts.scan(now, &self.config) else {
            return;
        };
        let window = self.config.window_seconds;
        out.verdict("port-scan", Severity::Warning)
            .about(&connection)
            .message(format!(
                "{} (pid {}) tried {distinct} {what} within {window} s, last {}; {} of {} attempts failed",
                text(process.name()),
                process.pid(),
                connection.remote(),
                attempts.failed,
                attempts.tried,
            ))
            .key(format!("port-scan/{}/{}", process.pid(), process.id().start))
            .tag("T1046")
            .field("distinct", distinct)
            .field("of", what)
            .field("tried", attempts.tried)
            .field("failed", attempts.failed);
        *attempts = Attempts {
            reported: Some(now),
            ..Attempts::new(self.window)
        };
    }

    pub(crate) fn expire(&mut self, now: u64) {
        self.processes.expire(now);
    }
}

impl Attempts {
    fn new(window: u64) -> Self {
        let window = Duration::from_nanos(window);
        Attempts {
            ports: Keyed::new(MOST, window),
            hosts: Keyed::new(MOST, window),
            window_start: 0,
            tried: 0,
            failed: 0,
            reported: None,
        }
    }

    fn count(&mut self, now: u64, window: u64, connection: Connection<'_>, config: &Scan) {
        // Distinct ports and hosts slide; the share of failures is that of the last one to two windows.
        if now >= self.window_start.saturating_add(window) {
            self.window_start = now;
            self.tried /= 2;
            self.failed /= 2;
        }
        self.tried += 1;
        self.failed += u64::from(connection.op() == ConnectionOp::Failed);
        if config.ports > 0 {
            self.ports.touch(now, connection.remote_port(), || ());
        }
        if config.hosts > 0 {
            self.hosts.touch(now, connection.remote().ip(), || ());
        }
    }

    fn scan(&mut self, now: u64, config: &Scan) -> Option<(&'static str, usize)> {
        let ports = distinct(&mut self.ports, config.ports, now);
        let hosts = distinct(&mut self.hosts, config.hosts, now);
        if self.failed * 100 < self.tried * u64::from(config.min_failed_percent) {
            return None;
        }
        ports
            .map(|ports| ("ports", ports))
            .or_else(|| hosts.map(|hosts| ("hosts", hosts)))
    }
}

/// How many there were within the window, if more than the threshold.
fn distinct<K: Hash + Eq>(seen: &mut Keyed<K, ()>, most: usize, now: u64) -> Option<usize> {
    if seen.len() <= most {
        return None;
    }
    seen.expire(now);
    Some(seen.len()).filter(|len| *len > most)
}
