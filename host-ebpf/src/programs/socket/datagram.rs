//! Datagrams of UDP: the first to and from each remote end, and every one to and from a server of DNS.
use core::ffi::c_void;

use aya_ebpf::helpers::generated::bpf_loop;
use aya_ebpf::macros::map;
use aya_ebpf::maps::PerCpuArray;
use vespid_ebpf::SocketOp;

use super::action::{READ, RECEIVE, RECEIVE_MESSAGE, RECEIVE_MESSAGES, SEND, SEND_MESSAGE, SEND_MESSAGES};
use super::ends::{self, End};
use super::{Happening, Socket, Tail, flows};
use crate::programs::read::{Task, user};
use crate::programs::syscall::Call;

pub(super) const UDP: u16 = 17;
const DNS: u16 = 53;
/// Messages of one `sendmmsg` or `recvmmsg` that are looked at; glibc asks for two addresses at once.
const MAX_MESSAGES: u32 = 4;
/// `sizeof(struct mmsghdr)`, and where its `msg_len` is.
const MESSAGE_BYTES: u64 = 64;
const MESSAGE_LEN: u64 = 56;
/// `MSG_PEEK | MSG_ERRQUEUE`: what is looked at comes again, and an error is no datagram.
const NOT_TAKEN: u64 = 0x2002;

/// A datagram where its call had it, in memory of the current task.
#[repr(C)]
#[derive(Clone, Copy)]
struct Datagram {
    /// `struct sockaddr`, or 0.
    name: u64,
    payload: u64,
    room: u64,
    result: i64,
}

/// The datagrams of a call. In a map, as all state of loops is: laid out one after the other, so many branches are
/// more than some verifiers have patience for.
#[repr(C)]
struct Datagrams {
    socket: Socket,
    /// The one at hand.
    datagram: Datagram,
    /// The next `struct msghdr`, or 0 if the one at hand came without.
    header: u64,
    left: u64,
    /// Whether results are in the messages, as those of `sendmmsg` and `recvmmsg` are.
    has_lengths: u64,
    is_received: u64,
}

#[map]
static DATAGRAMS: PerCpuArray<Datagrams> = PerCpuArray::with_max_entries(1, 0);

#[inline(always)]
pub(super) fn report(call: Call, action: u8, socket: &Socket) {
    if !ends::is_ip(socket) {
        return;
    }
    let is_received = matches!(action, RECEIVE | RECEIVE_MESSAGE | RECEIVE_MESSAGES | READ);
    let flags = match action {
        RECEIVE | RECEIVE_MESSAGES => call.argument(3),
        RECEIVE_MESSAGE => call.argument(2),
        _ => 0,
    };
    if flags & NOT_TAKEN != 0 {
        return;
    }
    let Some(state) = DATAGRAMS.get_ptr_mut(0) else {
        return;
    };
    let are_many = matches!(action, SEND_MESSAGES | RECEIVE_MESSAGES) && call.result >= 0;
    let is_message = matches!(
        action,
        SEND_MESSAGE | RECEIVE_MESSAGE | SEND_MESSAGES | RECEIVE_MESSAGES
    );
    // SAFETY: a live map value, which no other program uses.
    unsafe {
        (*state).socket = *socket;
        (*state).header = if is_message { call.argument(1) } else { 0 };
        (*state).left = if are_many { call.result as u64 } else { 1 };
        (*state).has_lengths = u64::from(are_many);
        (*state).is_received = u64::from(is_received);
        (*state).datagram = Datagram {
            name: if matches!(action, SEND | RECEIVE) {
                call.argument(4)
            } else {
                0
            },
            payload: call.argument(1),
            room: call.argument(2),
            result: call.result,
        };
        let times = if are_many { MAX_MESSAGES } else { 1 };
        bpf_loop(times, step as *mut c_void, core::ptr::null_mut(), 0);
    }
}

/// One datagram.
unsafe extern "C" fn step(_: u64, _: *mut c_void) -> i64 {
    let Some(state) = DATAGRAMS.get_ptr_mut(0) else {
        return 1;
    };
    // SAFETY: a live map value.
    unsafe {
        let left = (&raw const (*state).left).read_volatile();
        if left == 0 {
            return 1;
        }
        (*state).left = left - 1;
        let header = (&raw const (*state).header).read_volatile();
        if header != 0 {
            message(state, header);
        }
        datagram(Task::current(), state);
    }
    0
}

/// Takes a datagram from a `struct msghdr`, of which the first buffer is looked at.
#[inline(always)]
unsafe fn message(state: *mut Datagrams, header: u64) {
    // void *msg_name; int msg_namelen; struct iovec *msg_iov; size_t msg_iovlen; Read in two parts, which share their place:
    // of the stack, nothing is left.
    let name = user::<u64>(header).unwrap_or(0);
    let [buffers, count] = user::<[u64; 2]>(header + 16).unwrap_or([0; 2]);
    let [payload, room] = if count == 0 {
        [0; 2]
    } else {
        user::<[u64; 2]>(buffers).unwrap_or([0; 2])
    };
    // SAFETY: a live map value.
    unsafe {
        if (*state).has_lengths != 0 {
            (*state).datagram.result = i64::from(user::<u32>(header + MESSAGE_LEN).unwrap_or(0));
        }
        (*state).datagram.name = name;
        (*state).datagram.payload = payload;
        (*state).datagram.room = room;
        (*state).header = header + MESSAGE_BYTES;
    }
}

#[inline(never)]
unsafe fn datagram(task: Task, state: *const Datagrams) {
    // SAFETY: a live map value, which nobody writes to meanwhile.
    let (socket, datagram, is_received) = unsafe { (&(*state).socket, &(*state).datagram, (*state).is_received != 0) };
    let has_failed = datagram.result < 0;
    // Nothing was written there when nothing was received.
    let typed = if datagram.name == 0 || is_received && has_failed {
        End::NONE
    } else {
        ends::typed(datagram.name)
    };
    let remote = if typed.port == 0 { ends::peer(socket) } else { typed };
    let is_dns = remote.port == DNS && !(is_received && has_failed);
    if !is_dns && !flows::is_first(socket, &remote, is_received, has_failed) {
        return;
    }
    let op = match (is_dns, is_received) {
        (true, false) => SocketOp::DnsQuestion,
        (true, true) => SocketOp::DnsAnswer,
        (false, false) => SocketOp::Sent,
        (false, true) => SocketOp::Received,
    };
    // What was sent is as long as the result says; what failed, as long as what was there.
    let len = if has_failed {
        datagram.room
    } else {
        datagram.room.min(datagram.result as u64)
    };
    super::report(
        task,
        socket,
        Happening {
            op,
            code: 0,
            result: datagram.result,
            local: ends::local(socket),
            remote,
            tail: Tail {
                from: datagram.payload,
                len: if is_dns { len } else { 0 },
                is_user: true,
            },
        },
    );
}
