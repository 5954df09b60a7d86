//! The probes, each attached for a moment.
use super::{Check, Level, Topic};
use crate::kernel::attach::{Probe, State};
use crate::kernel::load::reason;
use crate::kernel::{Kernel, Settings};

/// Each probe, whether processes can be followed, and what there is to say of it.
pub(super) fn all() -> (Vec<Probe>, bool, Vec<Check>) {
    match Kernel::start(&Settings::default()) {
        Ok(kernel) => {
            let probes = kernel.probes().to_vec();
            let mut checks: Vec<Check> = probes.iter().map(check).collect();
            checks.push(reading(kernel.reads_by_loads()));
            (probes, true, checks)
        }
        Err(error) => {
            let remedy = "see the checks above; without these probes only recordings can be replayed";
            let check = Check::bad(Topic::Probes, "process tree", reason(&error), "everything", remedy);
            (Vec::new(), false, vec![check])
        }
    }
}

fn reading(by_loads: bool) -> Check {
    const NAME: &str = "reading";
    if by_loads {
        return Check::good(Topic::Probes, NAME, "the kernel's structures are read by plain loads");
    }
    let found = "the kernel's structures are read by its helper, which takes ten times as long";
    Check::note(Topic::Probes, NAME, found, "Linux 6.2 or later")
}

fn check(probe: &Probe) -> Check {
    let check = match &probe.state {
        State::Attached | State::NotNeeded => granted(probe),
        State::Unavailable(why) => Check::bad(
            Topic::Probes,
            probe.name,
            format!("cannot run because {why}"),
            probe.loses,
            if probe.hook.starts_with("perf_event") {
                "give a virtual machine a PMU, if its host has one to give"
            } else {
                "a newer kernel may have it"
            },
        ),
    };
    Check {
        cost: cost(&probe.hook),
        ..check
    }
}

/// A probe that runs, in one of the ways to have it.
fn granted(probe: &Probe) -> Check {
    let mut found = match probe.beside.as_slice() {
        [] => probe.hook.clone(),
        [beside] => format!("{} and {}", probe.hook, beside.hook),
        many => format!("{} and {} more", probe.hook, many.len()),
    };
    if !(is_called(&probe.hook) && probe.beside.is_empty()) {
        found += " attached";
    }
    for passed_over in &probe.passed_over {
        let (way, why) = (passed_over.variant.name(), &passed_over.reason);
        found = format!("{found}; {way} was refused: {why}");
    }
    let passed_over = probe.passed_over.iter();
    let lost: Vec<&str> = passed_over.map(|passed_over| passed_over.loses.as_str()).collect();
    Check {
        level: if lost.is_empty() { Level::Fine } else { Level::Note },
        lost: lost.join("; "),
        ..Check::good(Topic::Probes, probe.name, found)
    }
}

/// Whether another program calls it.
fn is_called(hook: &str) -> bool {
    hook.starts_with("called by ")
}

/// What a hook costs, by how often it is passed: `docs/performance.md` has the figures.
fn cost(hook: &str) -> &'static str {
    let place = hook.rsplit('/').next().unwrap_or(hook);
    match place {
        "sys_exit" | "sys_enter" => "high: some 100 ns for every system call while it is attached",
        place if is_called(place) => "medium: for each call of its kind",
        place if place.starts_with("sched_process_") => "low: a few microseconds for each process",
        "inet_sock_set_state" | "sock_ops" => "low: some microseconds for each connection",
        _ if hook.starts_with("perf_event") => "low: a program for one in so many",
        _ => "medium: for each call of what it hooks into",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_passed_by_every_system_call_is_dear() {
        assert!(cost("tp_btf/sys_exit").starts_with("high"));
        assert!(cost("tp_btf/sched_process_exec").starts_with("low"));
        assert!(cost("fentry/security_file_open").starts_with("medium"));
        assert!(cost("called by vespid_sys_exit").starts_with("medium"));
    }
}
