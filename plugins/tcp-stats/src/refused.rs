//! One process, refused again and again: a dead backend, or somebody looking for a live one.
use std::time::Duration;

use vespid_plugin::prelude::*;
use vespid_plugin::{Burst, BurstEnd, BurstLimits, Connection, Edge, Keyed, ProcessId};

use crate::config::RefusedConfig;

const RULE: &str = "refused-burst";
const MAX_PROCESSES: usize = 4096;

pub(crate) struct Refused {
    limits: BurstLimits,
    processes: Keyed<ProcessId, Victim>,
}

struct Victim {
    burst: Burst,
    name: String,
}

impl Refused {
    pub(crate) fn new(config: &RefusedConfig) -> Self {
        let window = Duration::from_secs(config.window_seconds.into());
        let calm = Duration::from_secs(config.calm_seconds.into());
        Refused {
            limits: BurstLimits {
                limit: config.limit,
                window,
                calm,
            },
            processes: Keyed::new(MAX_PROCESSES, window + calm),
        }
    }

    pub(crate) fn hit(&mut self, connection: Connection<'_>, process: Process<'_>, out: &mut Report) {
        let new = || Victim {
            burst: Burst::default(),
            name: text(process.name()).to_string(),
        };
        let (victim, gone) = self.processes.touch(connection.time(), process.id(), new);
        if victim.burst.hit(connection.time(), &self.limits) == Edge::Started {
            let seconds = self.limits.window.as_secs();
            out.verdict(RULE, Severity::Notice)
                .about(&connection)
                .message(format!(
                    "{} (pid {}) was refused more than {} times within {seconds} s, last by {}",
                    victim.name,
                    process.pid(),
                    self.limits.limit,
                    connection.remote()
                ))
                .key(key(process.id()))
                .field("remote", connection.remote());
        }
        if let Some((id, mut victim)) = gone {
            victim
                .burst
                .stop()
                .into_iter()
                .for_each(|end| report_end(id, &victim.name, end, out));
        }
    }

    pub(crate) fn end(&mut self, now: u64, out: &mut Report) {
        for (id, victim) in self.processes.iter_mut() {
            if let Some(end) = victim.burst.end(now, &self.limits) {
                report_end(*id, &victim.name, end, out);
            }
        }
        self.processes.expire(now);
    }
}

fn key(process: ProcessId) -> String {
    format!("{RULE}/{}/{}", process.pid, process.start)
}

fn report_end(process: ProcessId, name: &str, end: BurstEnd, out: &mut Report) {
    let seconds = end.length.as_secs_f64();
    out.verdict("refused-burst-ended", Severity::Info)
        .message(format!(
            "{name} (pid {}) was refused {} times in {seconds:.1} s",
            process.pid, end.count
        ))
        .key(key(process))
        .field("count", end.count);
}
