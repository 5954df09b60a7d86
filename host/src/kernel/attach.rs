//! The probes: what each hooks into, what it serves, and what is lost without it.
use aya::programs::{BtfTracePoint, ProgramError};
use aya::{Btf, Ebpf};
use serde::Serialize;
use vespid_ebpf::Kind;

use super::btf::{Layout, VMLINUX};
use super::load::{StartError, TREE, program_reason, reason};

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

const HOOKS: [Hook; 5] = [
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", content = "reason", rename_all = "snake_case")]
pub enum State {
    /// It is attached.
    Attached,
    /// Nobody asked for what it sees.
    NotNeeded,
    /// It cannot run, because of this.
    Unavailable(String),
}

/// Attaches what `wanted` needs of the programs. `asked` may hold more kinds, which this kernel cannot deliver.
pub(super) fn attach(programs: &mut Ebpf, asked: u32, wanted: u32, layout: &Layout) -> Result<Vec<Probe>, StartError> {
    let types = Btf::from_sys_fs().map_err(|error| StartError::UnreadableBtf(reason(&error)))?;
    let mut probes = Vec::with_capacity(HOOKS.len());
    for hook in &HOOKS {
        let state = if hook.serves & asked == 0 {
            State::NotNeeded
        } else if let Some(obstacle) = layout.obstacle(hook.needs) {
            State::Unavailable(obstacle.to_owned())
        } else if hook.serves & wanted == 0 {
            State::NotNeeded
        } else {
            attach_one(programs, hook, &types)
        };
        if let State::Unavailable(reason) = &state
            && hook.needs & TREE != 0
        {
            return Err(StartError::Probe {
                probe: hook.program,
                reason: reason.clone(),
            });
        }
        let hook_name = format!("tp_btf/{}", hook.tracepoint);
        probes.push(Probe {
            name: hook.program,
            hook: hook_name,
            state,
            loses: hook.loses,
        });
    }
    Ok(probes)
}

fn attach_one(programs: &mut Ebpf, hook: &Hook, types: &Btf) -> State {
    let attached = (|| {
        let program = programs.program_mut(hook.program).ok_or(ProgramError::NotLoaded)?;
        let program: &mut BtfTracePoint = program.try_into()?;
        program.load(hook.tracepoint, types)?;
        program.attach()
    })();
    match attached {
        Ok(_) => State::Attached,
        Err(ProgramError::Btf(_)) => State::Unavailable(format!(
            "this kernel has no tracepoint {} (none in {VMLINUX})",
            hook.tracepoint
        )),
        Err(error) => State::Unavailable(program_reason(&error)),
    }
}
