//! Which system calls are privileged, and of those that only sometimes are, when.
use super::super::connection::{AF_INET, AF_INET6};
use super::super::read::user;
use super::super::syscall::{Call, Calls, table};

/// What a call does.
pub(super) mod action {
    pub(in super::super) const PTRACE: u8 = 1;
    pub(in super::super) const PROCESS_VM_READV: u8 = 2;
    pub(in super::super) const PROCESS_VM_WRITEV: u8 = 3;
    pub(in super::super) const INIT_MODULE: u8 = 4;
    pub(in super::super) const FINIT_MODULE: u8 = 5;
    pub(in super::super) const DELETE_MODULE: u8 = 6;
    pub(in super::super) const BPF: u8 = 7;
    pub(in super::super) const SETNS: u8 = 8;
    pub(in super::super) const UNSHARE: u8 = 9;
    pub(in super::super) const CLONE: u8 = 10;
    pub(in super::super) const CLONE3: u8 = 11;
    pub(in super::super) const CAPSET: u8 = 12;
    pub(in super::super) const MEMFD_CREATE: u8 = 13;
    pub(in super::super) const ADD_KEY: u8 = 14;
    pub(in super::super) const REQUEST_KEY: u8 = 15;
    pub(in super::super) const KEYCTL: u8 = 16;
    pub(in super::super) const SOCKET: u8 = 17;
    /// All calls on sockets in one, with a pointer to their arguments. Only the 32-bit table has it.
    pub(in super::super) const SOCKETCALL: u8 = 18;
    pub(in super::super) const IO_URING_SETUP: u8 = 19;
    /// `dup`, `dup2`, `dup3`.
    pub(in super::super) const DUP: u8 = 20;
    pub(in super::super) const FCNTL: u8 = 21;
    pub(in super::super) const CHROOT: u8 = 22;
    pub(in super::super) const PERF_EVENT_OPEN: u8 = 23;
    pub(in super::super) const USERFAULTFD: u8 = 24;
    pub(in super::super) const KEXEC_LOAD: u8 = 25;
    pub(in super::super) const KEXEC_FILE_LOAD: u8 = 26;
    pub(in super::super) const OPEN_BY_HANDLE_AT: u8 = 27;
    /// From here on, in the order of the codes in the interface's `privileged.code`.
    pub(in super::super) const SETUID: u8 = 32;
    pub(in super::super) const SETGID: u8 = 33;
    pub(in super::super) const SETREUID: u8 = 34;
    pub(in super::super) const SETREGID: u8 = 35;
    pub(in super::super) const SETRESUID: u8 = 36;
    pub(in super::super) const SETRESGID: u8 = 37;
    pub(in super::super) const SETGROUPS: u8 = 38;
    pub(in super::super) const SETFSUID: u8 = 39;
    pub(in super::super) const SETFSGID: u8 = 40;
}
use action::{
    ADD_KEY, BPF, CAPSET, CHROOT, CLONE, CLONE3, DELETE_MODULE, DUP, FCNTL, FINIT_MODULE, INIT_MODULE, IO_URING_SETUP,
    KEXEC_FILE_LOAD, KEXEC_LOAD, KEYCTL, MEMFD_CREATE, OPEN_BY_HANDLE_AT, PERF_EVENT_OPEN, PROCESS_VM_READV,
    PROCESS_VM_WRITEV, PTRACE, REQUEST_KEY, SETFSGID, SETFSUID, SETGID, SETGROUPS, SETNS, SETREGID, SETRESGID,
    SETRESUID, SETREUID, SETUID, SOCKET, SOCKETCALL, UNSHARE, USERFAULTFD,
};

pub(in super::super) static CALLS: Calls = Calls {
    native: table(&[
        (32, DUP),
        (33, DUP),
        (41, SOCKET),
        (56, CLONE),
        (72, FCNTL),
        (101, PTRACE),
        (105, SETUID),
        (106, SETGID),
        (113, SETREUID),
        (114, SETREGID),
        (116, SETGROUPS),
        (117, SETRESUID),
        (119, SETRESGID),
        (122, SETFSUID),
        (123, SETFSGID),
        (126, CAPSET),
        // pivot_root
        (155, CHROOT),
        (161, CHROOT),
        (175, INIT_MODULE),
        (176, DELETE_MODULE),
        (246, KEXEC_LOAD),
        (248, ADD_KEY),
        (249, REQUEST_KEY),
        (250, KEYCTL),
        (272, UNSHARE),
        (292, DUP),
        (298, PERF_EVENT_OPEN),
        (304, OPEN_BY_HANDLE_AT),
        (308, SETNS),
        (310, PROCESS_VM_READV),
        (311, PROCESS_VM_WRITEV),
        (313, FINIT_MODULE),
        (319, MEMFD_CREATE),
        (320, KEXEC_FILE_LOAD),
        (321, BPF),
        (323, USERFAULTFD),
        (425, IO_URING_SETUP),
        (435, CLONE3),
    ]),
    compat: table(&[
        // Those that take ids of 16 bits, then those of 32.
        (23, SETUID),
        (46, SETGID),
        (70, SETREUID),
        (71, SETREGID),
        (81, SETGROUPS),
        (138, SETFSUID),
        (139, SETFSGID),
        (164, SETRESUID),
        (170, SETRESGID),
        (203, SETREUID),
        (204, SETREGID),
        (206, SETGROUPS),
        (208, SETRESUID),
        (210, SETRESGID),
        (213, SETUID),
        (214, SETGID),
        (215, SETFSUID),
        (216, SETFSGID),
        (26, PTRACE),
        (41, DUP),
        (55, FCNTL),
        (61, CHROOT),
        (63, DUP),
        (102, SOCKETCALL),
        (120, CLONE),
        (128, INIT_MODULE),
        (129, DELETE_MODULE),
        (185, CAPSET),
        // pivot_root
        (217, CHROOT),
        // fcntl64
        (221, FCNTL),
        (283, KEXEC_LOAD),
        (286, ADD_KEY),
        (287, REQUEST_KEY),
        (288, KEYCTL),
        (310, UNSHARE),
        (330, DUP),
        (336, PERF_EVENT_OPEN),
        (342, OPEN_BY_HANDLE_AT),
        (346, SETNS),
        (347, PROCESS_VM_READV),
        (348, PROCESS_VM_WRITEV),
        (350, FINIT_MODULE),
        (356, MEMFD_CREATE),
        (357, BPF),
        (359, SOCKET),
        (374, USERFAULTFD),
        (425, IO_URING_SETUP),
        (435, CLONE3),
    ]),
};

/// Whether a call is privileged after all.
#[inline(always)]
pub(super) fn concerns(call: Call, action: u8) -> bool {
    match action {
        DUP => is_onto_stdio(call),
        FCNTL => is_onto_stdio(call) && is_duplication(call.argument(1) as u32),
        // In the child it returns 0: that one is the same call.
        CLONE => call.result != 0 && clone_namespaces(call) != 0,
        CLONE3 => call.result != 0 && clone3_namespaces(call) != 0,
        UNSHARE => unshare_namespaces(call) != 0,
        PTRACE => !is_routine(call.argument(0) as u32),
        SOCKET => is_raw([call.argument(0) as u32, call.argument(1) as u32]),
        SOCKETCALL => call.argument(0) as u32 == SYS_SOCKET && is_raw(socket_arguments(call)),
        _ => true,
    }
}

/// Whether a duplicate is standard input, output or error.
#[inline(always)]
fn is_onto_stdio(call: Call) -> bool {
    call.result as u64 <= 2
}

/// `F_DUPFD` and `F_DUPFD_CLOEXEC`.
#[inline(always)]
fn is_duplication(command: u32) -> bool {
    matches!(command, 0 | 1030)
}

/// `CLONE_NEW*`, without `CLONE_NEWTIME`, which is a part of the exit signal to `clone`.
const NAMESPACES: u64 = 0x7e02_0000;
const CLONE_NEWTIME: u64 = 0x80;

/// The namespaces that a `clone` makes.
#[inline(always)]
pub(super) fn clone_namespaces(call: Call) -> u32 {
    (call.argument(0) & NAMESPACES) as u32
}

/// The namespaces that an `unshare` makes.
#[inline(always)]
pub(super) fn unshare_namespaces(call: Call) -> u32 {
    (call.argument(0) & (NAMESPACES | CLONE_NEWTIME)) as u32
}

/// The namespaces that a `clone3` makes. `struct clone_args` begins with the flags.
#[inline(always)]
pub(super) fn clone3_namespaces(call: Call) -> u32 {
    let flags = user::<u64>(call.argument(0)).unwrap_or(0);
    (flags & (NAMESPACES | CLONE_NEWTIME)) as u32
}

/// Requests that let a tracee run on, or ask why it stopped: whoever may make them has got hold of it before, and a
/// debugger makes them for every step.
#[inline(always)]
fn is_routine(request: u32) -> bool {
    // CONT, SINGLESTEP, SYSCALL, SYSEMU, SYSEMU_SINGLESTEP, SINGLEBLOCK, GETEVENTMSG, GETSIGINFO, LISTEN,
    // PEEKSIGINFO, GET_SYSCALL_INFO.
    matches!(
        request,
        7 | 9 | 24 | 31 | 32 | 33 | 0x4201 | 0x4202 | 0x4208 | 0x4209 | 0x420e
    )
}

const AF_PACKET: u32 = 17;
const SOCK_RAW: u32 = 3;
/// The old way to a packet socket.
const SOCK_PACKET: u32 = 10;
/// What a type has beside `SOCK_NONBLOCK` and `SOCK_CLOEXEC`.
pub(super) const SOCK_TYPES: u32 = 0xf;
/// `socketcall` for `socket`.
const SYS_SOCKET: u32 = 1;

/// Whether such a socket gets or sends packets as they are.
#[inline(always)]
fn is_raw([family, kind]: [u32; 2]) -> bool {
    let of_ip = family == AF_INET as u32 || family == AF_INET6 as u32;
    family == AF_PACKET || of_ip && matches!(kind & SOCK_TYPES, SOCK_RAW | SOCK_PACKET)
}

/// Family and type of a `socketcall` for `socket`.
#[inline(always)]
fn socket_arguments(call: Call) -> [u32; 2] {
    user(call.argument(1)).unwrap_or([0; 2])
}
