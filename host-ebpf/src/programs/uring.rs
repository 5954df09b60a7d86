//! Opens through `io_uring`: noted when they are submitted, told of when they complete.
//!
//! A request is worked on by the thread that submitted it or by one that the kernel has made in its process, so files
//! and directories are the current task's. What a request names is freed before it completes. Of one that wants no word
//! of its success (`IOSQE_CQE_SKIP_SUCCESS`) nothing more is heard, so that it is told of when it is submitted.
use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::helpers::generated::bpf_probe_read_kernel_str;
use aya_ebpf::macros::{btf_tracepoint, map};
use aya_ebpf::maps::{LruHashMap, PerCpuArray};
use aya_ebpf::programs::BtfTracePointContext;
use vespid_ebpf::{Kind, MAX_REQUESTS, MAX_TYPED, Outcome as Fate, REQUEST_BYTES, open_traits};

use super::counters::count;
use super::descriptor;
use super::globals::{offset, type_id, wanted};
use super::header::is_own;
use super::open::{Opened, Outcome, Request, judge, tell};
use super::read::{Task, direct, field, kernel, kernel_u32, kernel_u64};
use super::typed::Text;

/// `IORING_OP_OPENAT` and `IORING_OP_OPENAT2`.
const OPENS: [u8; 2] = [18, 28];
/// `REQ_F_CQE_SKIP`, which is `IOSQE_CQE_SKIP_SUCCESS`.
const SKIPS_SUCCESS: u32 = 1 << 6;
/// `O_LARGEFILE`, which the kernel itself adds.
const LARGE_FILE: u64 = 0o100_000;
/// The request was given up before it was worked on.
const ECANCELED: i64 = -125;

/// An open that was submitted.
#[repr(C)]
struct Submitted {
    flags: u64,
    mode: u64,
    directory: i32,
    process: u32,
    /// 0, or the slot among the ring's own files that the file is put into.
    slot: u32,
    /// 1: it has been told of.
    told: u32,
    typed: [u8; MAX_TYPED],
}

// The daemon knows the table too.
const _: () = assert!(size_of::<Submitted>() == REQUEST_BYTES);

/// By the request's address. The oldest goes if there are too many: that of a request of which nothing more is heard.
#[map]
static REQUESTS: LruHashMap<u64, Submitted> = LruHashMap::with_max_entries(MAX_REQUESTS as u32, 0);

#[map]
static REQUEST_SCRATCH: PerCpuArray<Submitted> = PerCpuArray::with_max_entries(1, 0);

/// `io_uring_submit_req(request)`, before Linux 6.4 `io_uring_submit_sqe(request, …)`.
#[btf_tracepoint(function = "io_uring_submit_req")]
fn vespid_io_begin(ctx: BtfTracePointContext) -> i32 {
    let request: *const u8 = ctx.arg(0);
    // SAFETY: the verifier knows the type of the argument.
    if concerns(unsafe { direct(request, offset!(io_opcode)) }) {
        begun(request as u64);
    }
    0
}

/// `io_uring_complete(ring, request, …)`.
#[btf_tracepoint(function = "io_uring_complete")]
fn vespid_io_uring(ctx: BtfTracePointContext) -> i32 {
    // Of a message that belongs to no request it is 0, which reads as 0.
    let request = ctx.arg(1);
    if concerns(field(type_id!(io_kiocb), request, offset!(io_opcode))) {
        completed(request);
        let _gone = REQUESTS.remove(request);
    }
    0
}

#[inline(always)]
fn concerns(operation: u8) -> bool {
    OPENS.contains(&operation) && wanted(Kind::Open) && !is_own()
}

#[inline(never)]
fn begun(request: u64) {
    let Some(submitted) = REQUEST_SCRATCH.get_ptr_mut(0) else {
        return;
    };
    let command = request + u64::from(offset!(io_command));
    let name = kernel_u64(kernel_u64(command, offset!(io_open_filename)), offset!(filename_name));
    let skips = kernel_u32(request, offset!(io_flags)) & SKIPS_SUCCESS != 0;
    // struct open_how { __u64 flags, mode, resolve; }
    let [flags, mode] = kernel(command, offset!(io_open_how)).unwrap_or([0, 0]);
    // SAFETY: a live map value, which is this CPU's while the program runs.
    unsafe {
        (*submitted).flags = flags & !LARGE_FILE;
        (*submitted).mode = mode;
        (*submitted).directory = kernel_u32(command, offset!(io_open_directory)) as i32;
        (*submitted).process = process();
        (*submitted).slot = kernel_u32(command, offset!(io_open_slot));
        (*submitted).told = u32::from(skips);
        let typed = (&raw mut (*submitted).typed).cast();
        bpf_probe_read_kernel_str(typed, MAX_TYPED as u32, name as *const _);
        // Of the request that was there before no word came: its ring had no room for it.
        if REQUESTS.get_ptr(request).is_some_and(|old| (*old).told == 0) {
            count(Kind::Open, Fate::Shed);
        }
        if REQUESTS.insert(request, &*submitted, 0).is_err() {
            count(Kind::Open, Fate::Shed);
        } else if skips {
            let outcome = Outcome {
                result: 0,
                file: Opened::NOTHING,
                traits: open_traits::IO_URING,
            };
            report(submitted, &outcome);
        }
    }
}

#[inline(never)]
fn completed(request: u64) {
    let Some(submitted) = REQUESTS.get_ptr(request) else {
        count(Kind::Open, Fate::Shed);
        return;
    };
    let result = i64::from(kernel_u32(request, offset!(io_result)) as i32);
    // SAFETY: a live map value, which is written before the request is worked on.
    unsafe {
        if (*submitted).told != 0 || result == ECANCELED {
            return;
        }
        // The process is gone, and what it had open with it.
        if (*submitted).process != process() {
            count(Kind::Open, Fate::Unreadable);
            return;
        }
        let file = if result >= 0 && (*submitted).slot == 0 {
            Opened::of(descriptor::file(result as u32))
        } else {
            Opened::NOTHING
        };
        let outcome = Outcome {
            result,
            file,
            traits: open_traits::IO_URING,
        };
        report(submitted, &outcome);
    }
}

/// # Safety
/// `submitted` must be a live map value.
#[inline(always)]
unsafe fn report(submitted: *const Submitted, outcome: &Outcome) {
    let task = Task::current();
    // SAFETY: the caller's promise.
    let request = unsafe {
        Request {
            directory: (*submitted).directory,
            typed: Text::Kernel(&raw const (*submitted).typed as u64),
            flags: (*submitted).flags,
            mode: (*submitted).mode,
        }
    };
    // The kernel's threads in a process keep the user that it had when they were made.
    let leader = Task(task.follow(offset!(task_group_leader)));
    if let Some(verdict) = judge(request.flags, outcome.result) {
        tell(task, leader, &request, outcome, verdict);
    }
}

#[inline(always)]
fn process() -> u32 {
    (bpf_get_current_pid_tgid() >> 32) as u32
}
