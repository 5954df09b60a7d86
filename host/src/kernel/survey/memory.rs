//! How much memory there is: on the node, in the daemon's own control group, and as locked memory.
use std::fs;
use std::path::Path;

use super::{Check, Topic, cgroups};

/// Below this a daemon with a few plugins may be killed: 8 MiB of ring, up to 64 MiB of names and arguments, and what the
/// plugins may have.
const ADVISABLE: u64 = 256 << 20;
/// What v1 has for "no limit" is the largest number of pages.
const UNLIMITED: u64 = 1 << 60;

pub(super) fn all(mounts: &str) -> Vec<Check> {
    vec![group(mounts), available(), locked()]
}

/// The tightest limit of the daemon's group and those above it.
fn group(mounts: &str) -> Check {
    const NAME: &str = "memory limit";
    let limit = cgroups::own_memory(mounts).and_then(|(own, top)| {
        let groups = own.ancestors().take_while(|group| group.starts_with(&top));
        groups.filter_map(limit_of).min()
    });
    match limit {
        None => Check::good(Topic::Node, NAME, "none"),
        Some(limit) if limit < ADVISABLE => Check::note(
            Topic::Node,
            NAME,
            format!(
                "{} for this control group: the daemon may be killed when much happens",
                mebibytes(limit)
            ),
            "raise it (MemoryMax=, resources.limits.memory) to 256 MiB or more, or lower kernel.ring_bytes, \
             processes.max and plugins.limits.memory_bytes",
        ),
        Some(limit) => Check::good(
            Topic::Node,
            NAME,
            format!("{} for this control group", mebibytes(limit)),
        ),
    }
}

fn limit_of(group: &Path) -> Option<u64> {
    let files = ["memory.max", "memory.limit_in_bytes"];
    let text = files
        .iter()
        .find_map(|file| fs::read_to_string(group.join(file)).ok())?;
    text.trim().parse().ok().filter(|limit| *limit < UNLIMITED)
}

fn available() -> Check {
    const NAME: &str = "available memory";
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kibibytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    match kibibytes.map(|kibibytes| kibibytes << 10) {
        None => Check::good(Topic::Node, NAME, "not told"),
        Some(bytes) if bytes < ADVISABLE => Check::note(
            Topic::Node,
            NAME,
            format!("{} on this node", mebibytes(bytes)),
            "make room, or lower kernel.ring_bytes, processes.max and plugins.limits.memory_bytes",
        ),
        Some(bytes) => Check::good(Topic::Node, NAME, format!("{} on this node", mebibytes(bytes))),
    }
}

fn locked() -> Check {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Memlock).current;
    let limit = limit.map_or_else(|| "unlimited".to_owned(), |bytes| format!("{bytes} bytes"));
    Check::good(
        Topic::Node,
        "locked memory",
        format!("limit {limit}; Linux 5.11 and later do not charge BPF to it"),
    )
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}
