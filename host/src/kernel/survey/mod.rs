//! What this node offers to Vespid: the answers of `vespid doctor`. What the kernel grants is tried, as nothing else
//! tells: each type of program is loaded, and each probe attached for a moment.
mod calls;
mod cgroups;
mod clock;
mod config;
mod kernel;
mod memory;
mod permissions;
mod probes;
mod programs;
mod runtimes;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde::Serialize;

use super::attach::Probe;

pub use cgroups::CgroupLayout;

/// What a check is about. The order is that in which it is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// The kernel itself, as it was built and started.
    Kernel,
    /// What this process may do.
    Permissions,
    /// Types of programs, of which the kernel may refuse each.
    Programs,
    /// The probes, which need some of these.
    Probes,
    /// What is around: control groups, memory, clock, container runtimes.
    Node,
}

/// What a check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Fine,
    /// Not as it could be; a detail is lost by it at most.
    Note,
    /// Something is lost.
    Loss,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: String,
    /// What it is about.
    pub topic: Topic,
    /// What it came to.
    pub level: Level,
    /// Whether it is there, and can be used.
    pub usable: bool,
    /// What was found.
    pub found: String,
    /// What it costs where it runs; empty if that is no question.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub cost: &'static str,
    /// What is lost as it is; empty if nothing.
    pub lost: String,
    /// What can be done about it; empty if nothing has to be.
    pub remedy: String,
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
    /// Everything looked at, by topic.
    pub checks: Vec<Check>,
    /// Each probe; empty if none could be tried.
    pub probes: Vec<Probe>,
    /// Options of the kernel's configuration that matter, and `y`, `m` or `n`; empty if it is not shown.
    pub config: BTreeMap<&'static str, String>,
}

impl Check {
    fn good(topic: Topic, name: &str, found: impl Into<String>) -> Check {
        Check {
            name: name.to_owned(),
            topic,
            level: Level::Fine,
            usable: true,
            found: found.into(),
            cost: "",
            lost: String::new(),
            remedy: String::new(),
        }
    }

    /// Nothing is lost, and yet somebody may want to know.
    fn note(topic: Topic, name: &str, found: impl Into<String>, remedy: &str) -> Check {
        Check {
            level: Level::Note,
            remedy: remedy.to_owned(),
            ..Check::good(topic, name, found)
        }
    }

    fn bad(topic: Topic, name: &str, found: impl Into<String>, lost: &str, remedy: &str) -> Check {
        Check {
            level: Level::Loss,
            usable: false,
            lost: lost.to_owned(),
            remedy: remedy.to_owned(),
            ..Check::good(topic, name, found)
        }
    }
}

/// Looks at everything. `sockets` are those of container runtimes that would be asked.
#[must_use]
pub fn survey(sockets: &[PathBuf]) -> Survey {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let config = config::read(&release);
    let (probes, usable, tried) = probes::all();
    let mut checks = kernel::all(&release, &mounts);
    checks.push(config::check(&config));
    checks.extend(permissions::all());
    checks.extend(programs::all());
    checks.extend(tried);
    checks.push(cgroups::check(&mounts));
    checks.extend(memory::all(&mounts));
    checks.extend(clock::all());
    checks.extend(runtimes::all(sockets));
    checks.sort_by_key(|check| check.topic);
    Survey {
        release,
        cgroups: cgroups::layout(&mounts),
        usable,
        checks,
        probes,
        config,
    }
}
