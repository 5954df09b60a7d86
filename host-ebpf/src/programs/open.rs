//! An `open`, `openat`, `openat2` or `creat` that returned.
mod asked;
mod calls;
mod opened;
mod request;

use core::ffi::c_void;

use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use vespid_ebpf::sieve::access;
use vespid_ebpf::{Kind, MAX_TYPED, OpenRaw, Outcome as Fate, PathEnd, open_traits};

pub(super) use self::asked::forget;
pub(super) use self::calls::CALLS;
pub(super) use self::opened::Opened;
pub(super) use self::request::Request;
use self::request::flags;
use super::counters::count;
use super::descriptor;
use super::glance;
use super::globals::{has, offset, type_id, wanted};
use super::header::{header, is_of_daemon, own_cgroup_id};
use super::merge::{self, Way};
use super::names::{self, Steps};
use super::namespaces;
use super::output::{has_room, try_send};
use super::overlay;
use super::read::{Task, field, word};
use super::scratch::{CALL_SIZE, Scratch, of_call};
use super::sieve::{self, Verdict};
use super::syscall::{Call, ended};
use super::typed::append_text;
use super::walk::{append_path, path_step};
use super::who::Who;

/// `FMODE_CREATED` in include/linux/fs.h.
const FMODE_CREATED: u32 = 1 << 20;

/// What came of a call.
pub(super) struct Outcome {
    /// A descriptor, or the negated errno.
    pub(super) result: i64,
    pub(super) file: Opened,
    /// Of [`open_traits`].
    pub(super) traits: u8,
}

/// Called by [`super::sys_exit`], which has taken a glance at it.
#[btf_tracepoint(function = "sys_exit")]
fn vespid_open(ctx: BtfTracePointContext) -> i32 {
    if let Some((task, call, action)) = ended(&ctx, &CALLS) {
        if wanted(Kind::Open) {
            report(task, call, action);
        }
        forget();
    }
    0
}

#[inline(always)]
fn report(task: Task, call: Call, action: u8) {
    let request = Request::of(call, action);
    let Some(verdict) = judge(request.flags, call.result) else {
        return;
    };
    let file = if call.result < 0 {
        Opened::NOTHING
    } else {
        asked::unless_replaced(descriptor::file_of(task, call.result as u32))
    };
    let outcome = Outcome {
        result: call.result,
        file,
        traits: 0,
    };
    tell(task, task, &request, &outcome, verdict);
}

/// Whether a call has opened something that somebody may want, or tried to. If nobody can, that is booked.
#[inline(always)]
pub(super) fn is_worth_a_look(task: Task, call: Call, action: u8) -> bool {
    if call.restarts() || !wanted(Kind::Open) || is_of_daemon(task) {
        return false;
    }
    let flags = flags(call, action);
    let Some(verdict) = judge(flags, call.result) else {
        return false;
    };
    if call.result < 0 {
        return true;
    }
    let path = || asked::path_unless_replaced(descriptor::file_of(task, call.result as u32));
    let is_ruled_out = glance::rules_out(verdict, access(flags as u32), path);
    if is_ruled_out {
        count(Kind::Open, Fate::Filtered);
    }
    !is_ruled_out
}

/// Whether somebody may want an open that is over, whatever its file and whoever made it.
#[inline(always)]
pub(super) fn judge(flags: u64, result: i64) -> Option<Verdict> {
    let verdict = sieve::judge_by_whomever(Kind::Open, result < 0, access(flags as u32));
    if verdict.passes() { Some(verdict) } else { None }
}

/// Tells of an open that may be wanted. `task` is the current one; the process is that of `subject`.
#[inline(always)]
pub(super) fn tell(task: Task, subject: Task, request: &Request, outcome: &Outcome, verdict: Verdict) {
    // SAFETY: a scratch from its map.
    if unsafe { tell_in(of_call(), task, subject, request, outcome, verdict) }.is_none() {
        count(Kind::Open, Fate::Unreadable);
    }
}

/// The same, in a scratch. A function, since the compiler would not put a closure where it is called, and that takes more
/// of the stack than there is.
///
/// # Safety
/// `scratch` must point into its map.
#[inline(always)]
unsafe fn tell_in(
    scratch: Option<*mut Scratch<CALL_SIZE>>,
    task: Task,
    subject: Task,
    request: &Request,
    outcome: &Outcome,
    verdict: Verdict,
) -> Option<()> {
    let scratch = scratch?;
    // SAFETY: the caller's promise.
    unsafe {
        if !is_wanted(scratch, task, subject, request, outcome, verdict)? {
            return Some(());
        }
        // Of what has no file nothing tells whether it is the same again.
        let window = if outcome.file.path != 0 { merge::window() } else { 0 };
        // What is merged takes no room.
        if window == 0 && !has_room(Kind::Open, own_cgroup_id) {
            return Some(());
        }
        describe(scratch, task, subject, request, outcome, window, verdict)
    }
}

/// Whether somebody wants what was opened, or tried. If not, that is booked.
///
/// # Safety
/// `scratch` must point into its map.
#[inline(always)]
unsafe fn is_wanted(
    scratch: *mut Scratch<CALL_SIZE>,
    task: Task,
    subject: Task,
    request: &Request,
    outcome: &Outcome,
    mut verdict: Verdict,
) -> Option<bool> {
    let failed = outcome.result < 0;
    // Without its file, of what was opened only the words are known, which are not to be judged by.
    let is_nameless = !failed && outcome.file.path == 0;
    let mut due = sieve::due(verdict);
    if due.who && (is_nameless || !due.name) {
        sieve::narrow_by_who(&mut verdict, Who::of(subject));
        if !verdict.passes() {
            count(Kind::Open, Fate::Filtered);
            return Some(false);
        }
        due = sieve::due(verdict);
    }
    if is_nameless || !due.name {
        return Some(true);
    }
    // SAFETY: the caller's promise.
    unsafe {
        names::keep_for(scratch, verdict, verdict.filters);
        if due.who {
            names::judge_late(scratch, Who::of(subject));
        }
    }
    let path = if failed {
        // SAFETY: the caller's promise.
        unsafe {
            (&raw mut (*scratch).walk.at).write_volatile(size_of::<OpenRaw>() as u64);
            names::text_begins(scratch);
            append_text::<CALL_SIZE, MAX_TYPED>(scratch, request.typed)?;
        }
        directory(request)
    } else {
        outcome.file.path
    };
    let steps = Steps {
        path: call_search_step,
        text: call_text_step,
    };
    let accesses = access(request.flags as u32);
    // SAFETY: the caller's promise.
    Some(unsafe { names::open_passes(scratch, &steps, task, path, accesses, failed) })
}

/// The directory that the text of an open is relative to, or 0.
#[inline(always)]
fn directory(request: &Request) -> u64 {
    if request.typed.first().is_none_or(|first| first == b'/') {
        0
    } else {
        descriptor::directory(request.directory)
    }
}

#[inline(always)]
unsafe fn describe(
    scratch: *mut Scratch<CALL_SIZE>,
    task: Task,
    subject: Task,
    request: &Request,
    outcome: &Outcome,
    window: u64,
    verdict: Verdict,
) -> Option<()> {
    let mut traits = outcome.traits;
    // The file itself; without it the directory that a relative text is relative to.
    let file = outcome.file;
    let (path, mode) = if file.path != 0 {
        if file.mode & FMODE_CREATED != 0 {
            traits |= open_traits::CREATED;
        }
        if overlay::is_upper(file.inode) {
            traits |= open_traits::UPPER;
        }
        (
            file.path,
            u32::from(field::<u16>(type_id!(inode), file.inode, offset!(inode_mode))),
        )
    } else {
        traits |= open_traits::BY_WORDS;
        (directory(request), (request.mode & 0o7777) as u32)
    };
    // SAFETY: `scratch` points into its map; `place` checks what is written.
    unsafe {
        names::keep_for(scratch, verdict, 0);
        let raw: *mut OpenRaw = (&raw mut (*scratch).record).cast();
        let at = &raw mut (*scratch).walk.at;
        at.write_volatile(size_of::<OpenRaw>() as u64);
        let (path_len, path_end) = if path == 0 {
            (0, PathEnd::Absent)
        } else {
            append_path(scratch, call_path_step, task, path)
        };
        (&raw mut (*raw).header).write(header(Kind::Open, 0, subject));
        (*raw).result = outcome.result as i32;
        (*raw).flags = request.flags as u32;
        (*raw).mode = mode;
        (*raw).mnt_ns = mount_namespace(task);
        (*raw).path_len = path_len;
        (*raw).path_end = path_end as u8;
        (*raw).traits = traits;
        (*raw).reserved = [0; 6];
        (*raw).count = 1;
        let mut is_first = false;
        if window != 0 {
            let count = match merge::way(scratch, subject, file.inode, window) {
                Way::Merged => return Some(()),
                Way::Record(count) => count,
                Way::First => {
                    is_first = true;
                    1
                }
            };
            if !has_room(Kind::Open, own_cgroup_id) {
                merge::give_back(count - 1);
                return Some(());
            }
            (*raw).count = count;
        }
        (*raw).typed_len = append_text::<CALL_SIZE, MAX_TYPED>(scratch, request.typed)?;
        (*raw).header.len = at.read_volatile() as u32;
        namespaces::tell(scratch);
        if is_first {
            merge::keep(scratch, window);
        }
        if !try_send(Kind::Open, scratch)? && window != 0 {
            // One is booked as lost; those that it was to stand for are not.
            merge::give_back((*raw).count - 1);
        }
        Some(())
    }
}

#[inline(always)]
fn mount_namespace(task: Task) -> u32 {
    if !(has!(task_nsproxy) && has!(nsproxy_mnt) && has!(mnt_ns_inum)) {
        return 0;
    }
    let namespace = word(task.pointer(offset!(task_nsproxy)), offset!(nsproxy_mnt));
    field(type_id!(mnt_namespace), namespace, offset!(mnt_ns_inum))
}

unsafe extern "C" fn call_search_step(_: u64, kept: *mut c_void) -> i64 {
    // SAFETY: the loop's caller keeps a scratch there.
    unsafe { names::path_step(*kept.cast::<*mut Scratch<CALL_SIZE>>()) }
}

unsafe extern "C" fn call_text_step(_: u64, _: *mut c_void) -> i64 {
    // SAFETY: the scratch is from its map.
    of_call().map_or(1, |scratch| unsafe { names::text_step::<_, true>(scratch) })
}

unsafe extern "C" fn call_path_step(_: u64, kept: *mut c_void) -> i64 {
    // SAFETY: the loop's caller keeps a scratch there.
    unsafe { path_step(*kept.cast::<*mut Scratch<CALL_SIZE>>()) }
}
