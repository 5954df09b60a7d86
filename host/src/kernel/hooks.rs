//! The table of probes: what each serves, the ways to have it, and what is lost without it.
use serde::{Deserialize, Serialize};
use vespid_ebpf::{CALLS, IO_URING, Kind, Slot};

use At::{Called, Entry, Return, Sockets, Tracepoint};

/// A probe as the programs define it.
pub(super) struct Hook {
    /// Name of the program that writes its records.
    pub(super) name: &'static str,
    /// Mask of the kinds that it serves.
    pub(super) serves: u32,
    /// The kind whose fields it cannot do without, [`IO_URING`] or [`CALLS`].
    pub(super) needs: u32,
    /// What is not seen without it.
    pub(super) loses: &'static str,
    /// The ways to have it, best first: the first that the kernel grants is taken.
    pub(super) variants: &'static [Variant],
}

/// Programs that together are a probe, that which writes the records first.
pub(super) struct Variant {
    pub(super) way: Way,
    pub(super) parts: &'static [Part],
    /// What the ways after it do not see; empty if they only go by other names on other kernels.
    pub(super) gains: &'static str,
}

/// How a probe comes to see something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// By what kernel functions are called with, besides tracepoints.
    #[default]
    Fentry,
    /// By tracepoints alone.
    Tracepoints,
    /// By what happens to the sockets of the control groups, for connections.
    SockOps,
}

impl Way {
    /// Its name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Way::Fentry => "fentry",
            Way::Tracepoints => "tracepoints",
            Way::SockOps => "sock_ops",
        }
    }
}

/// A program, and where it is attached.
pub(super) struct Part {
    pub(super) program: &'static str,
    pub(super) at: At,
}

/// A place in the kernel.
#[derive(Clone, Copy)]
pub(super) enum At {
    Tracepoint(&'static str),
    /// In a slot of the program [`CALLER`].
    Called(Slot),
    /// A function begins.
    Entry(&'static str),
    /// A function returns.
    Return(&'static str),
    /// The sockets of all control groups, from the root of the v2 hierarchy.
    Sockets,
}

impl At {
    /// As libbpf's section names have it.
    pub(super) fn text(self) -> String {
        match self {
            Tracepoint(name) => format!("tp_btf/{name}"),
            Called(_) => format!("called by {CALLER}"),
            Entry(function) => format!("fentry/{function}"),
            Return(function) => format!("fexit/{function}"),
            Sockets => "sock_ops".to_owned(),
        }
    }
}

const fn part(program: &'static str, at: At) -> Part {
    Part { program, at }
}

/// The program that runs when a system call has returned, and calls those that the call concerns.
pub(super) const CALLER: &str = "vespid_sys_exit";

macro_rules! by_tracepoint {
    ($program:literal, $tracepoint:literal) => {
        &[Variant {
            way: Way::Tracepoints,
            parts: &[part($program, Tracepoint($tracepoint))],
            gains: "",
        }]
    };
}

macro_rules! called {
    ($program:literal, $slot:ident) => {
        &[Variant {
            way: Way::Tracepoints,
            parts: &[part($program, Called(Slot::$slot))],
            gains: "",
        }]
    };
}

/// That which calls others comes before them.
pub(super) const HOOKS: [Hook; 13] = [
    Hook {
        name: "vespid_fork",
        serves: Kind::Fork.bit(),
        needs: Kind::Fork.bit(),
        loses: "the process tree",
        variants: by_tracepoint!("vespid_fork", "sched_process_fork"),
    },
    Hook {
        name: "vespid_exec",
        serves: Kind::Exec.bit(),
        needs: Kind::Exec.bit(),
        loses: "what processes run",
        variants: by_tracepoint!("vespid_exec", "sched_process_exec"),
    },
    Hook {
        name: "vespid_exit",
        serves: Kind::Exit.bit(),
        needs: Kind::Exit.bit(),
        loses: "the ends of processes",
        variants: by_tracepoint!("vespid_exit", "sched_process_exit"),
    },
    Hook {
        name: "vespid_tcp",
        serves: Kind::Connection.bit(),
        needs: Kind::Connection.bit(),
        loses: "TCP connections",
        variants: CONNECTIONS,
    },
    Hook {
        name: CALLER,
        // What those serve that it calls, if the kernel takes them.
        serves: 0,
        needs: CALLS,
        loses: "all that is seen when system calls return",
        variants: by_tracepoint!("vespid_sys_exit", "sys_exit"),
    },
    Hook {
        name: "vespid_open",
        serves: Kind::Open.bit(),
        needs: Kind::Open.bit(),
        loses: "file opens",
        variants: OPEN,
    },
    Hook {
        name: "vespid_failed_exec",
        serves: Kind::Exec.bit(),
        needs: CALLS,
        loses: "execs that failed",
        variants: called!("vespid_failed_exec", FailedExec),
    },
    Hook {
        name: "vespid_accept",
        serves: Kind::Connection.bit(),
        needs: CALLS | Kind::Connection.bit(),
        loses: "who accepted a connection",
        variants: called!("vespid_accept", Accept),
    },
    Hook {
        name: "vespid_io_uring",
        serves: Kind::Open.bit(),
        needs: IO_URING,
        loses: "file opens through io_uring",
        variants: IO_URING_OPENS,
    },
    Hook {
        name: "vespid_privileged",
        serves: Kind::Privileged.bit(),
        needs: Kind::Privileged.bit(),
        loses: "privileged calls",
        variants: called!("vespid_privileged", Privileged),
    },
    Hook {
        name: "vespid_change",
        serves: Kind::Change.bit(),
        needs: Kind::Change.bit(),
        loses: "changed names and attributes of files, and mounts",
        variants: CHANGE,
    },
    Hook {
        name: "vespid_socket",
        serves: Kind::Socket.bit(),
        needs: Kind::Socket.bit(),
        loses: "addresses bound and listened on, UDP peers, Unix sockets, DNS",
        variants: called!("vespid_socket", Socket),
    },
    Hook {
        name: "vespid_oom",
        serves: Kind::Resource.bit(),
        needs: Kind::Resource.bit(),
        loses: "processes killed for want of memory",
        variants: by_tracepoint!("vespid_oom", "mark_victim"),
    },
];

const CONNECTIONS: &[Variant] = &[
    Variant {
        way: Way::Tracepoints,
        parts: &[part("vespid_tcp", Tracepoint("inet_sock_set_state"))],
        gains: "connections that are older than the probe, and attempts that fail before anything is sent",
    },
    Variant {
        way: Way::SockOps,
        parts: &[part("vespid_sock_ops", Sockets)],
        gains: "",
    },
];

const OPEN: &[Variant] = &[
    Variant {
        way: Way::Fentry,
        parts: &[
            part("vespid_open", Called(Slot::Open)),
            part("vespid_opened", Entry("security_file_open")),
        ],
        gains: "what was opened, if another thread replaces the descriptor before the call returns",
    },
    Variant {
        way: Way::Tracepoints,
        parts: &[part("vespid_open", Called(Slot::Open))],
        gains: "",
    },
];

/// The tracepoint where requests begin has another name before Linux 6.4.
const IO_URING_OPENS: &[Variant] = &[
    Variant {
        way: Way::Tracepoints,
        parts: &[
            part("vespid_io_uring", Tracepoint("io_uring_complete")),
            part("vespid_io_begin", Tracepoint("io_uring_submit_req")),
        ],
        gains: "",
    },
    Variant {
        way: Way::Tracepoints,
        parts: &[
            part("vespid_io_uring", Tracepoint("io_uring_complete")),
            part("vespid_io_begin", Tracepoint("io_uring_submit_sqe")),
        ],
        gains: "",
    },
];

const CHANGE: &[Variant] = &[
    Variant {
        way: Way::Fentry,
        parts: &[
            part("vespid_change", Called(Slot::Change)),
            part("vespid_path_rename", Entry("security_path_rename")),
            part("vespid_path_link", Entry("security_path_link")),
            part("vespid_path_symlink", Entry("security_path_symlink")),
            part("vespid_path_unlink", Entry("security_path_unlink")),
            part("vespid_path_rmdir", Entry("security_path_rmdir")),
            part("vespid_path_mkdir", Entry("security_path_mkdir")),
            part("vespid_path_mknod", Entry("security_path_mknod")),
            part("vespid_path_truncate", Entry("security_path_truncate")),
            part("vespid_path_chmod", Entry("security_path_chmod")),
            part("vespid_path_chown", Entry("security_path_chown")),
            part("vespid_xattr_mount", Entry("mnt_want_write")),
            part("vespid_xattr_set", Entry("security_inode_setxattr")),
            part("vespid_xattr_remove", Entry("security_inode_removexattr")),
            part("vespid_mount", Entry("security_sb_mount")),
            part("vespid_mount_source", Return("kern_path")),
            part("vespid_move_mount", Entry("security_move_mount")),
            part("vespid_umount", Entry("security_sb_umount")),
        ],
        gains: "where links and mounts lead to in the paths of changes",
    },
    Variant {
        way: Way::Tracepoints,
        parts: &[part("vespid_change", Called(Slot::Change))],
        gains: "",
    },
];
