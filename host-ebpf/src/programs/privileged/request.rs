//! What a privileged call asked for, and of whom, in the terms of the interface's `privileged`.
use vespid_ebpf::PrivilegedOp;

use super::super::connection::{AF_INET, AF_INET6};
use super::super::descriptor;
use super::super::globals::{has, offset};
use super::super::read::{Task, direct, kernel_u16, kernel_u32, kernel_u64, user};
use super::super::syscall::Call;
use super::calls::{self, SOCK_TYPES, action};

/// What a call asked for. See the interface's `privileged` for `code` and `argument`.
pub(super) struct Request {
    pub(super) op: PrivilegedOp,
    pub(super) code: u32,
    pub(super) argument: u64,
    pub(super) target: Target,
    pub(super) detail: Detail,
}

/// To whom it was done.
#[derive(Clone, Copy)]
pub(super) enum Target {
    Nobody,
    /// To who has the thread with this id in the caller's pid namespace.
    Thread(u32),
    Parent,
}

/// What else there is to say, by the address where it is to be found.
#[derive(Clone, Copy)]
pub(super) enum Detail {
    None,
    /// A text in the caller's memory.
    Typed(u64),
    /// A `struct path`, 0 for none.
    Path(u64),
    /// The remote end of a `struct sock`.
    Remote(u64),
}

/// What a call asked for; `None` if it is of no interest after all.
#[inline(always)]
pub(super) fn request(task: Task, call: Call, action: u8) -> Option<Request> {
    use PrivilegedOp as Op;

    let (first, second) = (call.argument(0), call.argument(1));
    let plain = |op, code| Request {
        op,
        code,
        argument: 0,
        target: Target::Nobody,
        detail: Detail::None,
    };
    let request = match action {
        action::PTRACE => Request {
            argument: call.argument(2),
            target: if first as u32 == PTRACE_TRACEME {
                Target::Parent
            } else {
                Target::Thread(second as u32)
            },
            ..plain(Op::Ptrace, first as u32)
        },
        action::PROCESS_VM_READV | action::PROCESS_VM_WRITEV => Request {
            target: Target::Thread(first as u32),
            ..plain(Op::ProcessMemory, u32::from(action == action::PROCESS_VM_WRITEV))
        },
        action::INIT_MODULE => plain(Op::LoadModule, FROM_MEMORY),
        action::FINIT_MODULE => Request {
            detail: file_of(first),
            ..plain(Op::LoadModule, FROM_FILE)
        },
        action::DELETE_MODULE => Request {
            detail: Detail::Typed(first),
            ..plain(Op::UnloadModule, 0)
        },
        action::BPF => plain(Op::Bpf, first as u32),
        action::SETNS => plain(Op::EnterNamespace, entered(first, second as u32)),
        action::UNSHARE => plain(Op::Unshare, calls::unshare_namespaces(call)),
        action::CLONE => child_of(call, plain(Op::Clone, calls::clone_namespaces(call))),
        action::CLONE3 => child_of(call, plain(Op::Clone, calls::clone3_namespaces(call))),
        action::CAPSET => Request {
            argument: effective_capabilities(task),
            ..plain(Op::SetCapabilities, 0)
        },
        action::MEMFD_CREATE => Request {
            detail: Detail::Typed(first),
            ..plain(Op::Memfd, second as u32)
        },
        action::ADD_KEY => plain(Op::Keys, 0),
        action::REQUEST_KEY => plain(Op::Keys, 1),
        action::KEYCTL => plain(Op::Keys, 2 | (first as u32) << 16),
        action::SOCKET => socket(
            [first as u32, second as u32, call.argument(2) as u32],
            plain(Op::RawSocket, 0),
        ),
        action::SOCKETCALL => socket(user(second)?, plain(Op::RawSocket, 0)),
        action::IO_URING_SETUP => plain(Op::IoUring, first as u32),
        action::DUP | action::FCNTL => Request {
            argument: u64::from(first as u32),
            detail: Detail::Remote(ip_socket(descriptor::file(call.result as u32))?),
            ..plain(Op::StdioSocket, call.result as u32)
        },
        action::CHROOT => Request {
            detail: Detail::Typed(first),
            ..plain(Op::Root, 0)
        },
        action::PERF_EVENT_OPEN => Request {
            target: match second as i32 {
                // Oneself, or everybody.
                ..=0 => Target::Nobody,
                number => Target::Thread(number as u32),
            },
            // struct perf_event_attr begins with the type.
            ..plain(Op::PerfEvent, user(first).unwrap_or(0))
        },
        action::USERFAULTFD => plain(Op::UserFaults, first as u32),
        action::KEXEC_LOAD => plain(Op::Kexec, FROM_MEMORY),
        action::KEXEC_FILE_LOAD => Request {
            detail: file_of(first),
            ..plain(Op::Kexec, FROM_FILE)
        },
        action::OPEN_BY_HANDLE_AT => Request {
            detail: if call.result >= 0 {
                file_of(call.result as u64)
            } else {
                Detail::None
            },
            ..plain(Op::OpenByHandle, call.argument(2) as u32)
        },
        set_ids => Request {
            argument: u64::from(id(call, set_ids)),
            ..plain(Op::SetIds, u32::from(set_ids - action::SETUID))
        },
    };
    Some(request)
}

const PTRACE_TRACEME: u32 = 0;
const FROM_MEMORY: u32 = 0;
const FROM_FILE: u32 = 1;

/// The path of what a descriptor refers to.
#[inline(always)]
fn file_of(descriptor: u64) -> Detail {
    Detail::Path(descriptor::path_of(descriptor::file(descriptor as u32)))
}

/// Who was made by a `clone` that succeeded.
#[inline(always)]
fn child_of(call: Call, request: Request) -> Request {
    let target = if call.result > 0 {
        Target::Thread(call.result as u32)
    } else {
        Target::Nobody
    };
    Request { target, ..request }
}

#[inline(always)]
fn socket([family, kind, protocol]: [u32; 3], request: Request) -> Request {
    Request {
        code: family & 0xffff | (kind & SOCK_TYPES) << 16,
        argument: u64::from(protocol),
        ..request
    }
}

/// The namespaces that a `setns` asked for, or, if it left that to the descriptor, the type of the descriptor's.
#[inline(always)]
fn entered(descriptor: u64, asked: u32) -> u32 {
    const NSFS_MAGIC: u64 = 0x6e73_6673;

    if asked != 0 || !(has!(inode_sb) && has!(sb_magic) && has!(inode_private)) {
        return asked;
    }
    let inode = kernel_u64(descriptor::file(descriptor as u32), offset!(file_inode));
    if kernel_u64(kernel_u64(inode, offset!(inode_sb)), offset!(sb_magic)) != NSFS_MAGIC {
        return 0;
    }
    let namespace = kernel_u64(inode, offset!(inode_private));
    if has!(ns_type) {
        kernel_u32(namespace, offset!(ns_type))
    } else if has!(ns_ops) && has!(ns_ops_type) {
        kernel_u32(kernel_u64(namespace, offset!(ns_ops)), offset!(ns_ops_type))
    } else {
        0
    }
}

#[inline(always)]
fn effective_capabilities(task: Task) -> u64 {
    if !has!(cred_cap_effective) {
        return 0;
    }
    let cred: *const u8 = task.follow(offset!(task_real_cred));
    // SAFETY: the verifier knows the type of `task_struct.real_cred`.
    unsafe { direct(cred, offset!(cred_cap_effective)) }
}

/// The id that is asked for: the effective one, unless that is to stay as it is.
#[inline(always)]
fn id(call: Call, action: u8) -> u32 {
    const AS_IT_IS: u32 = u32::MAX;

    let (real, effective) = (call.argument(0) as u32, call.argument(1) as u32);
    match action {
        action::SETREUID | action::SETREGID | action::SETRESUID | action::SETRESGID if effective != AS_IT_IS => {
            effective
        }
        action::SETRESUID | action::SETRESGID if real == AS_IT_IS => call.argument(2) as u32,
        _ => real,
    }
}

/// Address of a file's `struct sock`, if it is a socket of IP.
#[inline(always)]
fn ip_socket(file: u64) -> Option<u64> {
    const S_IFMT: u16 = 0o170_000;
    const S_IFSOCK: u16 = 0o140_000;

    let inode = kernel_u64(file, offset!(file_inode));
    if kernel_u16(inode, offset!(inode_mode)) & S_IFMT != S_IFSOCK {
        return None;
    }
    let sk = kernel_u64(kernel_u64(file, offset!(file_private)), offset!(socket_sk));
    matches!(kernel_u16(sk, offset!(skc_family)), AF_INET | AF_INET6).then_some(sk)
}
