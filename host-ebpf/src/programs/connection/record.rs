//! The record on a connection.
use vespid_ebpf::{ABI_VERSION, ABSENT, ConnectionOp, ConnectionRaw, Header, Kind};

use super::AF_INET6;
use super::fields::Fields;
use crate::programs::globals::{has, offset};
use crate::programs::header::{cpu, now};
use crate::programs::output::send_fixed;
use crate::programs::owner::{OUTBOUND, Owner};

/// Writes a record on a connection.
#[inline(never)]
pub(in crate::programs) fn send<S: Fields>(sk: S, cookie: u64, op: ConnectionOp, owner: &Owner) {
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
                sk.load::<u32>(offset!(tcp_srtt)) >> 3
            } else {
                0
            };
            (*raw).retransmits = if has!(tcp_total_retrans) {
                sk.load(offset!(tcp_total_retrans))
            } else {
                0
            };
            (*raw).netns = network(sk);
            (*raw).errno = sk.load(offset!(sk_err));
            let local = address(sk, offset!(skc_v6_rcv_saddr), offset!(skc_rcv_saddr));
            let remote = address(sk, offset!(skc_v6_daddr), offset!(skc_daddr));
            (&raw mut (*raw).local).cast::<[u64; 2]>().write(local);
            (&raw mut (*raw).remote).cast::<[u64; 2]>().write(remote);
            // skc_num is 0 once the socket is closed.
            (*raw).local_port = u16::from_be(sk.load(offset!(inet_sport)));
            (*raw).remote_port = u16::from_be(sk.load(offset!(skc_dport)));
            (*raw).op = op as u8;
            (*raw).inbound = owner.inbound;
            (*raw).reserved = 0;
            (*raw).local_isn = owner.isns.local;
            (*raw).remote_isn = owner.isns.remote;
        }
    });
}

/// Inode number of a socket's network namespace; 0 if it is not known.
#[inline(always)]
pub(in crate::programs) fn network<S: Fields>(sk: S) -> u32 {
    if has!(skc_net) && has!(net_inum) {
        sk.follow(offset!(skc_net)).load(offset!(net_inum))
    } else {
        0
    }
}

/// The address at one end, IPv4 in its IPv6-mapped form: the field at `v6`, or that at `v4`.
#[inline(always)]
pub(in crate::programs) fn address<S: Fields>(sk: S, v6: u32, v4: u32) -> [u64; 2] {
    if sk.load::<u16>(offset!(skc_family)) == AF_INET6 && v6 != ABSENT {
        return [sk.load(v6), sk.load(v6 + 8)];
    }
    // ::ffff:0:0/96, of which the last four bytes follow.
    let prefix = u64::from_ne_bytes([0, 0, 0xff, 0xff, 0, 0, 0, 0]);
    [0, prefix | u64::from(sk.load::<u32>(v4)) << 32]
}

/// Payload acknowledged by the peer. The kernel's own figure also counts SYN, at the end that connects, and FIN.
#[inline(always)]
fn sent<S: Fields>(sk: S, inbound: u8) -> u64 {
    if !(has!(tcp_bytes_acked) && has!(tcp_bytes_sent) && has!(tcp_bytes_retrans)) {
        return 0;
    }
    let acked = sk
        .load::<u64>(offset!(tcp_bytes_acked))
        .saturating_sub(u64::from(inbound == OUTBOUND));
    let again: u64 = sk.load(offset!(tcp_bytes_retrans));
    acked.min(sk.load::<u64>(offset!(tcp_bytes_sent)).saturating_sub(again))
}

/// Payload received. The kernel's own figure also counts FIN.
#[inline(always)]
fn received<S: Fields>(sk: S) -> u64 {
    if !has!(tcp_bytes_received) {
        return 0;
    }
    let received: u64 = sk.load(offset!(tcp_bytes_received));
    if !(has!(skc_flags) && has!(sock_done)) {
        return received;
    }
    let fin = (sk.load::<u64>(offset!(skc_flags)) >> (offset!(sock_done) & 63)) & 1;
    received.saturating_sub(fin)
}
