//! One process that tries many doors.
//!
//! It is told from a crawler, a proxy or a monitoring system, which try as many, by how often it fails.
use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::time::Duration;

use vespid_plugin::prelude::*;
use vespid_plugin::{Connection, ConnectionOp, Keyed, ProcessId};

use crate::config::Scan;

const SECOND: u64 = 1_000_000_000;
const MAX_PROCESSES: usize = 4096;

pub(crate) struct Scans {
    config: Scan,
    window: u64,
    processes: Keyed<ProcessId, Attempts>,
}

/// What one process tried. Neither map outgrows its threshold by more than one entry, save for entries that turn out not
/// to be a scan, which the next prune takes.
#[derive(Default)]
struct Attempts {
    ports: HashMap<u16, u64>,
    hosts: HashMap<IpAddr, u64>,
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
        let (attempts, _) = self.processes.touch(now, process.id(), Attempts::default);
        if attempts
            .reported
            .is_some_and(|reported| now < reported.saturating_add(self.window))
        {
            return;
        }
        attempts.count(now, self.window, connection);
        let Some((what, distinct)) = attempts.scan(now, self.window, &self.config) else {
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
            ..Attempts::default()
        };
    }

    pub(crate) fn expire(&mut self, now: u64) {
        self.processes.expire(now);
    }
}

impl Attempts {
    fn count(&mut self, now: u64, window: u64, connection: Connection<'_>) {
        // Distinct ports and hosts slide; the share of failures is that of the last one to two windows.
        if now >= self.window_start.saturating_add(window) {
            self.window_start = now;
            self.tried /= 2;
            self.failed /= 2;
        }
        self.tried += 1;
        self.failed += u64::from(connection.op() == ConnectionOp::Failed);
        self.ports.insert(connection.remote_port(), now);
        self.hosts.insert(connection.remote().ip(), now);
    }

    fn scan(&mut self, now: u64, window: u64, config: &Scan) -> Option<(&'static str, usize)> {
        let ports = distinct(&mut self.ports, config.ports, now, window);
        let hosts = distinct(&mut self.hosts, config.hosts, now, window);
        if self.failed * 100 < self.tried * u64::from(config.min_failed_percent) {
            return None;
        }
        ports
            .map(|ports| ("ports", ports))
            .or_else(|| hosts.map(|hosts| ("hosts", hosts)))
    }
}

/// How many there were within the window, if more than the threshold. Prunes only when that could be.
fn distinct<K: Hash + Eq>(seen: &mut HashMap<K, u64>, most: usize, now: u64, window: u64) -> Option<usize> {
    if most == 0 {
        seen.clear();
        return None;
    }
    if seen.len() <= most {
        return None;
    }
    seen.retain(|_, last| last.saturating_add(window) > now);
    Some(seen.len()).filter(|len| *len > most)
}
