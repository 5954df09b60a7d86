//! `sys_exit(regs, result)`: runs after every system call of every task, so what does not concern us leaves at once.
//!
//! The registers still hold the arguments. What user pointers refer to may have been changed by another thread since
//! the kernel read it, hence "as typed".
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use vespid_ebpf::Kind;

use super::globals::{offset, wanted};
use super::header::is_own;
use super::read::{Task, direct};
use super::{accept, failed_exec, open};

/// `TS_COMPAT` in arch/x86/include/asm/thread_info.h: the call came through the 32-bit table.
const COMPAT: u32 = 2;
/// `ERESTARTSYS` … `ERESTART_RESTARTBLOCK`: the call was interrupted and comes again.
const RESTARTS: core::ops::RangeInclusive<i64> = -516..=-512;

/// What a call that concerns us does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Open,
    Creat,
    OpenAt,
    OpenAt2,
    Exec,
    ExecAt,
    Accept,
}

/// A call that has returned.
#[derive(Clone, Copy)]
pub(super) struct Call {
    regs: *const u8,
    compat: bool,
    pub(super) result: i64,
}

impl Call {
    /// An argument of the call, counted from 0.
    #[inline(always)]
    pub(super) fn argument(self, index: u32) -> u64 {
        let (native, compat) = match index {
            0 => (offset!(regs_di), offset!(regs_bx)),
            1 => (offset!(regs_si), offset!(regs_cx)),
            2 => (offset!(regs_dx), offset!(regs_dx)),
            _ => (offset!(regs_r10), offset!(regs_si)),
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

/// The x86-64 table.
#[inline(always)]
fn native(number: u64) -> Option<Action> {
    match number {
        2 => Some(Action::Open),
        85 => Some(Action::Creat),
        257 => Some(Action::OpenAt),
        437 => Some(Action::OpenAt2),
        59 => Some(Action::Exec),
        322 => Some(Action::ExecAt),
        43 | 288 => Some(Action::Accept),
        _ => None,
    }
}

/// The i386 table, which `int 0x80` uses even in a 64-bit process.
#[inline(always)]
fn compat(number: u64) -> Option<Action> {
    match number {
        5 => Some(Action::Open),
        8 => Some(Action::Creat),
        295 => Some(Action::OpenAt),
        437 => Some(Action::OpenAt2),
        11 => Some(Action::Exec),
        358 => Some(Action::ExecAt),
        364 => Some(Action::Accept),
        _ => None,
    }
}

#[btf_tracepoint(function = "sys_exit")]
fn vespid_sys_exit(ctx: BtfTracePointContext) -> i32 {
    let regs: *const u8 = ctx.arg(0);
    // SAFETY: `regs` is an argument of the tracepoint.
    let number: u64 = unsafe { direct(regs, offset!(regs_orig_ax)) };
    if native(number).is_none() && compat(number).is_none() {
        return 0;
    }
    let task = Task::current();
    let is_compat = task.field::<u32>(offset!(task_status)) & COMPAT != 0;
    let Some(action) = (if is_compat { compat(number) } else { native(number) }) else {
        return 0;
    };
    let call = Call {
        regs,
        compat: is_compat,
        result: ctx.arg(1),
    };
    if RESTARTS.contains(&call.result) {
        return 0;
    }
    match action {
        Action::Exec | Action::ExecAt => {
            if wanted(Kind::Exec) && call.result < 0 && !is_own() {
                failed_exec::report(task, call, action);
            }
        }
        Action::Accept => {
            if wanted(Kind::Connection) && call.result >= 0 {
                accept::report(task, call);
            }
        }
        Action::Open | Action::Creat | Action::OpenAt | Action::OpenAt2 => {
            if wanted(Kind::Open) && !is_own() {
                open::report(task, call, action);
            }
        }
    }
    0
}
