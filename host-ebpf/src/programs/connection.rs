//! What the two hooks on TCP have in common: which changes of a socket's state are events, and their records.
//!
//! [`tcp`](super::tcp) hooks into the kernel's tracepoint, [`sock_ops`](super::sock_ops) into the control groups. Both
//! come here before the new state is set, with the socket locked.
mod fields;
mod record;

use aya_ebpf::helpers::generated::bpf_skc_to_tcp_sock;
use vespid_ebpf::{ConnectionOp, Kind, Outcome};

pub(super) use self::fields::{At, Fields, Known};
use self::record::network;
pub(super) use self::record::{address, send};
use super::counters::count;
use super::globals::{has, offset};
use super::header::now;
use super::output::has_room;
use super::owner::{self, INBOUND, Isns, OUTBOUND, Owner, UNKNOWN};
use super::read::Task;
use super::sieve::{self, Ends, Prefix};
use super::who::Who;

// include/net/tcp_states.h
pub(super) const ESTABLISHED: i32 = 1;
pub(super) const SYN_SENT: i32 = 2;
pub(super) const SYN_RECV: i32 = 3;
pub(super) const CLOSE: i32 = 7;
pub(super) const LISTEN: i32 = 10;

pub(super) const AF_INET: u16 = 2;
pub(super) const AF_INET6: u16 = 10;
const IPPROTO_TCP: u16 = 6;

/// Whether a change is one of a connection that is looked at.
#[inline(always)]
pub(super) fn concerns(old: i32, new: i32) -> bool {
    matches!(new, SYN_SENT | ESTABLISHED | CLOSE) && !(matches!(old, LISTEN | CLOSE) && new == CLOSE)
}

/// A socket as one of TCP over IPv4 or IPv6, if it is that: MPTCP, SCTP and DCCP have the same states.
///
/// # Safety
/// `sk` must be a socket whose type the verifier knows.
#[inline(always)]
pub(super) unsafe fn tcp(sk: *const u8) -> Option<Known> {
    // SAFETY: the caller's promise.
    let sk: *const u8 = unsafe { bpf_skc_to_tcp_sock(sk.cast_mut().cast()) }.cast();
    if sk.is_null() {
        return None;
    }
    Some(Known(sk)).filter(|sk| is_ip(*sk))
}

/// Whether a socket speaks TCP over IPv4 or IPv6.
#[inline(always)]
pub(super) fn is_tcp(sk: At) -> bool {
    is_ip(sk) && sk.load::<u16>(offset!(sk_protocol)) == IPPROTO_TCP
}

#[inline(always)]
fn is_ip(sk: impl Fields) -> bool {
    matches!(sk.load::<u16>(offset!(skc_family)), AF_INET | AF_INET6)
}

/// The current task connects. `connect` runs in the task that called it.
#[inline(always)]
pub(super) fn begins(cookie: u64) {
    owner::note(cookie, &Owner::of(Task::current(), now(), OUTBOUND));
}

/// A state is about to change, other than to [`SYN_SENT`].
#[inline(always)]
pub(super) fn changes(sk: Known, cookie: u64, old: i32, new: i32) {
    let owner = owner::find(cookie);
    let is_inbound = owner.is_none_or(|owner| owner.inbound == INBOUND);
    if new == ESTABLISHED && old == SYN_RECV && is_inbound {
        // Reported when somebody accepts it. What came with its SYN may be accepted already (TCP Fast Open).
        if owner.is_none() {
            let mut owner = Owner::nobody(now(), INBOUND);
            owner.isns = isns(sk, INBOUND);
            owner::note(cookie, &owner);
        }
        return;
    }
    let op = match (old, new) {
        (_, ESTABLISHED) => ConnectionOp::Opened,
        (SYN_SENT, _) => ConnectionOp::Failed,
        // A half-open connection of a peer that was never established.
        (SYN_RECV, _) if owner.is_none() => return,
        (SYN_RECV, _) if !is_inbound => ConnectionOp::Failed,
        _ => ConnectionOp::Closed,
    };
    let mut owner = owner.unwrap_or_else(|| Owner::nobody(0, UNKNOWN));
    if owner.own == 0 && passes(sk, op, &owner) && has_room(Kind::Connection, || owner.cgroup) {
        owner.isns = isns(sk, owner.inbound);
        if op == ConnectionOp::Failed {
            owner.isns.remote = 0;
        }
        send(sk, cookie, op, &owner);
    }
    if new == CLOSE {
        owner::forget(cookie);
    }
}

/// Whether somebody wants to know that this happened to a connection; if not, that is booked as filtered.
#[inline(always)]
pub(super) fn passes<S: Fields>(sk: S, op: ConnectionOp, owner: &Owner) -> bool {
    let has_failed = sk.load::<u32>(offset!(sk_err)) != 0;
    let mut verdict = sieve::judge_anywhere(Kind::Connection, has_failed, op as u32, || Who {
        uid: owner.uid,
        pid: owner.pid,
        start_ns: owner.start_ns,
    });
    sieve::narrow_by_network(&mut verdict, || network(sk));
    if sieve::is_about_ends(verdict) {
        let ends = Ends {
            local_port: u16::from_be(sk.load(offset!(inet_sport))),
            remote_port: u16::from_be(sk.load(offset!(skc_dport))),
            remote: address(sk, offset!(skc_v6_daddr), offset!(skc_daddr)),
        };
        // On the stack, as this runs in interrupts, too.
        let mut prefix = Prefix::new(0, [0; 20]);
        // SAFETY: room for it.
        unsafe { sieve::narrow_by_ends(&mut verdict, &raw mut prefix, &ends) };
    }
    if !verdict.passes() {
        count(Kind::Connection, Outcome::Filtered);
    }
    verdict.passes()
}

/// Initial sequence numbers: the kernel does not keep them, but it counts what it adds to them. The end that connects
/// counts its own SYN among what was acknowledged, the other does not; neither counts the peer's SYN.
///
/// Only right while the socket is locked: the two numbers are not changed at once.
#[inline(always)]
pub(super) fn isns(sk: impl Fields, inbound: u8) -> Isns {
    let mut isns = Isns { local: 0, remote: 0 };
    if has!(tcp_snd_una) && has!(tcp_bytes_acked) && inbound != UNKNOWN {
        let acked: u64 = sk.load(offset!(tcp_bytes_acked));
        let unacked: u32 = sk.load(offset!(tcp_snd_una));
        isns.local = unacked
            .wrapping_sub(acked as u32)
            .wrapping_sub(u32::from(inbound == INBOUND));
    }
    if has!(tcp_rcv_nxt) && has!(tcp_bytes_received) {
        let received: u64 = sk.load(offset!(tcp_bytes_received));
        let next: u32 = sk.load(offset!(tcp_rcv_nxt));
        isns.remote = next.wrapping_sub(received as u32).wrapping_sub(1);
    }
    isns
}
