//! `inet_sock_set_state(sk, old, new)`: runs before the new state is set, in any context.
use aya_ebpf::helpers::generated::bpf_get_socket_cookie;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use vespid_ebpf::Kind;

use super::connection::{SYN_SENT, begins, changes, concerns, tcp};
use super::globals::wanted;

#[btf_tracepoint(function = "inet_sock_set_state")]
fn vespid_tcp(ctx: BtfTracePointContext) -> i32 {
    let sk: *const u8 = ctx.arg(0);
    let (old, new): (i32, i32) = (ctx.arg(1), ctx.arg(2));
    if !wanted(Kind::Connection) || !concerns(old, new) {
        return 0;
    }
    // SAFETY: an argument of the tracepoint.
    let Some(socket) = (unsafe { tcp(sk) }) else {
        return 0;
    };
    // SAFETY: the helper takes a socket that the verifier trusts.
    let cookie = unsafe { bpf_get_socket_cookie(sk.cast_mut().cast()) };
    if new == SYN_SENT {
        begins(cookie);
    } else {
        changes(socket, cookie, old, new);
    }
    0
}
