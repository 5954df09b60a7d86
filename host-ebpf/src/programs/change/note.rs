//! What the kernel itself makes of the names in a call that changes files, noted while the call runs.
//!
//! The hooks are where the kernel asks its security modules, which is after it has followed every link and mount, and
//! before it changes anything. A call that fails earlier has no note, and is described by its words. The first hook of a
//! call counts: a file system that stands on another comes by again with files of that one.
//!
//! These programs may be interrupted by others of them on the same CPU, so each note is its task's own.
use core::ffi::c_void;

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap};
use vespid_ebpf::{ChangeOp, Kind, MAX_NOTES, NOTE_BYTES, PathEnd};

use super::super::globals::{offset, wanted};
use super::super::header::is_own;
use super::super::read::{Task, kernel_u64};
use super::super::scratch::{CHANGE_SIZE, Scratch, place};
use super::super::sieve;
use super::super::syscall::in_flight;
use super::super::walk::{append_entry, ends_of, path_step};
use super::calls::{CALLS, names_descriptor};

/// Room for the names of both files. A note fills a page; what does not fit is described by its words.
const NAMES: usize = 3584;
/// A power of two, so that the verifier is content with a mask.
const ROOM: usize = 4096;

const BPF_NOEXIST: u64 = 1;

/// One of the two files: where its names are, and a [`PathEnd`].
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Noted {
    from: u16,
    len: u16,
    end: u32,
}

/// What is noted of a call.
#[repr(C)]
pub(super) struct Note {
    names: Scratch<NAMES>,
    /// The mount of a file whose attributes are changed.
    mount: u64,
    /// A [`ChangeOp`].
    op: u64,
    path: Noted,
    target: Noted,
}

// The daemon knows the table too.
const _: () = assert!(size_of::<Note>() == NOTE_BYTES);

/// By thread. Calls beyond what there is room for are described by their words. The room is taken beforehand: to get and
/// give back a page for each call costs more than all the rest.
#[map]
static NOTES: HashMap<u64, Note> = HashMap::with_max_entries(MAX_NOTES as u32, 0);

/// What a note begins as.
#[map]
static BLANK: Array<Note> = Array::with_max_entries(1, 0);

/// Which of the two files.
#[derive(Clone, Copy)]
pub(super) enum Which {
    Path,
    Target,
}

/// Begins the note of the call that the current task is in, if it is one that somebody wants, and the first of it.
#[inline(always)]
pub(super) fn begin(op: impl FnOnce(u8) -> Option<ChangeOp>) -> Option<(Task, *mut Note)> {
    let (task, action) = in_flight(&CALLS)?;
    let op = op(action)? as u32;
    if names_descriptor(action) || !wanted(Kind::Change) || is_own() || !sieve::may_pass(Kind::Change, op) {
        return None;
    }
    let thread = bpf_get_current_pid_tgid();
    // SAFETY: a live map value, which nobody writes to.
    unsafe {
        NOTES.insert(thread, &*BLANK.get_ptr(0)?, BPF_NOEXIST).ok()?;
        let note = NOTES.get_ptr_mut(thread)?;
        (*note).op = u64::from(op);
        Some((task, note))
    }
}

/// The note of the call that the current task is in or has returned from, if it is of this kind.
#[inline(always)]
pub(super) fn of(op: ChangeOp) -> Option<*mut Note> {
    let note = NOTES.get_ptr_mut(bpf_get_current_pid_tgid())?;
    // SAFETY: a live map value.
    (unsafe { (*note).op } == op as u64).then_some(note)
}

/// Forgets the note of the call that the current task has returned from.
#[inline(always)]
pub(super) fn forget() {
    let _none = NOTES.remove(bpf_get_current_pid_tgid());
}

impl Note {
    /// Notes a directory entry in a mount.
    ///
    /// # Safety
    /// `note` must be that of the current task.
    #[inline(always)]
    pub(super) unsafe fn entry(note: *mut Note, which: Which, task: Task, vfsmount: u64, dentry: u64) {
        // SAFETY: the caller's promise.
        unsafe {
            let from = (&raw const (*note).names.walk.at).read_volatile();
            let (len, end) = append_entry(&raw mut (*note).names, note_step, task, vfsmount, dentry);
            let noted = Noted {
                from: from as u16,
                len,
                end: end as u32,
            };
            match which {
                Which::Path => (*note).path = noted,
                Which::Target => (*note).target = noted,
            }
        }
    }

    /// Notes a name in the directory at a `struct path`.
    ///
    /// # Safety
    /// As for [`Note::entry`].
    #[inline(always)]
    pub(super) unsafe fn name(note: *mut Note, which: Which, task: Task, directory: u64, dentry: u64) {
        let [vfsmount, _] = ends_of(directory);
        // SAFETY: the caller's promise.
        unsafe { Note::entry(note, which, task, vfsmount, dentry) }
    }

    /// Notes what is at a `struct path`.
    ///
    /// # Safety
    /// As for [`Note::entry`].
    #[inline(always)]
    pub(super) unsafe fn path(note: *mut Note, which: Which, task: Task, path: u64) {
        let [vfsmount, dentry] = ends_of(path);
        // SAFETY: the caller's promise.
        unsafe { Note::entry(note, which, task, vfsmount, dentry) }
    }

    /// Notes the root of a mount.
    ///
    /// # Safety
    /// As for [`Note::entry`].
    #[inline(always)]
    pub(super) unsafe fn root(note: *mut Note, which: Which, task: Task, vfsmount: u64) {
        let root = kernel_u64(vfsmount, offset!(vfsmount_root));
        // SAFETY: the caller's promise.
        unsafe { Note::entry(note, which, task, vfsmount, root) }
    }

    /// Keeps the mount for [`Note::in_mount`].
    ///
    /// # Safety
    /// As for [`Note::entry`].
    #[inline(always)]
    pub(super) unsafe fn keep_mount(note: *mut Note, vfsmount: u64) {
        // SAFETY: the caller's promise.
        unsafe { (*note).mount = vfsmount };
    }

    /// Notes a directory entry in the mount that was kept, once.
    ///
    /// # Safety
    /// As for [`Note::entry`].
    #[inline(always)]
    pub(super) unsafe fn in_mount(note: *mut Note, task: Task, dentry: u64) {
        // SAFETY: the caller's promise.
        unsafe {
            if !Note::has_path(note) {
                Note::entry(note, Which::Path, task, (*note).mount, dentry);
            }
        }
    }

    /// Whether the first of the files is noted.
    ///
    /// # Safety
    /// As for [`Note::entry`].
    #[inline(always)]
    pub(super) unsafe fn has_path(note: *mut Note) -> bool {
        // SAFETY: the caller's promise.
        unsafe { (*note).path.end != PathEnd::Absent as u32 }
    }

    /// Appends the names of a file to a record; says how long they are and how their walk ended. Nothing is appended that
    /// is not whole.
    ///
    /// # Safety
    /// As for [`Note::entry`]; `scratch` must point into its map.
    #[inline(always)]
    pub(super) unsafe fn append(
        note: *mut Note,
        which: Which,
        scratch: *mut Scratch<CHANGE_SIZE>,
    ) -> Option<(u16, PathEnd)> {
        // SAFETY: the caller's promise; `place` makes sure of the room.
        unsafe {
            let noted = match which {
                Which::Path => (*note).path,
                Which::Target => (*note).target,
            };
            let end = PathEnd::from_number(noted.end as u8)?;
            if matches!(end, PathEnd::Absent | PathEnd::Truncated) {
                return None;
            }
            let names = (&raw const (*note).names.record).cast::<u8>();
            let len = u64::from(noted.len) & (ROOM as u64 - 1);
            let (at, out) = place(scratch, ROOM)?;
            bpf_probe_read_kernel(out.cast(), len as u32, names.add(usize::from(noted.from)).cast());
            (&raw mut (*scratch).walk.at).write_volatile(at + len);
            Some((len as u16, end))
        }
    }
}

unsafe extern "C" fn note_step(_: u64, _: *mut c_void) -> i64 {
    let note = NOTES.get_ptr_mut(bpf_get_current_pid_tgid());
    // SAFETY: the note is from its map, and the current task's.
    note.map_or(1, |note| unsafe { path_step(&raw mut (*note).names) })
}
