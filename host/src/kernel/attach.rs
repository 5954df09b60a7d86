//! The probes: what each hooks into, what it serves, and what is lost without it.
use std::fs::File;

use aya::programs::links::FdLink;
use aya::programs::{BtfTracePoint, CgroupAttachMode, Program, ProgramError, SockOps};
use aya::{Btf, Ebpf};
use serde::{Deserialize, Serialize};
use vespid_ebpf::Kind;

use super::btf::{Layout, VMLINUX};
use super::cgroups;
use super::load::{StartError, program_reason, reason};

/// A probe as the programs define it.
struct Hook {
    program: &'static str,
    place: Place,
    /// Mask of the kinds that it serves.
    serves: u32,
    /// The kind whose fields it cannot do without.
    needs: u32,
    loses: &'static str,
}

/// What a program hooks into.
#[derive(Clone, Copy)]
enum Place {
    /// A tracepoint whose arguments have types.
    Tracepoint(&'static str),
    /// The sockets of all control groups, from the root of the v2 hierarchy.
    Sockets,
}

/// By which of two probes connections are followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionProbe {
    /// The tracepoint, or, where that is not to be had, `sock_ops`.
    #[default]
    Auto,
    /// The tracepoint `inet_sock_set_state`.
    Tracepoint,
    /// A program on the sockets of the control groups.
    SockOps,
}

const BY_TRACEPOINT: &str = "vespid_tcp";
const BY_SOCK_OPS: &str = "vespid_sock_ops";

const HOOKS: [Hook; 10] = [
    Hook {
        program: "vespid_fork",
        place: Place::Tracepoint("sched_process_fork"),
        serves: Kind::Fork.bit(),
        needs: Kind::Fork.bit(),
        loses: "the process tree",
    },
    Hook {
        program: "vespid_exec",
        place: Place::Tracepoint("sched_process_exec"),
        serves: Kind::Exec.bit(),
        needs: Kind::Exec.bit(),
        loses: "what processes run",
    },
    Hook {
        program: "vespid_exit",
        place: Place::Tracepoint("sched_process_exit"),
        serves: Kind::Exit.bit(),
        needs: Kind::Exit.bit(),
        loses: "the ends of processes",
    },
    Hook {
        program: BY_TRACEPOINT,
        place: Place::Tracepoint("inet_sock_set_state"),
        serves: Kind::Connection.bit(),
        needs: Kind::Connection.bit(),
        loses: "TCP connections",
    },
    Hook {
        program: BY_SOCK_OPS,
        place: Place::Sockets,
        serves: Kind::Connection.bit(),
        needs: Kind::Connection.bit(),
        loses: "TCP connections",
    },
    Hook {
        program: "vespid_sys_exit",
        place: Place::Tracepoint("sys_exit"),
        serves: Kind::Open.bit() | Kind::Exec.bit() | Kind::Connection.bit(),
        needs: Kind::Open.bit(),
        loses: "file opens, failed execs, and who accepted a connection",
    },
    Hook {
        program: "vespid_privileged",
        place: Place::Tracepoint("sys_exit"),
        serves: Kind::Privileged.bit(),
        needs: Kind::Privileged.bit(),
        loses: "privileged calls",
    },
    Hook {
        program: "vespid_change",
        place: Place::Tracepoint("sys_exit"),
        serves: Kind::Change.bit(),
        needs: Kind::Change.bit(),
        loses: "changed names and attributes of files, and mounts",
    },
    Hook {
        program: "vespid_socket",
        place: Place::Tracepoint("sys_exit"),
        serves: Kind::Socket.bit(),
        needs: Kind::Socket.bit(),
        loses: "addresses bound and listened on, UDP peers, Unix sockets, DNS",
    },
    Hook {
        program: "vespid_oom",
        place: Place::Tracepoint("mark_victim"),
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
            State::Attached | State::NotNeeded | State::Spare => None,
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
    /// Another one sees the same.
    Spare,
    /// It cannot run, because of this.
    Unavailable(String),
}

/// A probe whose program the kernel has verified, or refused.
pub(super) struct Loaded {
    hook: &'static Hook,
    /// Why its program cannot run on this kernel.
    refused: Option<String>,
    /// Whether another one runs in its place.
    is_spare: bool,
    /// The root of the control groups, if it hooks in there.
    root: Option<File>,
    /// What its program is attached by. Closing it detaches.
    link: Option<FdLink>,
}

impl Loaded {
    /// Has the kernel verify the programs of all probes that it can run. None is attached yet.
    pub(super) fn all(
        programs: &mut Ebpf,
        layout: &Layout,
        connections: ConnectionProbe,
    ) -> Result<Vec<Loaded>, StartError> {
        let types = Btf::from_sys_fs().map_err(|error| StartError::UnreadableBtf(reason(&error)))?;
        let mut all: Vec<Loaded> = Vec::new();
        for hook in &HOOKS {
            let is_spare = match (hook.program, connections) {
                (BY_TRACEPOINT, ConnectionProbe::SockOps) | (BY_SOCK_OPS, ConnectionProbe::Tracepoint) => true,
                (BY_SOCK_OPS, ConnectionProbe::Auto) => !all
                    .iter()
                    .any(|earlier| earlier.hook.program == BY_TRACEPOINT && earlier.refused.is_some()),
                _ => false,
            };
            let mut loaded = Loaded {
                hook,
                refused: layout.obstacle(hook.needs).map(str::to_owned),
                is_spare,
                root: None,
                link: None,
            };
            if loaded.refused.is_none() && !is_spare {
                loaded.refused = loaded.load(programs, &types).err();
            }
            all.push(loaded);
        }
        let stands_in = |one: &Loaded| one.hook.program == BY_SOCK_OPS && !one.is_spare && one.refused.is_none();
        let is_spare = all.iter().any(stands_in);
        all.iter_mut()
            .filter(|one| one.hook.program == BY_TRACEPOINT)
            .for_each(|one| one.is_spare = is_spare);
        Ok(all)
    }

    /// Has the kernel verify its program.
    fn load(&mut self, programs: &mut Ebpf, types: &Btf) -> Result<(), String> {
        let loaded = match self.hook.place {
            Place::Tracepoint(tracepoint) => {
                program::<BtfTracePoint>(programs, self.hook).and_then(|program| program.load(tracepoint, types))
            }
            Place::Sockets => {
                self.root = Some(cgroups::root()?);
                program::<SockOps>(programs, self.hook).and_then(SockOps::load)
            }
        };
        loaded.map_err(|error| match (error, self.hook.place) {
            (ProgramError::Btf(_), Place::Tracepoint(name)) => {
                format!("this kernel has no tracepoint {name} (none in {VMLINUX})")
            }
            (error, _) => program_reason(&error),
        })
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
            hook: match self.hook.place {
                Place::Tracepoint(name) => format!("tp_btf/{name}"),
                Place::Sockets => "sock_ops".to_owned(),
            },
            state: State::NotNeeded,
            loses: if self.is_spare {
                "nothing, as another probe sees the same"
            } else {
                self.hook.loses
            },
            link: None,
        }
    }

    /// Attaches or detaches the probe, or leaves it as it is. `asked` may hold kinds beyond `deliverable`, which this
    /// kernel has not.
    pub(super) fn want(&mut self, programs: &mut Ebpf, asked: u32, deliverable: u32) -> State {
        let always = self.carries_the_tree();
        if self.is_spare {
            return self.refused.clone().map_or(State::Spare, State::Unavailable);
        }
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
            match self.attach(programs) {
                Ok(link) => self.link = Some(link),
                Err(error) => return State::Unavailable(program_reason(&error)),
            }
        }
        State::Attached
    }

    fn attach(&self, programs: &mut Ebpf) -> Result<FdLink, ProgramError> {
        match &self.root {
            None => {
                let program = program::<BtfTracePoint>(programs, self.hook)?;
                let link = program.attach()?;
                program.take_link(link).map(FdLink::from)
            }
            Some(root) => {
                let program = program::<SockOps>(programs, self.hook)?;
                // Beside whatever else is attached there: a link never replaces, and never keeps others out.
                let link = program.attach(root, CgroupAttachMode::Single)?;
                // Since Linux 5.7 it is one.
                program
                    .take_link(link)?
                    .try_into()
                    .map_err(|_| ProgramError::NotAttached)
            }
        }
    }
}

fn program<'a, P>(programs: &'a mut Ebpf, hook: &Hook) -> Result<&'a mut P, ProgramError>
where
    &'a mut P: TryFrom<&'a mut Program, Error = ProgramError>,
{
    let program = programs.program_mut(hook.program).ok_or(ProgramError::NotLoaded)?;
    <&mut P>::try_from(program)
}
