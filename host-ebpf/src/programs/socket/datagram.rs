//! Datagrams of UDP: the first to and from each remote end, and every one to and from a server of DNS.
use vespid_ebpf::SocketOp;

use super::action::{READ, RECEIVE, RECEIVE_MESSAGE, RECEIVE_MESSAGES, SEND, SEND_MESSAGE, SEND_MESSAGES};
use super::ends::{self, End};
use super::{Happening, Socket, Tail, flows};
use crate::programs::read::{Task, user};
use crate::programs::syscall::Call;

const UDP: u16 = 17;
const DNS: u16 = 53;
/// Messages of one `sendmmsg` or `recvmmsg` that are looked at; glibc asks for two addresses at once.
const MAX_MESSAGES: u64 = 4;
/// `sizeof(struct mmsghdr)`, and where its `msg_len` is.
const MESSAGE_BYTES: u64 = 64;
const MESSAGE_LEN: u64 = 56;
/// `MSG_PEEK | MSG_ERRQUEUE`: what is looked at comes again, and an error is no datagram.
const NOT_TAKEN: u64 = 0x2002;
const EINTR: i64 = -4;
const EAGAIN: i64 = -11;

/// A datagram where its call had it, in memory of the current task.
struct Datagram {
    /// `struct sockaddr`, or 0.
    name: u64,
    payload: u64,
    room: u64,
    result: i64,
    is_received: bool,
}

impl Datagram {
    /// By a `struct msghdr`, of which the first buffer is looked at.
    #[inline(always)]
    fn of_message(header: u64, result: i64, is_received: bool) -> Datagram {
        // void *msg_name; int msg_namelen; struct iovec *msg_iov; size_t msg_iovlen;
        let [name, _, buffers, count] = user::<[u64; 4]>(header).unwrap_or([0; 4]);
        let [payload, room] = if count == 0 {
            [0; 2]
        } else {
            user::<[u64; 2]>(buffers).unwrap_or([0; 2])
        };
        Datagram {
            name,
            payload,
            room,
            result,
            is_received,
        }
    }
}

#[inline(always)]
pub(super) fn report(task: Task, call: Call, action: u8, socket: &Socket) {
    if socket.protocol != UDP || !ends::is_ip(socket) {
        return;
    }
    let is_received = matches!(action, RECEIVE | RECEIVE_MESSAGE | RECEIVE_MESSAGES | READ);
    if is_received && matches!(call.result, EINTR | EAGAIN) {
        return;
    }
    let flags = match action {
        RECEIVE | RECEIVE_MESSAGES => call.argument(3),
        RECEIVE_MESSAGE => call.argument(2),
        _ => 0,
    };
    if flags & NOT_TAKEN != 0 {
        return;
    }
    match action {
        SEND_MESSAGES | RECEIVE_MESSAGES if call.result >= 0 => {
            for at in 0..MAX_MESSAGES {
                if at >= call.result as u64 {
                    break;
                }
                let header = call.argument(1) + at * MESSAGE_BYTES;
                let len = user::<u32>(header + MESSAGE_LEN).unwrap_or(0);
                datagram(task, socket, &Datagram::of_message(header, i64::from(len), is_received));
            }
        }
        SEND_MESSAGE | RECEIVE_MESSAGE | SEND_MESSAGES | RECEIVE_MESSAGES => {
            datagram(
                task,
                socket,
                &Datagram::of_message(call.argument(1), call.result, is_received),
            );
        }
        _ => {
            let name = if matches!(action, SEND | RECEIVE) {
                call.argument(4)
            } else {
                0
            };
            datagram(
                task,
                socket,
                &Datagram {
                    name,
                    payload: call.argument(1),
                    room: call.argument(2),
                    result: call.result,
                    is_received,
                },
            );
        }
    }
}

#[inline(never)]
fn datagram(task: Task, socket: &Socket, datagram: &Datagram) {
    let has_failed = datagram.result < 0;
    let is_received = datagram.is_received;
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
        &Happening {
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
