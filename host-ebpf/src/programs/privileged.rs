//! Calls that need, give or take away power, when they return: `sys_exit(regs, result)`.
//!
//! Some of them share a number with calls that come by the thousand: `clone` makes threads, `fcntl` sets flags. Those
//! are told apart by their registers, before anything is looked at.
mod calls;
mod request;

use core::ffi::c_void;

use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use vespid_ebpf::{Kind, MAX_TYPED, Outcome, PathEnd, PrivilegedRaw};

pub(super) use self::calls::CALLS;
use self::calls::concerns;
use self::request::{Detail, Request, Target, request};
use super::connection::{self, At};
use super::counters::count;
use super::globals::{offset, wanted};
use super::header::{header, is_own, own_cgroup_id};
use super::names;
use super::namespaces;
use super::output::{has_room, send};
use super::pids;
use super::read::{Task, kernel_u16, kernel_u32, kernel_u64};
use super::scratch::{PRIVILEGED_SIZE, Scratch, of_privileged, place};
use super::sieve::{self, Verdict};
use super::syscall::{Call, returned};
use super::typed::append_typed;
use super::walk::{append_path, path_step};
use super::who::Who;

/// Called by [`super::sys_exit`].
#[btf_tracepoint(function = "sys_exit")]
fn vespid_privileged(ctx: BtfTracePointContext) -> i32 {
    let Some((task, call, action)) = returned(&ctx, &CALLS) else {
        return 0;
    };
    if concerns(call, action) && wanted(Kind::Privileged) && !is_own() {
        report(task, call, action);
    }
    0
}

#[inline(never)]
fn report(task: Task, call: Call, action: u8) {
    let Some(request) = request(task, call, action) else {
        return;
    };
    let verdict = sieve::judge(Kind::Privileged, call.result < 0, request.op as u32, || Who::of(task));
    if !verdict.passes() || !has_room(Kind::Privileged, own_cgroup_id) {
        return;
    }
    // SAFETY: a scratch from its map.
    let sent = of_privileged().and_then(|scratch| unsafe { describe(scratch, task, call.result, &request, verdict) });
    if sent.is_none() {
        count(Kind::Privileged, Outcome::Unreadable);
    }
}

#[inline(always)]
unsafe fn describe(
    scratch: *mut Scratch<PRIVILEGED_SIZE>,
    task: Task,
    result: i64,
    request: &Request,
    verdict: Verdict,
) -> Option<()> {
    let target = match request.target {
        Target::Nobody => 0,
        Target::Thread(number) => pids::find(task, number),
        Target::Parent => task.pointer(offset!(task_real_parent)),
    };
    let leader = kernel_u64(target, offset!(task_group_leader));
    // SAFETY: `scratch` points into its map; `place` checks what is written.
    unsafe {
        names::keep(scratch, verdict);
        let raw: *mut PrivilegedRaw = (&raw mut (*scratch).record).cast();
        let at = &raw mut (*scratch).walk.at;
        at.write_volatile(size_of::<PrivilegedRaw>() as u64);
        let (detail_len, detail_end) = match request.detail {
            Detail::None => (0, PathEnd::Absent),
            Detail::Typed(text) => (
                append_typed::<PRIVILEGED_SIZE, MAX_TYPED>(scratch, text)?,
                PathEnd::Absent,
            ),
            Detail::Path(path) => append_path(scratch, privileged_path_step, task, path),
            Detail::Remote(sk) => (append_remote(scratch, sk)?, PathEnd::Absent),
        };
        let len = at.read_volatile();
        (&raw mut (*raw).header).write(header(Kind::Privileged, len as u32, task));
        (*raw).argument = request.argument;
        (*raw).target_start_ns = kernel_u64(leader, offset!(task_start));
        (*raw).target_pid = kernel_u32(leader, offset!(task_tgid));
        (*raw).code = request.code;
        (*raw).result = result;
        (*raw).detail_len = detail_len;
        (*raw).op = request.op as u8;
        (*raw).detail_end = detail_end as u8;
        (*raw).reserved = 0;
        namespaces::tell(scratch);
        send(Kind::Privileged, scratch)
    }
}

/// Appends the remote address and port of a socket, both in network order; says how long they are.
///
/// # Safety
/// `scratch` must point into its map.
#[inline(always)]
unsafe fn append_remote(scratch: *mut Scratch<PRIVILEGED_SIZE>, sk: u64) -> Option<u16> {
    const LEN: u16 = 18;
    let port = kernel_u16(sk, offset!(skc_dport));
    if port == 0 {
        return Some(0);
    }
    // SAFETY: the caller's promise; `place` makes sure of the room, and the fixed part ends at a multiple of 8.
    unsafe {
        let (from, out) = place(scratch, LEN as usize)?;
        let remote = connection::address(At(sk), offset!(skc_v6_daddr), offset!(skc_daddr));
        out.cast::<[u64; 2]>().write(remote);
        out.add(16).cast::<u16>().write(port);
        (&raw mut (*scratch).walk.at).write_volatile(from + u64::from(LEN));
        Some(LEN)
    }
}

unsafe extern "C" fn privileged_path_step(_: u64, _: *mut c_void) -> i64 {
    // SAFETY: the scratch is from its map.
    of_privileged().map_or(1, |scratch| unsafe { path_step(scratch) })
}
