//! Where the running kernel keeps what the programs read.
//!
//! Rust's BPF target emits no CO-RE relocations, and field offsets differ between kernels, so the daemon looks each one
//! up in the kernel's own BTF and hands them over as read-only data before the programs are loaded. The table below is
//! both the layout of that data and the list of what to look up.
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::Kind;

/// Layout version of [`Offsets`].
pub const OFFSETS_VERSION: u32 = 4;

/// Value of a field that the running kernel does not have.
pub const ABSENT: u32 = u32::MAX;

/// One field to look up.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// `struct.member`, members of anonymous structures and unions included; the first that exists is taken.
    pub paths: &'static [&'static str],
    /// Mask of the kinds ([`Kind::bit`]) that cannot be produced without it, [`IO_URING`] or [`CALLS`]; 0 if only a detail would be
    /// missing.
    pub needed_by: u32,
}

/// Fields whose names only older or newer kernels have are listed with their alternatives.
macro_rules! offsets {
    ($($needed:ident { $($name:ident = $($path:literal)|+;)* })*) => {
        /// Byte offsets of kernel structure fields, [`ABSENT`] where the running kernel has none.
        #[repr(C)]
        #[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
        pub struct Offsets {
            $($(#[doc = concat!($("`", $path, "` "),+)] pub $name: u32,)*)*
            /// Offset in `css_set` of the pointer to the task's state in a cgroup v1 controller that is mounted.
            pub css_v1: u32,
            /// 1 if `sched_process_exit` says whether the last thread ended (since 6.16).
            pub exit_says_group_dead: u32,
            /// Bit of `sock.sk_flags` that is set once the peer's FIN arrived (`SOCK_DONE`).
            pub sock_done: u32,
            /// 1 if `mark_victim` says which task is killed, and not only which id it has (since 6.9).
            pub oom_says_task: u32,
            /// Offset in `mm_struct` of the first counter of resident pages.
            pub rss_first: u32,
            /// From one of these counters to the next.
            pub rss_stride: u32,
            /// Size of `struct inode`, behind which a file of an overlay keeps its entry in the upper layer.
            pub inode_size: u32,
            /// [`OFFSETS_VERSION`].
            pub version: u32,
            /// What is told to the verifier.
            pub types: TypeIds,
        }

        impl Offsets {
            /// Nothing known yet.
            pub const UNKNOWN: Offsets = Offsets {
                $($($name: ABSENT,)*)*
                css_v1: ABSENT,
                exit_says_group_dead: 0,
                sock_done: ABSENT,
                oom_says_task: 0,
                rss_first: ABSENT,
                rss_stride: ABSENT,
                inode_size: ABSENT,
                version: OFFSETS_VERSION,
                types: TypeIds::UNKNOWN,
            };
        }

        /// What to look up, in the order of the members of [`Offsets`].
        pub const FIELDS: &[Field] = &[$($(Field { paths: &[$($path),+], needed_by: $needed },)*)*];
    };
}

/// Structures that are read by plain loads, where the kernel lets the programs say what is at an address: see [`CAST`].
macro_rules! type_ids {
    ($($name:ident = $structure:literal;)*) => {
        /// Ids of types in the kernel's BTF, [`ABSENT`] for one that it has not, or all of them if it takes nobody's word.
        #[repr(C)]
        #[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
        pub struct TypeIds {
            $(#[doc = concat!("`", $structure, "`")] pub $name: u32,)*
        }

        impl TypeIds {
            /// None is known.
            pub const UNKNOWN: TypeIds = TypeIds {
                $($name: ABSENT,)*
            };

            /// Looks each up by its name.
            pub fn find(id: impl Fn(&str) -> Option<u32>) -> TypeIds {
                TypeIds {
                    $($name: id($structure).unwrap_or(ABSENT),)*
                }
            }
        }
    };
}

type_ids! {
    file = "file";
    inode = "inode";
    io_kiocb = "io_kiocb";
    mnt_namespace = "mnt_namespace";
    net = "net";
    inet_sock = "inet_sock";
    sock = "sock";
    task_struct = "task_struct";
    // Begins with a word that is no pointer.
    word = "timespec64";
}

/// Stands in the programs for `bpf_rdonly_cast`, a function of the kernel's (since 6.2) that takes an address and the id of
/// a type, and has the verifier believe that this is what is there. Nothing else comes of it, so where there is no such
/// function a move of the register does.
pub const CAST: u32 = 0x7fc0_ca57;

/// Beside the bits of kinds: what opens through `io_uring` cannot be seen without.
pub const IO_URING: u32 = 1 << 31;
/// Likewise, what no returned system call can be seen without.
pub const CALLS: u32 = 1 << 30;

const DETAIL: u32 = 0;
const EVERY: u32 = Kind::Fork.bit()
    | Kind::Exec.bit()
    | Kind::Exit.bit()
    | CONNECTION
    | OPEN
    | PRIVILEGED
    | CHANGE
    | SOCKET
    | RESOURCE;
const EXEC: u32 = Kind::Exec.bit();
const EXIT: u32 = Kind::Exit.bit();
const CONNECTION: u32 = Kind::Connection.bit();
const OPEN: u32 = Kind::Open.bit();
const PRIVILEGED: u32 = Kind::Privileged.bit();
const CHANGE: u32 = Kind::Change.bit();
const SOCKET: u32 = Kind::Socket.bit();
const RESOURCE: u32 = Kind::Resource.bit();
/// Whose records have paths.
const PATHS: u32 = EXEC | OPEN | PRIVILEGED | CHANGE;
/// Which look at descriptors.
const DESCRIPTORS: u32 = CONNECTION | OPEN | PRIVILEGED | CHANGE | SOCKET;
/// Which look at files.
const FILES: u32 = OPEN | PRIVILEGED;
/// Which look at inodes.
const INODES: u32 = PATHS | SOCKET;
/// Which look at the ends of connections.
const ENDS: u32 = CONNECTION | SOCKET;
/// Which look at sockets.
const SOCKETS: u32 = CONNECTION | PRIVILEGED | SOCKET;
/// What the programs that run when system calls return cannot do without.
const SYSCALL: u32 = CALLS | OPEN | PRIVILEGED | CHANGE | SOCKET;

offsets! {
    EVERY {
        task_tgid = "task_struct.tgid";
        task_pid = "task_struct.pid";
        task_group_leader = "task_struct.group_leader";
        task_start = "task_struct.start_boottime" | "task_struct.real_start_time";
        task_real_cred = "task_struct.real_cred";
        cred_uid = "cred.uid";
        cred_gid = "cred.gid";
    }
    DETAIL {
        css_cgroup = "cgroup_subsys_state.cgroup";
        kn_name = "kernfs_node.name";
        task_loginuid = "task_struct.loginuid";
        task_sessionid = "task_struct.sessionid";
        signal_tty = "signal_struct.tty";
        tty_name = "tty_struct.name";
        cred_cap_effective = "cred.cap_effective";
        cred_user_ns = "cred.user_ns";
        task_thread_pid = "task_struct.thread_pid";
        pid_level = "pid.level";
        pid_numbers = "pid.numbers";
        pid_tasks = "pid.tasks";
        upid_nr = "upid.nr";
        upid_ns = "upid.ns";
        task_pid_links = "task_struct.pid_links";
        hlist_first = "hlist_head.first";
        pid_ns_tree = "pid_namespace.idr.idr_rt.xa_head";
        xa_node_shift = "xa_node.shift";
        xa_node_slots = "xa_node.slots";
        xa_node_marks = "xa_node.marks" | "xa_node.tags";
        task_nsproxy = "task_struct.nsproxy";
        nsproxy_cgroup = "nsproxy.cgroup_ns";
        nsproxy_ipc = "nsproxy.ipc_ns";
        nsproxy_mnt = "nsproxy.mnt_ns";
        nsproxy_net = "nsproxy.net_ns";
        nsproxy_time = "nsproxy.time_ns";
        nsproxy_uts = "nsproxy.uts_ns";
        cgroup_ns_inum = "cgroup_namespace.ns.inum";
        ipc_ns_inum = "ipc_namespace.ns.inum";
        mnt_ns_inum = "mnt_namespace.ns.inum";
        net_inum = "net.ns.inum";
        pid_ns_inum = "pid_namespace.ns.inum";
        time_ns_inum = "time_namespace.ns.inum";
        user_ns_inum = "user_namespace.ns.inum";
        uts_ns_inum = "uts_namespace.ns.inum";
        inode_nlink = "inode.i_nlink" | "inode.__i_nlink";
        file_mode = "file.f_mode";
        task_images = "task_struct.self_exec_id";
        dentry_inode = "dentry.d_inode";
        inode_private = "inode.i_private";
        inode_sb = "inode.i_sb";
        sb_magic = "super_block.s_magic";
        ns_type = "ns_common.ns_type";
        ns_ops = "ns_common.ops";
        ns_ops_type = "proc_ns_operations.type";
        skc_net = "sock_common.skc_net";
        skc_v6_daddr = "sock_common.skc_v6_daddr";
        skc_v6_rcv_saddr = "sock_common.skc_v6_rcv_saddr";
        skc_flags = "sock_common.skc_flags";
        unix_addr = "unix_sock.addr";
        unix_address_len = "unix_address.len";
        unix_address_name = "unix_address.name";
        skc_state = "sock_common.skc_state";
        tcp_snd_una = "tcp_sock.snd_una";
        tcp_rcv_nxt = "tcp_sock.rcv_nxt";
        tcp_bytes_acked = "tcp_sock.bytes_acked";
        tcp_bytes_sent = "tcp_sock.bytes_sent";
        tcp_bytes_retrans = "tcp_sock.bytes_retrans";
        tcp_bytes_received = "tcp_sock.bytes_received";
        tcp_srtt = "tcp_sock.srtt_us";
        tcp_total_retrans = "tcp_sock.total_retrans";
    }
    EXEC {
        task_real_parent = "task_struct.real_parent";
        task_comm = "task_struct.comm";
        task_mm = "task_struct.mm";
        cred_euid = "cred.euid";
        cred_egid = "cred.egid";
        mm_arg_start = "mm_struct.arg_start";
        mm_arg_end = "mm_struct.arg_end";
        mm_exe_file = "mm_struct.exe_file";
        bprm_filename = "linux_binprm.filename";
    }
    EXIT {
        task_signal = "task_struct.signal";
        task_exit_code = "task_struct.exit_code";
        signal_live = "signal_struct.live";
        signal_flags = "signal_struct.flags";
        signal_group_exit_code = "signal_struct.group_exit_code";
    }
    PATHS {
        task_fs = "task_struct.fs";
        fs_root = "fs_struct.root";
        fs_pwd = "fs_struct.pwd";
        file_path = "file.f_path";
        dentry_parent = "dentry.d_parent";
        vfsmount_root = "vfsmount.mnt_root";
        mount_mnt = "mount.mnt";
        mount_parent = "mount.mnt_parent";
        mount_mountpoint = "mount.mnt_mountpoint";
    }
    SYSCALL {
        task_status = "task_struct.thread_info.status";
        regs_orig_ax = "pt_regs.orig_ax";
        regs_ip = "pt_regs.ip";
        regs_di = "pt_regs.di";
        regs_si = "pt_regs.si";
        regs_dx = "pt_regs.dx";
        regs_r10 = "pt_regs.r10";
        regs_r8 = "pt_regs.r8";
        regs_r9 = "pt_regs.r9";
        regs_bp = "pt_regs.bp";
        regs_bx = "pt_regs.bx";
        regs_cx = "pt_regs.cx";
    }
    DESCRIPTORS {
        task_files = "task_struct.files";
        files_fdt = "files_struct.fdt";
        fdt_fd = "fdtable.fd";
        fdt_max_fds = "fdtable.max_fds";
    }
    INODES {
        file_inode = "file.f_inode";
    }
    FILES {
        inode_mode = "inode.i_mode";
    }
    SOCKETS {
        file_private = "file.private_data";
        socket_sk = "socket.sk";
        skc_family = "sock_common.skc_family";
        skc_daddr = "sock_common.skc_daddr";
        skc_dport = "sock_common.skc_dport";
    }
    ENDS {
        sk_protocol = "sock.sk_protocol";
        skc_rcv_saddr = "sock_common.skc_rcv_saddr";
        inet_sport = "inet_sock.inet_sport";
    }
    CONNECTION {
        sk_err = "sock.sk_err";
        skc_cookie = "sock_common.skc_cookie";
    }
    RESOURCE {
        task_cgroups = "task_struct.cgroups";
        css_dfl_cgrp = "css_set.dfl_cgrp";
        cgroup_kn = "cgroup.kn";
        kn_id = "kernfs_node.id";
        kn_parent = "kernfs_node.__parent" | "kernfs_node.parent";
        task_state = "task_struct.__state" | "task_struct.state";
    }
    SOCKET {
        socket_file = "socket.file";
        inode_ino = "inode.i_ino";
    }
    IO_URING {
        io_opcode = "io_kiocb.opcode";
        io_flags = "io_kiocb.flags";
        io_result = "io_kiocb.cqe.res";
        io_command = "io_kiocb.cmd";
        io_open_directory = "io_open.dfd";
        io_open_slot = "io_open.file_slot";
        io_open_filename = "io_open.filename";
        io_open_how = "io_open.how";
        filename_name = "filename.name";
    }
}

const _: () = assert!(size_of::<Offsets>() == (FIELDS.len() + 8) * size_of::<u32>() + size_of::<TypeIds>());
