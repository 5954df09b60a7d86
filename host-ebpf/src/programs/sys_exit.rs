//! `sys_exit(regs, result)`: runs after every system call of every task, so there is one program, and what concerns none of
//! the others leaves it at once.
//!
//! Each kind of call has a program of its own, in which this one ends (a tail call). Which programs can be called, the daemon
//! says: the slot of a kind that nobody wants is empty, and so is that of a program that the kernel has refused. Opens come by
//! the million, so at these this one takes a glance first.
use aya_ebpf::macros::{btf_tracepoint, map};
use aya_ebpf::maps::ProgramArray;
use aya_ebpf::programs::BtfTracePointContext;
use vespid_ebpf::Slot;

use super::syscall::{Calls, NUMBERS, ended};
use super::{accept, change, failed_exec, open, privileged, socket};

#[map]
static CALLED: ProgramArray = ProgramArray::with_max_entries(Slot::COUNT, 0);

/// By number, the slot of the program that a call concerns, or the action of [`open::CALLS`].
static CALLS: Calls = open::CALLS
    .beside(&failed_exec::CALLS, Slot::FailedExec)
    .beside(&accept::CALLS, Slot::Accept)
    .beside(&change::CALLS, Slot::Change)
    .beside(&privileged::CALLS, Slot::Privileged)
    .beside(&socket::CALLS, Slot::Socket);

#[btf_tracepoint(function = "sys_exit")]
fn vespid_sys_exit(ctx: BtfTracePointContext) -> i32 {
    let Some((task, call, action)) = ended(&ctx, &CALLS) else {
        return 0;
    };
    let slot = if action >= Slot::FIRST {
        action
    } else if open::is_worth_a_look(task, call, action) {
        Slot::Open as u8
    } else {
        open::forget();
        return 0;
    };
    go_on(&ctx, slot);
    0
}

/// Ends in the program of a slot, or comes back if the slot is empty. Not to be called from within another function: the
/// stack of that one would be kept, and the kernel allows for half as much.
#[inline(always)]
fn go_on(ctx: &BtfTracePointContext, slot: u8) {
    // SAFETY: nothing in the caller is to be dropped.
    unsafe { CALLED.tail_call(ctx, u32::from(slot)) };
}

impl Calls {
    /// These calls and those of another program, which have to be others.
    const fn beside(mut self, calls: &Calls, slot: Slot) -> Calls {
        let mut number = 0;
        while number < NUMBERS {
            if calls.native[number] != 0 {
                assert!(self.native[number] == 0, "a call concerns one program");
                self.native[number] = slot as u8;
            }
            if calls.compat[number] != 0 {
                assert!(self.compat[number] == 0, "a call concerns one program");
                self.compat[number] = slot as u8;
            }
            number += 1;
        }
        self
    }
}
