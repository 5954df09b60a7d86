//! What this node offers to Vespid: the answers of `vespid doctor`. Each probe is really loaded and attached for a
//! moment, as nothing else tells whether the kernel grants it.
use std::fs;

use serde::Serialize;

use super::attach::{Probe, State};
use super::btf::{self, VMLINUX};
use super::load::{missing_capabilities, reason};
use super::{Kernel, Settings};

/// Inode number of the initial pid namespace (`PROC_PID_INIT_INO` in include/linux/proc_ns.h).
const INITIAL_PID_NAMESPACE: &str = "pid:[4026531836]";

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: String,
    /// Whether it is as it should be.
    pub usable: bool,
    /// What was found.
    pub found: String,
    /// What is lost as it is; empty if nothing.
    pub lost: String,
    /// What can be done about it; empty if nothing has to be.
    pub remedy: String,
}

/// How control groups are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CgroupLayout {
    /// One hierarchy.
    V2,
    /// A v2 hierarchy without controllers beside v1 ones.
    Hybrid,
    /// A hierarchy for each controller.
    V1,
    /// None is mounted.
    Unmounted,
}

/// The whole picture.
#[derive(Clone, Debug, Serialize)]
pub struct Survey {
    /// Release of the kernel.
    pub release: String,
    /// Layout of the control groups.
    pub cgroups: CgroupLayout,
    /// Whether processes can be followed at all.
    pub usable: bool,
    /// Everything looked at, in the order it is needed.
    pub checks: Vec<Check>,
    /// Each probe; empty if none could be tried.
    pub probes: Vec<Probe>,
}

impl Check {
    fn good(name: &str, found: impl Into<String>) -> Check {
        Check {
            name: name.to_owned(),
            usable: true,
            found: found.into(),
            lost: String::new(),
            remedy: String::new(),
        }
    }

    fn bad(name: &str, found: impl Into<String>, lost: &str, remedy: &str) -> Check {
        Check {
            usable: false,
            lost: lost.to_owned(),
            remedy: remedy.to_owned(),
            ..Check::good(name, found)
        }
    }
}

/// Looks at everything.
#[must_use]
pub fn survey() -> Survey {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let cgroups = cgroup_layout(&mounts);
    let mut checks = vec![
        Check::good("kernel", release.clone()),
        types(),
        capabilities(),
        lockdown(),
        pid_namespace(),
        tracefs(&mounts),
        cgroup_check(cgroups),
        memlock(),
    ];
    let (probes, usable) = match Kernel::start(&Settings::default()) {
        Ok(kernel) => (kernel.probes().to_vec(), true),
        Err(error) => {
            let remedy = "see the checks above; without these probes only recordings can be replayed";
            checks.push(Check::bad("process tree", reason(&error), "everything", remedy));
            (Vec::new(), false)
        }
    };
    checks.extend(probes.iter().map(probe_check));
    Survey {
        release,
        cgroups,
        usable,
        checks,
        probes,
    }
}

fn probe_check(probe: &Probe) -> Check {
    match &probe.state {
        State::Attached | State::NotNeeded => granted(probe),
        State::Unavailable(why) => Check::bad(
            probe.name,
            format!("cannot run because {why}"),
            probe.loses,
            "a newer kernel may have it",
        ),
    }
}

/// A probe that runs, in one of the ways to have it.
fn granted(probe: &Probe) -> Check {
    let mut found = match probe.beside.as_slice() {
        [] => probe.hook.clone(),
        [beside] => format!("{} and {}", probe.hook, beside.hook),
        many => format!("{} and {} more by {}", probe.hook, many.len(), probe.variant.name()),
    };
    found += " attached";
    for passed_over in &probe.passed_over {
        let (way, why) = (passed_over.variant.name(), &passed_over.reason);
        found = format!("{found}; {way} was refused: {why}");
    }
    let lost: Vec<&str> = probe
        .passed_over
        .iter()
        .map(|passed_over| passed_over.loses.as_str())
        .collect();
    Check {
        lost: lost.join("; "),
        ..Check::good(probe.name, found)
    }
}

fn types() -> Check {
    match btf::read() {
        Ok(layout) => {
            let missing: Vec<&str> = layout.missing.iter().map(|missing| missing.what.as_str()).collect();
            let found = format!("{VMLINUX}, read in {} ms", layout.read_in.as_millis());
            if missing.is_empty() {
                Check::good("kernel types", found)
            } else {
                let found = format!("{found}; {}", missing.join("; "));
                Check {
                    lost: "the details named".to_owned(),
                    ..Check::good("kernel types", found)
                }
            }
        }
        Err(error) => Check::bad(
            "kernel types",
            reason(&error),
            "everything",
            "use a kernel built with CONFIG_DEBUG_INFO_BTF=y; in a container, mount /sys",
        ),
    }
}

fn capabilities() -> Check {
    let missing = missing_capabilities();
    if missing.is_empty() {
        return Check::good("capabilities", "may load BPF programs");
    }
    let remedy = "run as root, or grant them: setcap cap_bpf,cap_perfmon+ep, or AmbientCapabilities= in the unit";
    Check::bad(
        "capabilities",
        format!("missing {}", missing.join(" and ")),
        "everything",
        remedy,
    )
}

fn lockdown() -> Check {
    // "none [integrity] confidentiality": the brackets mark the mode.
    match fs::read_to_string("/sys/kernel/security/lockdown") {
        Ok(modes) if modes.contains("[confidentiality]") => Check::bad(
            "lockdown",
            "confidentiality: BPF programs may not read kernel memory",
            "everything",
            "boot with lockdown=integrity",
        ),
        Ok(modes) => Check::good("lockdown", modes.trim()),
        Err(_) => Check::good("lockdown", "none"),
    }
}

fn pid_namespace() -> Check {
    let found = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    if found.as_os_str() == INITIAL_PID_NAMESPACE {
        return Check::good("pid namespace", "the node's own");
    }
    Check::bad(
        "pid namespace",
        format!("{} is not the node's own", found.display()),
        "leaving out Vespid's own activity; processes known from before the start",
        "give the container the host's: `--pid=host`, or `hostPID: true`",
    )
}

fn tracefs(mounts: &str) -> Check {
    let mounted = mounts.lines().any(|line| line.split(' ').nth(2) == Some("tracefs"));
    Check::good(
        "tracefs",
        if mounted {
            "mounted"
        } else {
            "not mounted, and not needed: probes attach by BTF"
        },
    )
}

fn cgroup_check(layout: CgroupLayout) -> Check {
    match layout {
        CgroupLayout::V2 => Check::good("control groups", "v2"),
        CgroupLayout::Hybrid => Check::good("control groups", "v1 and v2 (hybrid)"),
        CgroupLayout::V1 => Check::good("control groups", "v1"),
        CgroupLayout::Unmounted => Check::bad(
            "control groups",
            "none mounted here",
            "the containers of processes known from before the start",
            "mount /sys/fs/cgroup; in a container, from the host",
        ),
    }
}

fn memlock() -> Check {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Memlock).current;
    let limit = limit.map_or_else(|| "unlimited".to_owned(), |bytes| format!("{bytes} bytes"));
    Check::good(
        "locked memory",
        format!("limit {limit}; Linux 5.11 and later do not charge BPF to it"),
    )
}

/// Tells the layout from the mount table.
fn cgroup_layout(mounts: &str) -> CgroupLayout {
    let has = |kind| mounts.lines().any(|line| line.split(' ').nth(2) == Some(kind));
    match (has("cgroup"), has("cgroup2")) {
        (false, true) => CgroupLayout::V2,
        (true, true) => CgroupLayout::Hybrid,
        (true, false) => CgroupLayout::V1,
        (false, false) => CgroupLayout::Unmounted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_told_from_the_mounts() {
        let v2 = "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n";
        let v1 = "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n";
        assert_eq!(cgroup_layout(v2), CgroupLayout::V2);
        assert_eq!(cgroup_layout(v1), CgroupLayout::V1);
        assert_eq!(cgroup_layout(&format!("{v1}{v2}")), CgroupLayout::Hybrid);
        assert_eq!(cgroup_layout("proc /proc proc rw 0 0\n"), CgroupLayout::Unmounted);
    }
}
