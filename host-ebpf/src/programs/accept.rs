//! An `accept` or `accept4` that returned a descriptor: the first time that the owner of an inbound connection is known.
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use vespid_ebpf::{ConnectionOp, Kind};

use super::connection::{At, Fields, SYN_RECV, is_tcp, isns, passes, send};
use super::descriptor;
use super::globals::{has, offset, wanted};
use super::header::now;
use super::output::has_room;
use super::owner::{self, INBOUND, Owner};
use super::read::{Task, word};
use super::syscall::{Call, Calls, returned, table};

const ACCEPT: u8 = 1;

pub(super) static CALLS: Calls = Calls {
    native: table(&[(43, ACCEPT), (288, ACCEPT)]),
    compat: table(&[(364, ACCEPT)]),
};

/// Called by [`super::sys_exit`].
#[btf_tracepoint(function = "sys_exit")]
fn vespid_accept(ctx: BtfTracePointContext) -> i32 {
    let Some((task, call, _)) = returned(&ctx, &CALLS) else {
        return 0;
    };
    if call.result >= 0 && wanted(Kind::Connection) {
        report(task, call);
    }
    0
}

#[inline(never)]
fn report(task: Task, call: Call) {
    let file = descriptor::file(call.result as u32);
    let sk = word(word(file, offset!(file_private)), offset!(socket_sk));
    if sk == 0 || !is_tcp(At(sk)) {
        return;
    }
    // Not 0 since the connection was established, unless that was before we were there, or is still to come.
    let cookie: u64 = At(sk).load(offset!(skc_cookie));
    let known = owner::find(cookie).filter(|owner| owner.began_ns != 0);
    let mut owner = Owner::of(task, known.map_or_else(now, |known| known.began_ns), INBOUND);
    owner.isns = known.map_or_else(|| isns(At(sk), INBOUND), |known| known.isns);
    match cookie {
        0 => {}
        _ if is_early(sk) => owner::note(cookie, &owner),
        _ => owner::renote(cookie, &owner),
    }
    if owner.own == 0 && passes(At(sk), ConnectionOp::Accepted, &owner) && has_room(Kind::Connection, || owner.cgroup) {
        send(At(sk), cookie, ConnectionOp::Accepted, &owner);
    }
}

/// Whether the connection is not established yet: TCP Fast Open gives it out when its SYN has come.
#[inline(always)]
fn is_early(sk: u64) -> bool {
    has!(skc_state) && i32::from(At(sk).load::<u8>(offset!(skc_state))) == SYN_RECV
}
