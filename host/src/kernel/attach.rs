//! The probes: what each hooks into, what it serves, and what is lost without it.
use aya::programs::links::FdLink;
use aya::programs::{BtfTracePoint, ProgramError};
use aya::{Btf, Ebpf};
use serde::{Deserialize, Serialize};
use vespid_ebpf::Kind;

use super::btf::{Layout, VMLINUX};
use super::load::{StartError, program_reason, reason};

/// A probe as the programs define it.
struct Hook {
    program: &'static str,
    tracepoint: &'static str,
    /// Mask of the kinds that it serves.
    serves: u32,
    /// The kind whose fields it cannot do without.
    needs: u32,
    loses: &'static str,
}

const HOOKS: [Hook; 9] = [
    Hook {
        program: "vespid_fork",
        tracepoint: "sched_process_fork",
        serves: Kind::Fork.bit(),
        needs: Kind::Fork.bit(),
        loses: "the process tree",
    },
    Hook {
        program: "vespid_exec",
        tracepoint: "sched_process_exec",
        serves: Kind::Exec.bit(),
        needs: Kind::Exec.bit(),
        loses: "what processes run",
    },
    Hook {
        program: "vespid_exit",
        tracepoint: "sched_process_exit",
        serves: Kind::Exit.bit(),
        needs: Kind::Exit.bit(),
        loses: "the ends of processes",
    },
    Hook {
        program: "vespid_tcp",
        tracepoint: "inet_sock_set_state",
        serves: Kind::Connection.bit(),
        needs: Kind::Connection.bit(),
        loses: "TCP connections",
    },
    Hook {
        program: "vespid_sys_exit",
        tracepoint: "sys_exit",
        serves: Kind::Open.bit() | Kind::Exec.bit() | Kind::Connection.bit(),
        needs: Kind::Open.bit(),
        loses: "file opens, failed execs, and who accepted a connection",
    },
    Hook {
        program: "vespid_privileged",
        tracepoint: "sys_exit",
        serves: Kind::Privileged.bit(),
        needs: Kind::Privileged.bit(),
        loses: "privileged calls",
    },
    Hook {
        program: "vespid_change",
        tracepoint: "sys_exit",
        serves: Kind::Change.bit(),
        needs: Kind::Change.bit(),
        loses: "changed names and attributes of files, and mounts",
    },
    Hook {
        program: "vespid_socket",
        tracepoint: "sys_exit",
        serves: Kind::Socket.bit(),
        needs: Kind::Socket.bit(),
        loses: "addresses bound and listened on, UDP peers, Unix sockets, DNS",
    },
    Hook {
        program: "vespid_oom",
        tracepoint: "mark_victim",
        serves: Kind::Resource.bit(),
        needs: Kind::Resource.bit(),
        loses: "processes killed for want of memory",
    },
];

/// One probe and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Probe {
    /// Name of the program, as `bpftool prog` shows it.
    pub name: &'static str,
    /// What it hooks into.
    pub hook: String,
    /// Whether it runs.
    #[serde(flatten)]
    pub state: State,
    /// What is not seen without it.
    pub loses: &'static str,
    /// What attaches it, by its id in the kernel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<u32>,
}

impl Probe {
    /// Why it cannot run, if it was asked for and cannot.
    #[must_use]
    pub fn unavailable(&self) -> Option<&str> {
        match &self.state {
            State::Unavailable(why) => Some(why),
            State::Attached | State::NotNeeded => None,
        }
    }
}

/// Whether a probe runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", content = "reason", rename_all = "snake_case")]
pub enum State {
    /// It is attached.
    Attached,
    /// Nobody asked for what it sees.
    NotNeeded,
    /// It cannot run, because of this.
    Unavailable(String),
}

/// A probe whose program the kernel has verified, or refused.
pub(super) struct Loaded {
    hook: &'static Hook,
    /// Why its program cannot run on this kernel.
    refused: Option<String>,
    /// What its program is attached by. Closing it detaches.
    link: Option<FdLink>,
}

impl Loaded {
    /// Has the kernel verify the programs of all probes that it can run. None is attached yet.
    pub(super) fn all(programs: &mut Ebpf, layout: &Layout) -> Result<Vec<Loaded>, StartError> {
        let types = Btf::from_sys_fs().map_err(|error| StartError::UnreadableBtf(reason(&error)))?;
        let loaded = HOOKS.iter().map(|hook| {
            let obstacle = layout.obstacle(hook.needs).map(str::to_owned);
            Loaded {
                hook,
                refused: obstacle.or_else(|| load(programs, hook, &types).err()),
                link: None,
            }
        });
        Ok(loaded.collect())
    }

    /// Whether no event can be told whose it is without it: then it always runs.
    pub(super) fn carries_the_tree(&self) -> bool {
        self.hook.needs & Kind::TREE != 0
    }

    /// What attaches it, by its id in the kernel.
    pub(super) fn link_id(&self) -> Option<u32> {
        Some(self.link.as_ref()?.info().ok()?.id())
    }

    /// The probe, before anybody asked for it.
    pub(super) fn probe(&self) -> Probe {
        Probe {
            name: self.hook.program,
            hook: format!("tp_btf/{}", self.hook.tracepoint),
            state: State::NotNeeded,
            loses: self.hook.loses,
            link: None,
        }
    }

    /// Attaches or detaches the probe, or leaves it as it is. `asked` may hold kinds beyond `deliverable`, which this
    /// kernel has not.
    pub(super) fn want(&mut self, programs: &mut Ebpf, asked: u32, deliverable: u32) -> State {
        let always = self.carries_the_tree();
        if let Some(reason) = self
            .refused
            .as_ref()
            .filter(|_| always || self.hook.serves & asked != 0)
        {
            return State::Unavailable(reason.clone());
        }
        if !always && self.hook.serves & asked & deliverable == 0 {
            self.link = None;
            return State::NotNeeded;
        }
        if self.link.is_none() {
            match attach(programs, self.hook) {
                Ok(link) => self.link = Some(link),
                Err(error) => return State::Unavailable(program_reason(&error)),
            }
        }
        State::Attached
    }
}

fn load(programs: &mut Ebpf, hook: &Hook, types: &Btf) -> Result<(), String> {
    let loaded = program(programs, hook).and_then(|program| program.load(hook.tracepoint, types));
    loaded.map_err(|error| match error {
        ProgramError::Btf(_) => format!("this kernel has no tracepoint {} (none in {VMLINUX})", hook.tracepoint),
        error => program_reason(&error),
    })
}

fn attach(programs: &mut Ebpf, hook: &Hook) -> Result<FdLink, ProgramError> {
    let program = program(programs, hook)?;
    let link = program.attach()?;
    program.take_link(link).map(FdLink::from)
}

fn program<'a>(programs: &'a mut Ebpf, hook: &Hook) -> Result<&'a mut BtfTracePoint, ProgramError> {
    programs
        .program_mut(hook.program)
        .ok_or(ProgramError::NotLoaded)?
        .try_into()
}
