//! `inet_sock_set_state(sk, old, new)`: runs before the new state is set, in any context.
use aya_ebpf::helpers::generated::bpf_get_socket_cookie;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use vespid_ebpf::{ABI_VERSION, ABSENT, ConnectionOp, ConnectionRaw, Header, Kind};

use super::globals::{has, offset, wanted};
use super::header::{cpu, is_own, now};
use super::output::{has_room, send_fixed};
use super::owner::{self, INBOUND, OUTBOUND, Owner, UNKNOWN};
use super::read::{Task, kernel_into, kernel_u16, kernel_u32, kernel_u64};
use super::sieve;

// include/net/tcp_states.h
const ESTABLISHED: i32 = 1;
const SYN_SENT: i32 = 2;
const SYN_RECV: i32 = 3;
const CLOSE: i32 = 7;
const LISTEN: i32 = 10;

pub(super) const AF_INET: u16 = 2;
pub(super) const AF_INET6: u16 = 10;
const IPPROTO_TCP: u16 = 6;

#[btf_tracepoint(function = "inet_sock_set_state")]
fn vespid_tcp(ctx: BtfTracePointContext) -> i32 {
    let sk: *const u8 = ctx.arg(0);
    let (old, new): (i32, i32) = (ctx.arg(1), ctx.arg(2));
    if !wanted(Kind::Connection)
        || !matches!(new, SYN_SENT | ESTABLISHED | CLOSE)
        || matches!(old, LISTEN | CLOSE) && new == CLOSE
    {
        return 0;
    }
    if !is_tcp(sk as u64) {
        return 0;
    }
    // SAFETY: the helper takes a socket that the verifier trusts.
    let cookie = unsafe { bpf_get_socket_cookie(sk.cast_mut().cast()) };
    let sk = sk as u64;
    if new == SYN_SENT {
        // `connect` runs in the task that called it.
        owner::note(cookie, &Owner::of(Task::current(), is_own(), now(), OUTBOUND));
        return 0;
    }
    let owner = owner::find(cookie);
    if new == ESTABLISHED && old == SYN_RECV && owner.is_none() {
        // Reported when somebody accepts it.
        owner::note(cookie, &Owner::nobody(now(), INBOUND));
        return 0;
    }
    let op = match (old, new) {
        (_, ESTABLISHED) => ConnectionOp::Opened,
        (SYN_SENT, _) => ConnectionOp::Failed,
        (SYN_RECV, _) if owner.is_some() => ConnectionOp::Failed,
        // A half-open connection of a peer that was never established.
        (SYN_RECV, _) => return 0,
        _ => ConnectionOp::Closed,
    };
    let owner = owner.unwrap_or_else(|| Owner::nobody(0, UNKNOWN));
    if owner.own == 0 && passes(op) && has_room(Kind::Connection, || owner.cgroup) {
        send(sk, cookie, op, &owner);
    }
    if new == CLOSE {
        owner::forget(cookie);
    }
    0
}

/// Whether a socket speaks TCP over IPv4 or IPv6: MPTCP, SCTP and DCCP have the same states.
#[inline(always)]
pub(super) fn is_tcp(sk: u64) -> bool {
    matches!(kernel_u16(sk, offset!(skc_family)), AF_INET | AF_INET6)
        && kernel_u16(sk, offset!(sk_protocol)) == IPPROTO_TCP
}

/// Whether somebody wants to know that this happened to a connection. Failing is an operation of its own here.
#[inline(always)]
pub(super) fn passes(op: ConnectionOp) -> bool {
    sieve::passes(Kind::Connection, false, 1 << op as u32)
}

/// Writes a record on a connection.
#[inline(never)]
pub(super) fn send(sk: u64, cookie: u64, op: ConnectionOp, owner: &Owner) {
    send_fixed(Kind::Connection, owner.cgroup, |raw: *mut ConnectionRaw| {
        // SAFETY: room in the ring, all of which is written here.
        unsafe {
            (&raw mut (*raw).header).write(Header {
                len: size_of::<ConnectionRaw>() as u32,
                kind: Kind::Connection as u8,
                abi: ABI_VERSION,
                cpu: cpu() as u16,
                time_ns: now(),
                start_ns: owner.start_ns,
                cgroup: owner.cgroup,
                pid: owner.pid,
                tid: owner.tid,
                uid: owner.uid,
                gid: owner.gid,
            });
            (*raw).cookie = cookie;
            (*raw).began_ns = owner.began_ns;
            (*raw).sent = sent(sk, owner.inbound);
            (*raw).received = received(sk);
            // The kernel keeps it in eighths.
            (*raw).srtt_us = if has!(tcp_srtt) {
                kernel_u32(sk, offset!(tcp_srtt)) >> 3
            } else {
                0
            };
            (*raw).retransmits = if has!(tcp_total_retrans) {
                kernel_u32(sk, offset!(tcp_total_retrans))
            } else {
                0
            };
            (*raw).netns = if has!(skc_net) && has!(net_inum) {
                kernel_u32(kernel_u64(sk, offset!(skc_net)), offset!(net_inum))
            } else {
                0
            };
            (*raw).errno = kernel_u32(sk, offset!(sk_err));
            address(
                sk,
                offset!(skc_v6_rcv_saddr),
                offset!(skc_rcv_saddr),
                &raw mut (*raw).local,
            );
            address(sk, offset!(skc_v6_daddr), offset!(skc_daddr), &raw mut (*raw).remote);
            // skc_num is 0 once the socket is closed.
            (*raw).local_port = u16::from_be(kernel_u16(sk, offset!(inet_sport)));
            (*raw).remote_port = u16::from_be(kernel_u16(sk, offset!(skc_dport)));
            (*raw).op = op as u8;
            (*raw).inbound = owner.inbound;
            (*raw).reserved = 0;
        }
    });
}

/// The address at one end, IPv4 in its IPv6-mapped form: the field at `v6`, or that at `v4`.
///
/// # Safety
/// `out` must be valid for writes, and aligned to 8.
#[inline(always)]
pub(super) unsafe fn address(sk: u64, v6: u32, v4: u32, out: *mut [u8; 16]) {
    // ::ffff:0:0/96, of which the last four bytes follow.
    const MAPPED: [u64; 2] = [0, u64::from_ne_bytes([0, 0, 0xff, 0xff, 0, 0, 0, 0])];
    // SAFETY: the caller's promise.
    unsafe {
        if kernel_u16(sk, offset!(skc_family)) == AF_INET6 && v6 != ABSENT {
            kernel_into(out.cast(), 16, sk, v6);
        } else {
            out.cast::<[u64; 2]>().write(MAPPED);
            kernel_into(out.cast::<u8>().add(12), 4, sk, v4);
        }
    }
}

/// Payload acknowledged by the peer. The kernel's own figure also counts SYN, at the end that connects, and FIN.
#[inline(always)]
fn sent(sk: u64, inbound: u8) -> u64 {
    if !(has!(tcp_bytes_acked) && has!(tcp_bytes_sent) && has!(tcp_bytes_retrans)) {
        return 0;
    }
    let acked = kernel_u64(sk, offset!(tcp_bytes_acked)).saturating_sub(u64::from(inbound == OUTBOUND));
    let again = kernel_u64(sk, offset!(tcp_bytes_retrans));
    acked.min(kernel_u64(sk, offset!(tcp_bytes_sent)).saturating_sub(again))
}

/// Payload received. The kernel's own figure also counts FIN.
#[inline(always)]
fn received(sk: u64) -> u64 {
    if !has!(tcp_bytes_received) {
        return 0;
    }
    let received = kernel_u64(sk, offset!(tcp_bytes_received));
    if !(has!(skc_flags) && has!(sock_done)) {
        return received;
    }
    let fin = (kernel_u64(sk, offset!(skc_flags)) >> (offset!(sock_done) & 63)) & 1;
    received.saturating_sub(fin)
}
