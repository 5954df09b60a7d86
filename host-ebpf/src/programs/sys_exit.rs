//! Opens, execs that failed, and accepted connections: they end a system call.
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use vespid_ebpf::Kind;

use super::globals::wanted;
use super::header::is_own;
use super::syscall::{Calls, ended, table};
use super::{accept, asked, failed_exec, open};

/// What a call does.
pub(super) mod action {
    pub(in super::super) const OPEN: u8 = 1;
    pub(in super::super) const CREAT: u8 = 2;
    pub(in super::super) const OPENAT: u8 = 3;
    pub(in super::super) const OPENAT2: u8 = 4;
    pub(in super::super) const EXEC: u8 = 5;
    pub(in super::super) const EXECAT: u8 = 6;
    pub(in super::super) const ACCEPT: u8 = 7;
}
use action::{ACCEPT, CREAT, EXEC, EXECAT, OPEN, OPENAT, OPENAT2};

/// Whether a call opens a file by name.
#[inline(always)]
pub(super) fn opens(action: u8) -> bool {
    matches!(action, OPEN | CREAT | OPENAT | OPENAT2)
}

pub(super) static CALLS: Calls = Calls {
    native: table(&[
        (2, OPEN),
        (43, ACCEPT),
        (59, EXEC),
        (85, CREAT),
        (257, OPENAT),
        (288, ACCEPT),
        (322, EXECAT),
        (437, OPENAT2),
    ]),
    compat: table(&[
        (5, OPEN),
        (8, CREAT),
        (11, EXEC),
        (295, OPENAT),
        (358, EXECAT),
        (364, ACCEPT),
        (437, OPENAT2),
    ]),
};

#[btf_tracepoint(function = "sys_exit")]
fn vespid_sys_exit(ctx: BtfTracePointContext) -> i32 {
    let Some((task, call, action)) = ended(&ctx, &CALLS) else {
        return 0;
    };
    match action {
        _ if call.restarts() => {}
        EXEC | EXECAT => {
            if wanted(Kind::Exec) && call.result < 0 && !is_own() {
                failed_exec::report(task, call, action);
            }
        }
        ACCEPT => {
            if wanted(Kind::Connection) && call.result >= 0 {
                accept::report(task, call);
            }
        }
        _ => {
            if wanted(Kind::Open) && !is_own() {
                open::report(task, call, action);
            }
        }
    }
    if opens(action) {
        asked::forget();
    }
    0
}
