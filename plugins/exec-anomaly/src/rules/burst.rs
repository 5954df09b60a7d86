//! Many executions in a short time: a loop gone wild, a fork bomb, a build, an attacker's script.
//!
//! Counted by container and parent, so that a script that calls a program in a loop is one burst, whatever it calls.
use std::time::Duration;

use vespid_plugin::prelude::*;
use vespid_plugin::{BurstEnd, BurstLimits, Edge, Exec, Keyed, ProcessId};

use crate::config;
use crate::metrics::{Metrics, container};

const RULE: &str = "exec-burst";
const MAX_SOURCES: usize = 4096;

/// Container id and parent. A parent that is not known is one with start time 0.
type Source = (Vec<u8>, ProcessId);

pub(crate) struct Bursts {
    limits: BurstLimits,
    sources: Keyed<Source, State>,
    running: usize,
}

struct State {
    burst: vespid_plugin::Burst,
    name: String,
    container: String,
}

impl Bursts {
    pub(crate) fn new(config: &config::Burst) -> Self {
        let window = Duration::from_secs(config.window_seconds.into());
        let calm = Duration::from_secs(config.calm_seconds.into());
        Bursts {
            limits: BurstLimits {
                limit: config.limit,
                window,
                calm,
            },
            sources: Keyed::new(MAX_SOURCES, window + calm),
            running: 0,
        }
    }

    pub(crate) fn hit(&mut self, exec: Exec<'_>, process: Process<'_>, metrics: &Metrics, out: &mut Report) {
        if self.limits.limit == 0 {
            return;
        }
        let parent = process.parent();
        let id = parent.map_or(
            ProcessId {
                pid: process.ppid(),
                start: 0,
            },
            Process::id,
        );
        let source = (
            process
                .container()
                .map_or_else(Vec::new, |container| container.id().to_vec()),
            id,
        );
        let new = || State {
            burst: vespid_plugin::Burst::default(),
            name: parent.map_or_else(
                || "unknown process".to_owned(),
                |parent| text(parent.name()).to_string(),
            ),
            container: text(container(process)).to_string(),
        };
        let (state, gone) = self.sources.touch(exec.time(), source, new);
        if state.burst.hit(exec.time(), &self.limits) == Edge::Started {
            self.running += 1;
            metrics.hit(RULE, process);
            let State { name, container, .. } = state;
            out.verdict(RULE, Severity::Warning)
                .about(&exec)
                .message(format!(
                    "children of {name} (pid {}, {container}) executed more than {} times within {} s, last {}",
                    id.pid,
                    self.limits.limit,
                    self.limits.window.as_secs(),
                    text(process.exe()),
                ))
                .key(key(id))
                .field("parent_pid", id.pid)
                .field("parent", name)
                .field("container", container);
        }
        if let Some(((_, id), mut state)) = gone
            && let Some(end) = state.burst.stop()
        {
            self.running -= 1;
            report_end(id, &state, end, out);
        }
    }

    pub(crate) fn end(&mut self, now: u64, out: &mut Report) {
        for ((_, id), state) in self.sources.iter_mut() {
            if let Some(end) = state.burst.end(now, &self.limits) {
                self.running -= 1;
                report_end(*id, state, end, out);
            }
        }
        self.sources.expire(now);
    }

    pub(crate) fn running(&self) -> usize {
        self.running
    }
}

fn key(parent: ProcessId) -> String {
    format!("{RULE}/{}/{}", parent.pid, parent.start)
}

fn report_end(parent: ProcessId, state: &State, end: BurstEnd, out: &mut Report) {
    let State { name, container, .. } = state;
    let seconds = end.length.as_secs_f64();
    out.verdict("exec-burst-ended", Severity::Notice)
        .message(format!(
            "children of {name} (pid {}, {container}) executed {} times in {seconds:.1} s",
            parent.pid, end.count
        ))
        .key(key(parent))
        .field("count", end.count)
        .field("container", container);
}
