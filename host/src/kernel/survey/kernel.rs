//! The kernel, as it was built and started.
use std::fs;

use super::{Check, Topic};
use crate::kernel::btf::{self, VMLINUX};
use crate::kernel::load::{StartError, reason};

pub(super) fn all(release: &str, mounts: &str) -> Vec<Check> {
    let mut checks = vec![
        Check::good(Topic::Kernel, "kernel", release),
        types(),
        lockdown(),
        tracefs(mounts),
    ];
    checks.extend(compiler());
    checks
}

fn types() -> Check {
    const NAME: &str = "kernel types";
    match btf::read() {
        Ok(layout) => {
            let missing: Vec<&str> = layout.missing.iter().map(|missing| missing.what.as_str()).collect();
            let found = format!("{VMLINUX}, read in {} ms", layout.read_in.as_millis());
            if missing.is_empty() {
                return Check::good(Topic::Kernel, NAME, found);
            }
            let found = format!("{found}; {}", missing.join("; "));
            Check {
                usable: true,
                ..Check::bad(
                    Topic::Kernel,
                    NAME,
                    found,
                    "the details named",
                    "a newer kernel may have them",
                )
            }
        }
        Err(error) => Check::bad(
            Topic::Kernel,
            NAME,
            reason(&StartError::from(error)),
            "everything",
            "use a kernel built with CONFIG_DEBUG_INFO_BTF=y; in a container, mount /sys",
        ),
    }
}

fn lockdown() -> Check {
    const NAME: &str = "lockdown";
    // "none [integrity] confidentiality": the brackets mark the mode.
    match fs::read_to_string("/sys/kernel/security/lockdown") {
        Ok(modes) if modes.contains("[confidentiality]") => Check::bad(
            Topic::Kernel,
            NAME,
            "confidentiality: BPF programs may not read kernel memory",
            "everything",
            "boot with lockdown=integrity",
        ),
        Ok(modes) => Check::good(Topic::Kernel, NAME, modes.trim()),
        Err(_) => Check::good(Topic::Kernel, NAME, "none, or securityfs is not mounted here"),
    }
}

fn tracefs(mounts: &str) -> Check {
    let mounted = mounts.lines().any(|line| line.split(' ').nth(2) == Some("tracefs"));
    let found = if mounted {
        "mounted"
    } else {
        "not mounted, and not needed: probes attach by BTF"
    };
    Check::good(Topic::Kernel, "tracefs", found)
}

/// Without the just-in-time compiler programs are interpreted, at several times the cost.
fn compiler() -> Option<Check> {
    const NAME: &str = "BPF compiler";
    let enabled = fs::read_to_string("/proc/sys/net/core/bpf_jit_enable").ok()?;
    Some(match enabled.trim() {
        "0" => Check::note(
            Topic::Kernel,
            NAME,
            "off: programs are interpreted, and cost several times as much",
            "sysctl net.core.bpf_jit_enable=1",
        ),
        _ => Check::good(Topic::Kernel, NAME, "on"),
    })
}
