//! The plugin's metrics.
use std::time::Duration;

use vespid_plugin::prelude::*;
use vespid_plugin::{Container, NameLimit, Resource, ResourceOp};

const FORGET_CONTAINER_AFTER: Duration = Duration::from_secs(3600);

/// Handles on the metrics.
pub struct Metrics {
    cpu: Counter<2>,
    faults: Counter<3>,
    switches: Counter<3>,
    cycles: Counter<2>,
    instructions: Counter<2>,
    cache_misses: Counter<2>,
    kills: Counter<2>,
}

impl Metrics {
    pub(crate) fn declare(declare: &Registry) -> Self {
        let base = ["container", "name"];
        let with_kind = ["container", "name", "kind"];
        Metrics {
            cpu: declare
                .counter("cpu", "Time on processors.")
                .unit("seconds")
                .labels(base),
            faults: declare
                .counter("page_faults", "Page faults: minor ones took no input, major ones did.")
                .labels(with_kind),
            switches: declare
                .counter(
                    "context_switches",
                    "Times a thread gave up its processor (voluntary) or was put off it (involuntary).",
                )
                .labels(with_kind),
            cycles: declare
                .counter("cycles", "Cycles of processors, where the hardware counts them.")
                .labels(base),
            instructions: declare
                .counter(
                    "instructions",
                    "Instructions completed, where the hardware counts them.",
                )
                .labels(base),
            cache_misses: declare
                .counter(
                    "cache_misses",
                    "Misses of the last cache, where the hardware counts them.",
                )
                .labels(base),
            kills: declare
                .counter("oom_kills", "Processes killed for want of memory.")
                .labels(base),
        }
    }

    pub(crate) fn count(&self, resource: Resource<'_>, names: &mut Names) {
        let [id, name] = names.of(resource);
        let base = [&*id, &*name];
        if resource.op() == ResourceOp::OomKill {
            self.kills.with(base).inc();
        }
        if let Some(time) = resource.cpu().filter(|time| !time.is_zero()) {
            self.cpu.with(base).add_seconds(time);
        }
        let kinds = [
            (&self.faults, "minor", resource.minor_faults()),
            (&self.faults, "major", resource.major_faults()),
            (&self.switches, "voluntary", resource.voluntary_switches()),
            (&self.switches, "involuntary", resource.involuntary_switches()),
        ];
        for (counter, kind, count) in kinds {
            if let Some(count) = count.filter(|count| *count > 0) {
                counter.with([&*id, &*name, kind.as_bytes()]).add(count);
            }
        }
        let hardware = [
            (&self.cycles, resource.cycles()),
            (&self.instructions, resource.instructions()),
            (&self.cache_misses, resource.cache_misses()),
        ];
        for (counter, count) in hardware {
            if let Some(count) = count.filter(|count| *count > 0) {
                counter.with(base).add(count);
            }
        }
    }
}

/// Label values, of which the outside world chooses no more than so many.
pub(crate) struct Names(NameLimit);

impl Names {
    pub(crate) fn new(limit: usize) -> Self {
        Names(NameLimit::new(limit, FORGET_CONTAINER_AFTER))
    }

    /// Short id and name of the container.
    fn of(&mut self, resource: Resource<'_>) -> [Box<[u8]>; 2] {
        let is_known = resource.process().is_some() || !resource.cgroup().is_empty();
        match resource.container() {
            Some(container) => match self.0.admit(resource.time(), container.short_id()) {
                b"other" => [Box::from(&b"other"[..]), Box::default()],
                id => [id.into(), name(container).into_boxed_slice()],
            },
            None if is_known => [Box::from(&b"host"[..]), Box::default()],
            None => [Box::from(&b"unknown"[..]), Box::default()],
        }
    }
}

/// What people call a container: its pod with the namespace, else its name.
fn name(container: Container<'_>) -> Vec<u8> {
    match (container.namespace(), container.pod()) {
        (_, b"") => container.name().to_vec(),
        (namespace, pod) => [namespace, b"/", pod].concat(),
    }
}
