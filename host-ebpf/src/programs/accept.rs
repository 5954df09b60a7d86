//! An `accept` or `accept4` that returned a descriptor: the first time that the owner of an inbound connection is known.
use vespid_ebpf::{ConnectionOp, Kind};

use super::globals::offset;
use super::header::{is_own, now};
use super::output::has_room;
use super::owner::{self, INBOUND, Owner};
use super::read::{Task, kernel_u64};
use super::syscall::Call;
use super::{descriptor, tcp};

#[inline(never)]
pub(super) fn report(task: Task, call: Call) {
    let file = descriptor::file(task, call.result as u32);
    let sk = kernel_u64(kernel_u64(file, offset!(file_private)), offset!(socket_sk));
    if sk == 0 || !tcp::is_tcp(sk) {
        return;
    }
    // Not 0 since the connection was established, unless that was before we were there.
    let cookie = kernel_u64(sk, offset!(skc_cookie));
    let began = owner::find(cookie).map_or(0, |owner| owner.began_ns);
    let began = if began == 0 { now() } else { began };
    let owner = Owner::of(task, is_own(), began, INBOUND);
    owner::renote(cookie, &owner);
    if owner.own == 0 && tcp::passes(ConnectionOp::Accepted) && has_room(Kind::Connection, || owner.cgroup) {
        tcp::send(sk, cookie, ConnectionOp::Accepted, &owner);
    }
}
