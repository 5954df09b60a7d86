//! Sockets beside the connections of TCP, when their calls return: `sys_exit(regs, result)`.
//!
//! `read` and `write` are among the calls, as that is how Go asks DNS; what is no socket is left after a look at what the
//! file is of. Each look costs some 20 ns, so what lies together is read at once.
mod datagram;
mod ends;
mod flows;

use core::ffi::c_void;

use aya_ebpf::helpers::generated::{bpf_probe_read_kernel, bpf_probe_read_user};
use aya_ebpf::macros::{btf_tracepoint, map};
use aya_ebpf::maps::PerCpuArray;
use aya_ebpf::programs::BtfTracePointContext;
use vespid_ebpf::{Kind, Outcome, SocketOp, SocketRaw};

use self::datagram::UDP;
use self::ends::{End, UNIX};
use super::counters::count;
use super::descriptor;
use super::globals::{has, offset, type_id, wanted};
use super::header::{header, is_own, own_cgroup_id};
use super::names;
use super::namespaces;
use super::output::{has_room, send};
use super::read::{Task, field, kernel, kernel_u32, kernel_u64, word};
use super::scratch::{SOCKET_SIZE, Scratch, of_socket};
use super::sieve::{self, Ends, Prefix, Verdict};
use super::syscall::{Call, Calls, returned, table};
use super::who::Who;

/// What a call does.
mod action {
    pub(super) const BIND: u8 = 1;
    pub(super) const LISTEN: u8 = 2;
    pub(super) const CONNECT: u8 = 3;
    /// `sendto`.
    pub(super) const SEND: u8 = 4;
    pub(super) const SEND_MESSAGE: u8 = 5;
    pub(super) const SEND_MESSAGES: u8 = 6;
    /// `recvfrom`.
    pub(super) const RECEIVE: u8 = 7;
    pub(super) const RECEIVE_MESSAGE: u8 = 8;
    pub(super) const RECEIVE_MESSAGES: u8 = 9;
    pub(super) const READ: u8 = 10;
    pub(super) const WRITE: u8 = 11;
}
use action::{
    BIND, CONNECT, LISTEN, READ, RECEIVE, RECEIVE_MESSAGE, RECEIVE_MESSAGES, SEND, SEND_MESSAGE, SEND_MESSAGES, WRITE,
};

/// The 32-bit table has the calls whose arguments are the same there: `struct msghdr` is not.
pub(super) static CALLS: Calls = Calls {
    native: table(&[
        (0, READ),
        (1, WRITE),
        (42, CONNECT),
        (44, SEND),
        (45, RECEIVE),
        (46, SEND_MESSAGE),
        (47, RECEIVE_MESSAGE),
        (49, BIND),
        (50, LISTEN),
        (299, RECEIVE_MESSAGES),
        (307, SEND_MESSAGES),
    ]),
    compat: table(&[
        (3, READ),
        (4, WRITE),
        (361, BIND),
        (362, CONNECT),
        (363, LISTEN),
        (369, SEND),
        (371, RECEIVE),
    ]),
};

const EINTR: i64 = -4;
const EAGAIN: i64 = -11;
/// Longest `sun_path`.
const MAX_SUN_PATH: u64 = 108;
/// Longest part of a datagram that is carried.
const MAX_PAYLOAD: u64 = 512;

/// A socket of the current task.
#[repr(C)]
#[derive(Clone, Copy)]
struct Socket {
    sk: u64,
    file: u64,
    common: Common,
    protocol: u16,
}

/// How `struct sock_common` begins.
#[repr(C)]
#[derive(Clone, Copy)]
struct Common {
    daddr: u32,
    rcv_saddr: u32,
    hash: u32,
    dport: u16,
    num: u16,
    family: u16,
}

impl Socket {
    /// What a descriptor is, if it is a socket (then it is of something that in turn knows its file) and, where it is a
    /// datagram that was handed over, one of UDP.
    #[inline(always)]
    fn of(descriptor: u32, is_datagram: bool) -> Option<Socket> {
        let file = descriptor::file(descriptor);
        let socket = word(file, offset!(file_private));
        let of_file = word(socket, offset!(socket_file));
        let sk = word(socket, offset!(socket_sk));
        if file == 0 || of_file != file || sk == 0 {
            return None;
        }
        let protocol = field(type_id!(sock), sk, offset!(sk_protocol));
        if is_datagram && protocol != UDP {
            return None;
        }
        Some(Socket {
            sk,
            file,
            common: kernel(sk, offset!(skc_daddr))?,
            protocol,
        })
    }

    fn family(&self) -> u16 {
        self.common.family
    }
}

/// Where the tail of a record comes from.
struct Tail {
    from: u64,
    len: u64,
    is_user: bool,
}

/// What a record says beside its socket. In a map: the stacks of all functions that call one another are one, and small.
#[repr(C)]
struct Happening {
    op: SocketOp,
    code: u32,
    result: i64,
    local: End,
    remote: End,
    tail: Tail,
}

/// Room for looking up an end.
#[map]
static PREFIX: PerCpuArray<Prefix> = PerCpuArray::with_max_entries(1, 0);

#[map]
static HAPPENING: PerCpuArray<Happening> = PerCpuArray::with_max_entries(1, 0);

/// Called by [`super::sys_exit`].
#[btf_tracepoint(function = "sys_exit")]
fn vespid_socket(ctx: BtfTracePointContext) -> i32 {
    let Some((task, call, action)) = returned(&ctx, &CALLS) else {
        return 0;
    };
    // Nothing was received then, whatever it was asked of.
    let is_idle =
        matches!(action, RECEIVE | RECEIVE_MESSAGE | RECEIVE_MESSAGES | READ) && matches!(call.result, EINTR | EAGAIN);
    if is_idle || !wanted(Kind::Socket) || is_own() {
        return 0;
    }
    let is_datagram = !matches!(action, BIND | LISTEN | CONNECT);
    let Some(socket) = Socket::of(call.argument(0) as u32, is_datagram) else {
        return 0;
    };
    if is_datagram {
        datagram::report(call, action, &socket);
    } else {
        named(task, call, action, &socket);
    }
    0
}

/// A call that gives a socket an address, or tells it one.
#[inline(always)]
fn named(task: Task, call: Call, action: u8, socket: &Socket) {
    let is_unix = socket.family() == UNIX;
    let (typed, typed_len) = (call.argument(1), call.argument(2));
    let mut tail = Tail {
        from: typed + 2,
        len: if is_unix {
            typed_len.saturating_sub(2).min(MAX_SUN_PATH)
        } else {
            0
        },
        is_user: true,
    };
    let (mut local, mut code) = (ends::local(socket), 0);
    let op = match action {
        BIND => {
            if call.result < 0 && !is_unix {
                local = ends::typed(typed);
            }
            SocketOp::Bound
        }
        LISTEN => {
            code = typed as u32;
            tail = if is_unix {
                bound_name(socket)
            } else {
                Tail {
                    from: 0,
                    len: 0,
                    is_user: true,
                }
            };
            SocketOp::Listening
        }
        _ if is_unix => SocketOp::UnixConnect,
        _ => return,
    };
    report(
        task,
        socket,
        Happening {
            op,
            code,
            result: call.result,
            local,
            remote: End::NONE,
            tail,
        },
    );
}

/// What a Unix socket was bound to, as the kernel keeps it.
#[inline(always)]
fn bound_name(socket: &Socket) -> Tail {
    let mut tail = Tail {
        from: 0,
        len: 0,
        is_user: false,
    };
    if has!(unix_addr) && has!(unix_address_len) && has!(unix_address_name) {
        let address = kernel_u64(socket.sk, offset!(unix_addr));
        let len = u64::from(kernel_u32(address, offset!(unix_address_len)));
        tail.from = address + u64::from(offset!(unix_address_name)) + 2;
        tail.len = if address == 0 {
            0
        } else {
            len.saturating_sub(2).min(MAX_SUN_PATH)
        };
    }
    tail
}

#[inline(always)]
fn report(task: Task, socket: &Socket, happening: Happening) {
    if let Some(place) = HAPPENING.get_ptr_mut(0) {
        // SAFETY: a live map value, which no other program uses.
        unsafe {
            place.write(happening);
            report_on(task, socket, &*place);
        }
    }
}

#[inline(never)]
fn report_on(task: Task, socket: &Socket, happening: &Happening) {
    let verdict = sieve::judge(Kind::Socket, happening.result < 0, happening.op as u32, || {
        Who::of(task)
    });
    if !verdict.passes()
        || sieve::is_about_ends(verdict) && !fits(verdict, happening)
        || !has_room(Kind::Socket, own_cgroup_id)
    {
        return;
    }
    // SAFETY: a scratch from its map.
    let sent = of_socket().and_then(|scratch| unsafe { describe(scratch, task, socket, happening, verdict) });
    if sent.is_none() {
        count(Kind::Socket, Outcome::Unreadable);
    }
}

/// Whether a filter may be about these ends; if not, that is booked as filtered.
#[inline(never)]
fn fits(mut verdict: Verdict, happening: &Happening) -> bool {
    let Some(prefix) = PREFIX.get_ptr_mut(0) else {
        return true;
    };
    let ends = Ends {
        local_port: happening.local.port,
        remote_port: happening.remote.port,
        remote: happening.remote.address,
    };
    // SAFETY: a live map value, which no other program uses.
    unsafe { sieve::narrow_by_ends(&mut verdict, prefix, &ends) };
    if !verdict.passes() {
        count(Kind::Socket, Outcome::Filtered);
    }
    verdict.passes()
}

#[inline(always)]
unsafe fn describe(
    scratch: *mut Scratch<SOCKET_SIZE>,
    task: Task,
    socket: &Socket,
    happening: &Happening,
    verdict: Verdict,
) -> Option<()> {
    const FIXED: usize = size_of::<SocketRaw>();
    // SAFETY: `scratch` points into its map, and is larger than what is written.
    unsafe {
        names::keep(scratch, verdict);
        let record: *mut u8 = (&raw mut (*scratch).record).cast();
        let tail = &happening.tail;
        let wanted = (tail.len.min(MAX_PAYLOAD) & 1023) as u32;
        let out = record.add(FIXED).cast::<c_void>();
        let failed = if tail.is_user {
            bpf_probe_read_user(out, wanted, tail.from as *const c_void)
        } else {
            bpf_probe_read_kernel(out, wanted, tail.from as *const c_void)
        };
        let name_len = if failed == 0 { u64::from(wanted) } else { 0 };
        let len = FIXED as u64 + name_len;
        let raw: *mut SocketRaw = record.cast();
        (&raw mut (*raw).header).write(header(Kind::Socket, len as u32, task));
        (*raw).result = happening.result;
        (*raw).netns = if has!(skc_net) && has!(net_inum) {
            field(type_id!(net), word(socket.sk, offset!(skc_net)), offset!(net_inum))
        } else {
            0
        };
        (*raw).code = happening.code;
        (&raw mut (*raw).local)
            .cast::<[u64; 2]>()
            .write(happening.local.address);
        (&raw mut (*raw).remote)
            .cast::<[u64; 2]>()
            .write(happening.remote.address);
        (*raw).local_port = happening.local.port;
        (*raw).remote_port = happening.remote.port;
        (*raw).name_len = name_len as u16;
        (*raw).op = happening.op as u8;
        (*raw).family = socket.family() as u8;
        (*raw).protocol = if ends::is_ip(socket) { socket.protocol as u8 } else { 0 };
        (*raw).reserved = [0; 7];
        (&raw mut (*scratch).walk.at).write_volatile(len);
        namespaces::tell(scratch);
        send(Kind::Socket, scratch)
    }
}
