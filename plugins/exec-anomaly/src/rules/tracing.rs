//! One process takes hold of another: debuggers do, and so does who steals from memory or injects code.
use vespid_plugin::prelude::*;
use vespid_plugin::{Globs, Privileged, PrivilegedOp};

use super::{Finding, name};
use crate::config;

/// Requests of `ptrace` that begin to trace, or that write (include/uapi/linux/ptrace.h, asm/ptrace-abi.h).
const REQUESTS: [(u32, &str); 8] = [
    (4, "PTRACE_POKETEXT"),
    (5, "PTRACE_POKEDATA"),
    (6, "PTRACE_POKEUSER"),
    (13, "PTRACE_SETREGS"),
    (15, "PTRACE_SETFPREGS"),
    (16, "PTRACE_ATTACH"),
    (0x4205, "PTRACE_SETREGSET"),
    (0x4206, "PTRACE_SEIZE"),
];

pub(crate) struct Tracing {
    debuggers: Globs,
}

impl Tracing {
    pub(crate) fn new(config: &config::Tracing) -> Self {
        Tracing {
            debuggers: Globs::new(&config.debuggers),
        }
    }

    pub(crate) fn find(&self, call: Privileged<'_>, process: Process<'_>) -> Option<Finding> {
        let how = match call.op() {
            PrivilegedOp::Ptrace => REQUESTS.iter().find(|(request, _)| *request == call.code())?.1,
            PrivilegedOp::ProcessMemory if call.code() == 1 => "process_vm_writev",
            _ => return None,
        };
        let target = call.target()?;
        if self.debuggers.matches(process.exe()) || is_own(process, target) {
            return None;
        }
        Some(Finding {
            rule: "ptrace-attach",
            severity: Severity::Warning,
            message: format!(
                "{} (pid {}) {} {} (pid {}) by {how}",
                name(process),
                process.pid(),
                if call.failed() {
                    "tried to take hold of"
                } else {
                    "took hold of"
                },
                name(target),
                target.pid(),
            ),
            tags: &["T1055.008"],
            detail: target.exe().to_vec(),
            fields: vec![
                ("request", how.to_owned()),
                ("target", text(target.exe()).to_string()),
                ("target_pid", target.pid().to_string()),
            ],
        })
    }
}

/// Whether the target is the process itself, or its descendant and of the same user: tests, sandboxes and supervisors
/// trace what they have started.
fn is_own(process: Process<'_>, target: Process<'_>) -> bool {
    let id = process.id();
    target.id() == id || target.uid() == process.uid() && target.ancestors().any(|above| above.id() == id)
}
