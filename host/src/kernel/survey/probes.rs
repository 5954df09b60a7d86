//! The probes, each attached for a moment.
use vespid_ebpf::Kind;

use super::{Check, Topic};
use crate::kernel::attach::{ConnectionProbe, Probe, State};
use crate::kernel::load::reason;
use crate::kernel::{Kernel, Settings};

/// Each probe, whether processes can be followed, and what there is to say of it.
pub(super) fn all() -> (Vec<Probe>, bool, Vec<Check>) {
    match Kernel::start(&Settings::default()) {
        Ok(kernel) => {
            let probes = kernel.probes().to_vec();
            let checks = probes.iter().map(check).collect();
            (probes, true, checks)
        }
        Err(error) => {
            let remedy = "see the checks above; without these probes only recordings can be replayed";
            let check = Check::bad(Topic::Probes, "process tree", reason(&error), "everything", remedy);
            (Vec::new(), false, vec![check])
        }
    }
}

fn check(probe: &Probe) -> Check {
    let check = match &probe.state {
        State::Attached | State::NotNeeded => {
            Check::good(Topic::Probes, probe.name, format!("{} attached", probe.hook))
        }
        State::Spare => Check::good(Topic::Probes, probe.name, spare(probe)),
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

/// Whether a probe that is not used could be: there is one, beside the tracepoint on connections.
fn spare(probe: &Probe) -> String {
    let settings = Settings {
        kinds: Kind::Connection.bit(),
        connections: ConnectionProbe::SockOps,
        ..Settings::default()
    };
    let tried = Kernel::start(&settings);
    let tried = tried.map(|kernel| kernel.probes().iter().find(|one| one.name == probe.name).cloned());
    match tried {
        Ok(Some(probe)) => match probe.unavailable() {
            None => format!(
                "{} can be attached; not used, as another probe sees the same",
                probe.hook
            ),
            Some(why) => format!("not used, and cannot be, because {why}"),
        },
        Ok(None) => "not used".to_owned(),
        Err(error) => format!("not used, and cannot be, because {}", reason(&error)),
    }
}

/// What a hook costs, by how often it is passed: `docs/performance.md` has the figures.
fn cost(hook: &str) -> &'static str {
    let place = hook.rsplit('/').next().unwrap_or(hook);
    match place {
        "sys_exit" | "sys_enter" => "high: some 100 ns for every system call while it is attached",
        place if place.starts_with("sched_process_") => "low: a few microseconds for each process",
        place if place.starts_with("inet_sock_") || place.starts_with("tcp_") => "low: some 500 ns for each connection",
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
    }
}
