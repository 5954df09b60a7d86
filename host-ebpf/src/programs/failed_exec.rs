//! An `execve` or `execveat` that returned: it failed.
use core::ffi::c_void;

use aya_ebpf::helpers::generated::bpf_probe_read_user_str;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use vespid_ebpf::{ExecRaw, Kind, MAX_TYPED, Outcome};

use super::counters::count;
use super::globals::wanted;
use super::header::{header, is_own, own_cgroup_id};
use super::names;
use super::namespaces;
use super::output::{has_room, send};
use super::read::Task;
use super::scratch::{CALL_SIZE, Scratch, of_call};
use super::sieve::{self, Verdict};
use super::syscall::{Call, Calls, returned, table};
use super::who::Who;

/// What a call does.
mod action {
    pub(super) const EXEC: u8 = 1;
    pub(super) const EXECAT: u8 = 2;
}
use action::{EXEC, EXECAT};

pub(super) static CALLS: Calls = Calls {
    native: table(&[(59, EXEC), (322, EXECAT)]),
    compat: table(&[(11, EXEC), (358, EXECAT)]),
};

/// Called by [`super::sys_exit`].
#[btf_tracepoint(function = "sys_exit")]
fn vespid_failed_exec(ctx: BtfTracePointContext) -> i32 {
    let Some((task, call, action)) = returned(&ctx, &CALLS) else {
        return 0;
    };
    if call.result < 0 && wanted(Kind::Exec) && !is_own() {
        report(task, call, action);
    }
    0
}

#[inline(never)]
fn report(task: Task, call: Call, action: u8) {
    let verdict = sieve::judge(Kind::Exec, true, 0, || Who::of(task));
    if !verdict.passes() || !has_room(Kind::Exec, own_cgroup_id) {
        return;
    }
    // SAFETY: a scratch from its map.
    let sent = of_call().and_then(|scratch| unsafe { describe(scratch, task, call, action, verdict) });
    if sent.is_none() {
        count(Kind::Exec, Outcome::Unreadable);
    }
}

#[inline(always)]
unsafe fn describe(
    scratch: *mut Scratch<CALL_SIZE>,
    task: Task,
    call: Call,
    action: u8,
    verdict: Verdict,
) -> Option<()> {
    const FIXED: usize = size_of::<ExecRaw>();
    let filename = call.argument(if action == EXECAT { 1 } else { 0 });
    // SAFETY: `scratch` points into its map, and is larger than what is written.
    unsafe {
        names::keep(scratch, verdict);
        let record: *mut u8 = (&raw mut (*scratch).record).cast();
        let with_nul = bpf_probe_read_user_str(record.add(FIXED).cast(), MAX_TYPED as u32, filename as *const c_void);
        let filename_len = if with_nul > 0 {
            (with_nul as u64 - 1) & (MAX_TYPED as u64 - 1)
        } else {
            0
        };
        let len = FIXED as u64 + filename_len;
        if names::needs_name(scratch) && vespid_exec_named(len) == 0 {
            count(Kind::Exec, Outcome::Filtered);
            return Some(());
        }
        let raw: *mut ExecRaw = record.cast();
        core::ptr::write_bytes(raw.cast::<u64>(), 0, FIXED / 8);
        (&raw mut (*raw).header).write(header(Kind::Exec, len as u32, task));
        (*raw).errno = (-call.result) as u32;
        (*raw).filename_len = filename_len as u16;
        (&raw mut (*scratch).walk.at).write_volatile(len);
        namespaces::tell(scratch);
        send(Kind::Exec, scratch)
    }
}

/// Whether the text of the record in the making, which ends at `to`, has a name that is looked for; if not, it is 0.
/// Verified once, as [`super::sieve`] has it.
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn vespid_exec_named(to: u64) -> i32 {
    // SAFETY: the scratch is from its map.
    let is_named = of_call().is_none_or(|scratch| unsafe {
        !names::begin_search(scratch, u32::MAX)
            || names::text_passes(scratch, exec_text_step, size_of::<ExecRaw>() as u64, to)
    });
    i32::from(is_named)
}

unsafe extern "C" fn exec_text_step(_: u64, _: *mut c_void) -> i64 {
    // SAFETY: the scratch is from its map.
    of_call().map_or(1, |scratch| unsafe { names::text_step::<_, false>(scratch) })
}
