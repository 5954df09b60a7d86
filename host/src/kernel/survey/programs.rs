//! Types of programs: an empty one of each is loaded, and attached for a moment where that is the kernel's to refuse.
//!
//! Probes are of some of these. The others are what a support engineer asks for when a node differs from the
//! rest, and what `docs/kernels.md` is made of.
use std::io;
use std::path::Path;

use super::calls::{self, Attach, Program};
use super::{Check, Topic};
use crate::kernel::btf::{self, Hooks};
use crate::kernel::cgroups;
use crate::kernel::load::missing_capabilities;

pub(super) fn all() -> Vec<Check> {
    if !missing_capabilities().is_empty() {
        let found = "not tried without the capabilities to load any";
        return vec![Check::note(Topic::Programs, "all types", found, "")];
    }
    let hooks = btf::hooks().unwrap_or_default();
    let mut checks = vec![tracepoints(&hooks)];
    checks.push(noted(
        "fentry",
        "functions of the kernel are hooked directly",
        "a kernel with CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS that may change its own code; tracepoints stand in",
        hooks.function.map_or_else(unknown, |id| attach(Program::fentry(id))),
    ));
    checks.push(lsm(&hooks));
    checks.push(noted(
        "raw tracepoint",
        "works without BTF and without tracefs",
        "",
        attach(Program::raw_tracepoint()),
    ));
    checks.push(noted(
        "iterator",
        "tasks and files can be listed by the kernel",
        "/proc stands in",
        hooks
            .iterator
            .map_or_else(unknown, |id| calls::load(&Program::iterator(id)).map(drop)),
    ));
    let grouped = [
        ("sock_ops", Program::sock_ops(), "connections of a control group"),
        ("cgroup_skb", Program::cgroup_skb(), "packets of a control group"),
    ];
    for (name, program, what) in grouped {
        // As the probe that would be attached there asks.
        let loaded = cgroups::root()
            .map_err(io::Error::other)
            .and_then(|_| calls::load(&program).map(drop));
        checks.push(noted(
            name,
            what,
            "mount a cgroup2 hierarchy; tracepoints stand in",
            loaded,
        ));
    }
    for (name, remedy) in [
        ("kprobe", "a kernel with CONFIG_KPROBES; tracepoints stand in"),
        ("uprobe", "a kernel with CONFIG_UPROBES"),
    ] {
        let place = format!("/sys/bus/event_source/devices/{name}");
        let there = if Path::new(&place).exists() {
            Ok(())
        } else {
            Err(io::Error::other(format!("this kernel has no {place}")))
        };
        checks.push(noted(name, "the kernel has them", remedy, there));
    }
    checks.push(noted(
        "perf_event, software",
        "the CPU clock can be sampled",
        "",
        calls::software_clock().map(drop),
    ));
    checks.push(noted(
        "perf_event, hardware",
        "cycles can be counted",
        "a machine that shows its hardware counters: most virtual ones do not",
        calls::hardware_cycles().map(drop),
    ));
    checks
}

/// All probes hang on these.
fn tracepoints(hooks: &Hooks) -> Check {
    const NAME: &str = "tp_btf";
    match hooks.tracepoint.map_or_else(unknown, |id| attach(Program::tp_btf(id))) {
        Ok(()) => Check::good(
            Topic::Programs,
            NAME,
            "the kernel's tracepoints with its own types; carries all probes",
        ),
        Err(error) => Check::bad(
            Topic::Programs,
            NAME,
            refused(&error),
            "everything",
            "see permissions and the kernel's configuration above",
        ),
    }
}

/// A program of this type is attached even if nobody would ever call it.
fn lsm(hooks: &Hooks) -> Check {
    let listed = std::fs::read_to_string("/sys/kernel/security/lsm");
    let result = match listed {
        Ok(modules) if !modules.trim().split(',').any(|module| module == "bpf") => Err(io::Error::other(format!(
            "`bpf` is not among the security modules ({})",
            modules.trim()
        ))),
        _ => hooks.lsm.map_or_else(unknown, |id| attach(Program::lsm(id))),
    };
    let remedy = "boot with `bpf` in lsm=, on a kernel with CONFIG_BPF_LSM; tracepoints stand in";
    noted("LSM", "security hooks call programs", remedy, result)
}

fn noted(name: &str, works: &str, remedy: &str, result: io::Result<()>) -> Check {
    match result {
        Ok(()) => Check::good(Topic::Programs, name, works),
        Err(error) => Check {
            usable: false,
            ..Check::note(Topic::Programs, name, refused(&error), remedy)
        },
    }
}

fn refused(error: &io::Error) -> String {
    format!("refused: {error}")
}

fn unknown() -> io::Result<()> {
    Err(io::Error::other("this kernel's types have no such hook"))
}

fn attach(program: Program) -> io::Result<()> {
    let attach = program.attach();
    let loaded = calls::load(&program)?;
    match attach {
        Attach::Nowhere => Ok(()),
        Attach::Tracing(name) => calls::attach(&loaded, name).map(drop),
    }
}
