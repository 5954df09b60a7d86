//! What the call that a task is in has opened, noted when the kernel asks its security modules about it. Another thread
//! may put another file in the descriptor's place before the call returns.
use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::macros::{fentry, map};
use aya_ebpf::maps::HashMap;
use aya_ebpf::programs::FEntryContext;
use vespid_ebpf::{ASKED_BYTES, Kind, MAX_ASKED};

use super::super::descriptor::path_of;
use super::super::globals::{has, is_asked, offset, wanted};
use super::super::header::is_own;
use super::super::read::{direct, word};
use super::super::sieve;
use super::super::syscall::in_flight;
use super::super::walk::ends_of;
use super::calls::CALLS;
use super::opened::Opened;

const BPF_NOEXIST: u64 = 1;

/// A file that is being opened.
#[repr(C)]
struct Asked {
    file: u64,
    inode: u64,
    /// As in `struct path`.
    vfsmount: u64,
    dentry: u64,
    mode: u64,
}

// The daemon knows the table too.
const _: () = assert!(size_of::<Asked>() == ASKED_BYTES);

/// By thread. Of what is beyond, the descriptor is believed.
#[map]
static ASKED: HashMap<u64, Asked> = HashMap::with_max_entries(MAX_ASKED as u32, 0);

/// `security_file_open(file)`. The first of a call counts: a file of an overlay has another behind it.
#[fentry(function = "security_file_open")]
fn vespid_opened(ctx: FEntryContext) -> i32 {
    if in_flight(&CALLS).is_none() || !wanted(Kind::Open) || is_own() || !sieve::may_pass_at_all(Kind::Open) {
        return 0;
    }
    let file: *const u8 = ctx.arg(0);
    let path = offset!(file_path);
    // SAFETY: the verifier knows the type of the argument.
    let asked = unsafe {
        Asked {
            file: file as u64,
            inode: direct(file, offset!(file_inode)),
            vfsmount: direct(file, path),
            dentry: direct(file, path + 8),
            mode: if has!(file_mode) {
                u64::from(direct::<u32>(file, offset!(file_mode)))
            } else {
                0
            },
        }
    };
    let _full = ASKED.insert(bpf_get_current_pid_tgid(), &asked, BPF_NOEXIST);
    0
}

/// What was opened: the file at an address, which its descriptor has now, or that which had it before.
#[inline(always)]
pub(super) fn unless_replaced(file: u64) -> Opened {
    let Some(asked) = other_than(file) else {
        return Opened::of(file);
    };
    // SAFETY: a live map value.
    unsafe {
        Opened {
            path: &raw const (*asked).vfsmount as u64,
            inode: (*asked).inode,
            mode: (*asked).mode as u32,
        }
    }
}

/// The path of that at the address; 0 if another was opened.
#[inline(always)]
pub(super) fn path_unless_replaced(file: u64) -> u64 {
    if other_than(file).is_some() { 0 } else { path_of(file) }
}

/// The note of what was opened, if its descriptor has another file by now: the one at this address. Not if the name has
/// another, too.
#[inline(always)]
fn other_than(file: u64) -> Option<*const Asked> {
    if !is_asked() {
        return None;
    }
    let asked = ASKED.get_ptr(bpf_get_current_pid_tgid())?;
    // SAFETY: a live map value.
    unsafe {
        let dentry = (*asked).dentry;
        // An address alone says little: it is given to another file as soon as it is free.
        let is_same = (*asked).file == file && ends_of(path_of(file))[1] == dentry;
        if is_same || !has!(dentry_inode) || word(dentry, offset!(dentry_inode)) != (*asked).inode {
            return None;
        }
    }
    Some(asked)
}

/// Forgets it, when the call has returned.
#[inline(always)]
pub(in super::super) fn forget() {
    if !is_asked() {
        return;
    }
    let thread = bpf_get_current_pid_tgid();
    if ASKED.get_ptr(thread).is_some() {
        let _gone = ASKED.remove(thread);
    }
}
