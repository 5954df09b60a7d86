//! What control groups say of their sockets (`BPF_PROG_TYPE_SOCK_OPS`): the way to see connections where the tracepoint
//! is not to be had.
//!
//! Attached to the root of the v2 hierarchy, it is called for each socket of the node, whatever the network namespace.
//! A socket tells of its states only once it has been asked to, so those older than the probe are not seen. What it was
//! asked stays with the socket, and other programs may ask too: so this one only adds to it.
use aya_ebpf::bindings::{
    BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB, BPF_SOCK_OPS_STATE_CB, BPF_SOCK_OPS_STATE_CB_FLAG,
    BPF_SOCK_OPS_TCP_CONNECT_CB, bpf_sock_ops,
};
use aya_ebpf::helpers::generated::{bpf_get_socket_cookie, bpf_sock_ops_cb_flags_set};
use aya_ebpf::macros::sock_ops;
use aya_ebpf::programs::SockOpsContext;
use vespid_ebpf::Kind;

use super::connection::{begins, changes, concerns, tcp};
use super::globals::wanted;

/// Whatever it returned else, the kernel would take for a refusal of what was asked.
const GO_ON: u32 = 1;

#[sock_ops]
fn vespid_sock_ops(ctx: SockOpsContext) -> u32 {
    let op = ctx.op();
    if matches!(
        op,
        BPF_SOCK_OPS_TCP_CONNECT_CB | BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB | BPF_SOCK_OPS_STATE_CB
    ) && wanted(Kind::Connection)
    {
        report(ctx.ops, op);
    }
    GO_ON
}

#[inline(always)]
fn report(ops: *mut bpf_sock_ops, op: u32) {
    // SAFETY: the context, of which the verifier allows what it has.
    let (old, new, sk) = unsafe {
        let [old, new, ..] = (*ops).__bindgen_anon_1.args;
        (old as i32, new as i32, (*ops).__bindgen_anon_2.sk)
    };
    if op == BPF_SOCK_OPS_STATE_CB && !concerns(old, new) || sk.is_null() {
        return;
    }
    // SAFETY: a socket of the context.
    let Some(socket) = (unsafe { tcp(sk.cast_const().cast()) }) else {
        return;
    };
    // SAFETY: the context. The helper also gives a cookie to a socket that has none yet.
    let cookie = unsafe { bpf_get_socket_cookie(ops.cast()) };
    if op == BPF_SOCK_OPS_STATE_CB {
        changes(socket, cookie, old, new);
        return;
    }
    if op == BPF_SOCK_OPS_TCP_CONNECT_CB {
        begins(cookie);
    }
    // SAFETY: the context.
    unsafe {
        let flags = (*ops).bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG;
        bpf_sock_ops_cb_flags_set(ops, flags as i32);
    }
}
