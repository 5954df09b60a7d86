//! What a compiler process gives up before it looks at a component, and what is left to it.
use std::io;

use caps::{CapSet, CapsHashSet};
use rustix::process::{Resource, Rlimit, Signal, nice, set_parent_process_death_signal, setrlimit};
use rustix::thread::set_no_new_privs;

/// How much the compiler stands back for the rest of the node, the collector first of all.
const NICENESS: i32 = 5;
const MOST_EXPENDABLE: &str = "1000";

/// What a compiler process may use.
#[derive(Clone, Copy, Debug, Default)]
pub struct Allowance {
    /// Address space.
    pub memory_bytes: Option<u64>,
    /// Processor time, of all threads.
    pub cpu_seconds: Option<u64>,
}

/// Gives up privileges, further files, and whatever exceeds the allowance. Before any thread is started: priority and
/// capabilities are a thread's own, and its children's.
pub(super) fn confine(allowance: Allowance) -> io::Result<()> {
    // Should the parent be gone already, its pipe breaks instead.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    set_no_new_privs(true)?;
    for set in [
        CapSet::Ambient,
        CapSet::Effective,
        CapSet::Permitted,
        CapSet::Inheritable,
    ] {
        caps::set(None, set, &CapsHashSet::new()).map_err(io::Error::other)?;
    }
    nice(NICENESS)?;
    // When memory is short this is the process to do without, not the daemon in the same control group. Not everywhere
    // is /proc writable, and the kernel's own choice is often the same.
    std::fs::write("/proc/self/oom_score_adj", MOST_EXPENDABLE).ok();
    limit(Resource::Core, 0, 0)?;
    // Not a byte into any file, which leaves pipes.
    limit(Resource::Fsize, 0, 0)?;
    if let Some(bytes) = allowance.memory_bytes {
        limit(Resource::As, bytes, bytes)?;
    }
    if let Some(seconds) = allowance.cpu_seconds {
        // SIGXCPU at the first, which says why; SIGKILL at the second.
        limit(Resource::Cpu, seconds, seconds.saturating_add(1))?;
    }
    // Not a file or socket more.
    limit(Resource::Nofile, 0, 0)
}

fn limit(resource: Resource, soft: u64, hard: u64) -> io::Result<()> {
    // Whoever is limited further already stays so.
    let already = rustix::process::getrlimit(resource).maximum.unwrap_or(u64::MAX);
    let limit = Rlimit {
        current: Some(soft.min(already)),
        maximum: Some(hard.min(already)),
    };
    Ok(setrlimit(resource, limit)?)
}
