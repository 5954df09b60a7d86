//! Calls that change names and attributes of files, or what is mounted, when they return: `sys_exit(regs, result)`.
mod calls;
mod hooks;
mod note;
mod request;

use core::ffi::c_void;

use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use vespid_ebpf::{ChangeRaw, Kind, MAX_TYPED, Outcome, PathEnd};

pub(super) use self::calls::CALLS;
use self::note::{Note, Which};
use self::request::{Name, Request, request};
use super::counters::count;
use super::descriptor::{self, WORKING_DIRECTORY};
use super::globals::wanted;
use super::header::{header, is_own, own_cgroup_id};
use super::names;
use super::namespaces;
use super::output::{has_room, send};
use super::read::{Task, user};
use super::scratch::{CHANGE_SIZE, MAX_NAME, Scratch, of_change};
use super::sieve::{self, Verdict};
use super::syscall::{Call, ended};
use super::typed::append_typed;
use super::walk::{append_path, path_step};
use super::who::Who;

const ENOENT: i64 = -2;

/// Called by [`super::sys_exit`].
#[btf_tracepoint(function = "sys_exit")]
fn vespid_change(ctx: BtfTracePointContext) -> i32 {
    let Some((task, call, action)) = ended(&ctx, &CALLS) else {
        return 0;
    };
    if !call.restarts() && wanted(Kind::Change) && !is_own() {
        report(task, call, action);
    }
    note::forget();
    0
}

#[inline(never)]
fn report(task: Task, call: Call, action: u8) {
    let request = request(call, action);
    let verdict = sieve::judge(Kind::Change, call.result < 0, request.op as u32, || Who::of(task));
    if !verdict.passes() || !has_room(Kind::Change, own_cgroup_id) {
        return;
    }
    // SAFETY: a scratch from its map.
    let sent = of_change().and_then(|scratch| unsafe { describe(scratch, task, call.result, &request, verdict) });
    if sent.is_none() {
        count(Kind::Change, Outcome::Unreadable);
    }
}

/// One of the two files, as it was appended.
struct Appended {
    path_len: u16,
    typed_len: u16,
    end: PathEnd,
    is_file: bool,
}

#[inline(always)]
unsafe fn describe(
    scratch: *mut Scratch<CHANGE_SIZE>,
    task: Task,
    result: i64,
    request: &Request,
    verdict: Verdict,
) -> Option<()> {
    // SAFETY: `scratch` points into its map; `place` checks what is written.
    unsafe {
        names::keep(scratch, verdict);
        let raw: *mut ChangeRaw = (&raw mut (*scratch).record).cast();
        let at = &raw mut (*scratch).walk.at;
        at.write_volatile(size_of::<ChangeRaw>() as u64);
        let note = note::of(request.op);
        let path = append_name(scratch, task, result, request.path, note, Which::Path)?;
        let between = at.read_volatile();
        let target = append_name(scratch, task, result, request.target, note, Which::Target)?;
        if names::needs_name(scratch) && vespid_change_named(between) == 0 {
            count(Kind::Change, Outcome::Filtered);
            return Some(());
        }
        let detail_len = append_typed::<CHANGE_SIZE, MAX_NAME>(scratch, request.detail)?;
        let len = at.read_volatile();
        (&raw mut (*raw).header).write(header(Kind::Change, len as u32, task));
        (*raw).value = request.value;
        (*raw).result = result as i32;
        (*raw).flags = request.flags;
        (*raw).mode = request.mode;
        (*raw).path_len = path.path_len;
        (*raw).typed_len = path.typed_len;
        (*raw).target_len = target.path_len;
        (*raw).target_typed_len = target.typed_len;
        (*raw).detail_len = detail_len;
        (*raw).op = request.op as u8;
        (*raw).path_end = path.end as u8;
        (*raw).target_end = target.end as u8;
        (*raw).path_is_file = u8::from(path.is_file);
        (*raw).target_is_file = u8::from(target.is_file);
        (*raw).reserved = [0; 5];
        namespaces::tell(scratch);
        send(Kind::Change, scratch)
    }
}

/// Whether one of the two files of the record in the making, with the second from `between` on, has a name that is looked
/// for; if not, it is 0.
///
/// With a name that is seen from outside it is verified once, and not for each state in which it is called.
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn vespid_change_named(between: u64) -> i32 {
    const FIXED: u64 = size_of::<ChangeRaw>() as u64;
    // SAFETY: the scratch is from its map.
    let is_named = of_change().is_none_or(|scratch| unsafe {
        let at = &raw mut (*scratch).walk.at;
        let to = at.read_volatile();
        let is_named = !names::begin_search(scratch, u32::MAX)
            || names::text_passes(scratch, change_text_step, FIXED, between)
            || names::text_passes(scratch, change_text_step, between, to);
        at.write_volatile(to);
        is_named
    });
    i32::from(is_named)
}

/// Appends what is known of a file: its own path, if the call named a descriptor or the path was noted; else the path of
/// the directory that the text is relative to. And the text.
///
/// # Safety
/// `scratch` must point into its map.
#[inline(always)]
unsafe fn append_name(
    scratch: *mut Scratch<CHANGE_SIZE>,
    task: Task,
    result: i64,
    name: Name,
    note: Option<*mut Note>,
    which: Which,
) -> Option<Appended> {
    let (path, text, is_file) = match name {
        Name::Nothing => (0, 0, false),
        Name::Words(text) => (0, text, false),
        Name::Descriptor(number) => (descriptor::path_of(descriptor::file(number)), 0, true),
        Name::Text { directory, text } => match user::<u8>(text) {
            None | Some(b'/') => (0, text, false),
            // `AT_EMPTY_PATH`: the descriptor is the file. Without that flag the call has failed, and named nothing.
            Some(0) if directory != WORKING_DIRECTORY && result != ENOENT => {
                (descriptor::directory(directory), 0, true)
            }
            Some(_) => (descriptor::directory(directory), text, false),
        },
    };
    // SAFETY: the caller's promise.
    unsafe {
        let note = note.filter(|_| !is_file && matches!(name, Name::Text { .. }));
        let noted = note.and_then(|note| Note::append(note, which, scratch));
        let (path_len, end) = match noted {
            Some(noted) => noted,
            None if path == 0 => (0, PathEnd::Absent),
            None => append_path(scratch, change_path_step, task, path),
        };
        Some(Appended {
            path_len,
            typed_len: append_typed::<CHANGE_SIZE, MAX_TYPED>(scratch, text)?,
            end,
            is_file: is_file || noted.is_some(),
        })
    }
}

unsafe extern "C" fn change_text_step(_: u64, _: *mut c_void) -> i64 {
    // SAFETY: the scratch is from its map.
    of_change().map_or(1, |scratch| unsafe { names::text_step::<_, false>(scratch) })
}

unsafe extern "C" fn change_path_step(_: u64, _: *mut c_void) -> i64 {
    // SAFETY: the scratch is from its map.
    of_change().map_or(1, |scratch| unsafe { path_step(scratch) })
}
