//! A system call that has returned, and which of them concern a program.
//!
//! The registers still hold the arguments. What user pointers refer to may have been changed by another thread since
//! the kernel read it, hence "as typed".
use aya_ebpf::helpers::generated::bpf_task_pt_regs;
use aya_ebpf::programs::BtfTracePointContext;

use super::globals::offset;
use super::read::{Task, direct};

/// `TS_COMPAT` in arch/x86/include/asm/thread_info.h: the call came through the 32-bit table.
const COMPAT: u32 = 2;
/// `ERESTARTSYS` … `ERESTART_RESTARTBLOCK`: the call was interrupted and comes again.
const RESTARTS: core::ops::RangeInclusive<i64> = -516..=-512;

/// A call that has returned.
#[derive(Clone, Copy)]
pub(super) struct Call {
    regs: *const u8,
    compat: bool,
    pub(super) result: i64,
}

impl Call {
    /// Whether it was interrupted and comes again, as if it had not been made yet.
    #[inline(always)]
    pub(super) fn restarts(self) -> bool {
        RESTARTS.contains(&self.result)
    }

    /// An argument of the call, counted from 0.
    #[inline(always)]
    pub(super) fn argument(self, index: u32) -> u64 {
        let (native, compat) = match index {
            0 => (offset!(regs_di), offset!(regs_bx)),
            1 => (offset!(regs_si), offset!(regs_cx)),
            2 => (offset!(regs_dx), offset!(regs_dx)),
            3 => (offset!(regs_r10), offset!(regs_si)),
            4 => (offset!(regs_r8), offset!(regs_di)),
            _ => (offset!(regs_r9), offset!(regs_bp)),
        };
        // SAFETY: `regs` is an argument of the tracepoint.
        unsafe {
            if self.compat {
                u64::from(direct::<u32>(self.regs, compat))
            } else {
                direct(self.regs, native)
            }
        }
    }
}

/// Numbers that a table has room for; no system call's is larger.
pub(super) const NUMBERS: usize = 512;

/// What a program makes of each system call, by number; 0 for those that do not concern it. One for the x86-64 table,
/// and one for the i386 table, which `int 0x80` uses even in a 64-bit process.
#[derive(Clone, Copy)]
pub(super) struct Calls {
    pub(super) native: [u8; NUMBERS],
    pub(super) compat: [u8; NUMBERS],
}

/// A table of [`Calls`], from pairs of number and action.
pub(super) const fn table(pairs: &[(usize, u8)]) -> [u8; NUMBERS] {
    let mut table = [0; NUMBERS];
    let mut at = 0;
    while at < pairs.len() {
        table[pairs[at].0] = pairs[at].1;
        at += 1;
    }
    table
}

/// The call that has just returned, if it concerns a program, and what it is to that program. `calls` must be a static:
/// it is read from the programs' read-only data.
#[inline(always)]
pub(super) fn returned(ctx: &BtfTracePointContext, calls: &'static Calls) -> Option<(Task, Call, u8)> {
    ended(ctx, calls).filter(|(_, call, _)| !call.restarts())
}

/// Like [`returned`], of calls as well that come again.
#[inline(always)]
pub(super) fn ended(ctx: &BtfTracePointContext, calls: &'static Calls) -> Option<(Task, Call, u8)> {
    let regs: *const u8 = ctx.arg(0);
    // SAFETY: `regs` is an argument of the tracepoint.
    let (task, compat, action) = unsafe { concerns(regs, calls)? };
    let call = Call {
        regs,
        compat,
        result: ctx.arg(1),
    };
    Some((task, call, action))
}

/// The call that the current task is in, if it concerns a program: what it is to that program.
#[inline(always)]
pub(super) fn in_flight(calls: &'static Calls) -> Option<(Task, u8)> {
    // SAFETY: the task is trusted, and so is what the helper returns.
    unsafe {
        let regs = bpf_task_pt_regs(Task::current().0 as *mut _) as *const u8;
        // A thread that the kernel has made in a process has the number of the call that its maker was in, and returns from
        // none: nothing would end what is noted of it.
        if direct::<u64>(regs, offset!(regs_ip)) == 0 {
            return None;
        }
        let (task, _, action) = concerns(regs, calls)?;
        Some((task, action))
    }
}

/// What a call is to a program; `None` if nothing. Also says whether it came through the 32-bit table.
///
/// # Safety
/// `regs` must be known to the verifier as those of the current task.
#[inline(always)]
unsafe fn concerns(regs: *const u8, calls: &'static Calls) -> Option<(Task, bool, u8)> {
    // SAFETY: the caller's promise.
    let number: u64 = unsafe { direct(regs, offset!(regs_orig_ax)) };
    let at = number as usize & (NUMBERS - 1);
    // SAFETY: `at` is below the length of both.
    let (native, compat) = unsafe {
        (
            calls.native.as_ptr().add(at).read_volatile(),
            calls.compat.as_ptr().add(at).read_volatile(),
        )
    };
    if native | compat == 0 || number >= NUMBERS as u64 {
        return None;
    }
    let task = Task::current();
    let is_compat = task.field::<u32>(offset!(task_status)) & COMPAT != 0;
    let action = if is_compat { compat } else { native };
    if action == 0 {
        return None;
    }
    Some((task, is_compat, action))
}
