//! Merges identical opens into one record: see [`vespid_ebpf::merge`].
use core::ffi::c_void;

use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{HashMap, PerCpuArray};
use vespid_ebpf::merge::{MAX_MERGED, MERGED_BYTES, MergeKey, Merged};
use vespid_ebpf::{Kind, OpenRaw, Outcome, PathEnd};

use super::atomic::{add, take};
use super::counters::count;
use super::globals::{has, offset};
use super::header::now;
use super::namespaces;
use super::read::Task;
use super::scratch::{CALL_SIZE, Scratch, tells};
use super::sieve;

/// Not one that evicts: what an entry stands for would be lost with it.
#[map]
static MERGED: HashMap<MergeKey, Merged> = HashMap::with_max_entries(MAX_MERGED as u32, 0);

const BPF_NOEXIST: u64 = 1;

/// What is too large for the stack.
struct Making {
    key: MergeKey,
    entry: Merged,
    /// Boot time up to which no entry is tried for, as there was none left.
    full_until_ns: u64,
}

/// How long to leave it at that. Failing to get an entry takes several times as long as a record, as the kernel looks
/// through the free entries of every CPU.
const PAUSE_NS: u64 = 50_000_000;

#[map]
static MAKING: PerCpuArray<Making> = PerCpuArray::with_max_entries(1, 0);

/// How an open goes on.
pub(super) enum Way {
    /// A record, which stands for this many opens.
    Record(u32),
    /// A record, to be kept for those that follow.
    First,
    /// None: it was merged into another.
    Merged,
}

/// For how many nanoseconds identical opens are merged at the moment; 0 if not at all.
#[inline(always)]
pub(super) fn window() -> u64 {
    if has!(task_images) { sieve::merge_ns() } else { 0 }
}

/// The way of an open whose record is complete but for the text.
///
/// # Safety
/// `scratch` must point into its map, and hold such a record.
#[inline(always)]
pub(super) unsafe fn way(scratch: *mut Scratch<CALL_SIZE>, task: Task, inode: u64, window: u64) -> Way {
    let Some(making) = MAKING.get_ptr_mut(0) else {
        return Way::Record(1);
    };
    // SAFETY: the caller's promise; `making` is a live map value that only this program uses.
    unsafe {
        let raw: *const OpenRaw = (&raw const (*scratch).record).cast();
        let end = (*raw).path_end;
        if end == PathEnd::Absent as u8 || end == PathEnd::Truncated as u8 {
            return Way::Record(1);
        }
        let key = &raw mut (*making).key;
        (*key).path = (*scratch).walk.names;
        (*key).inode = inode;
        (*key).cgroup = (*raw).header.cgroup;
        (*key).start_ns = (*raw).header.start_ns;
        (*key).images = task.field(offset!(task_images));
        (*key).pid = (*raw).header.pid;
        (*key).uid = (*raw).header.uid;
        (*key).gid = (*raw).header.gid;
        (*key).mnt_ns = (*raw).mnt_ns;
        (*key).flags = (*raw).flags;
        (*key).mode = (*raw).mode;
        (*key).ends = u32::from(end) << 8 | u32::from((*raw).traits);
        (*key).namespaces = if tells(scratch) { namespaces::folded() } else { 0 };
        let Some(entry) = MERGED.get_ptr_mut(&*key) else {
            return Way::First;
        };
        let now = now();
        if now < (&raw const (*entry).until_ns).read_volatile() {
            add(&raw mut (*entry).count, 1);
            count(Kind::Open, Outcome::Merged);
            return Way::Merged;
        }
        if now >= (&raw const (*entry).stale_ns).read_volatile() {
            return Way::Record(1);
        }
        // Whoever is the first after the window stands for those within it.
        let merged = take(&raw mut (*entry).count);
        (&raw mut (*entry).until_ns).write_volatile(now + window);
        (&raw mut (*entry).stale_ns).write_volatile(now + 2 * window);
        Way::Record(1 + merged as u32)
    }
}

/// Gives back what a record would have stood for that cannot be written.
#[inline(always)]
pub(super) fn give_back(merged: u32) {
    if merged == 0 {
        return;
    }
    let Some(making) = MAKING.get_ptr_mut(0) else { return };
    // SAFETY: live map values.
    unsafe {
        if let Some(entry) = MERGED.get_ptr_mut(&(*making).key) {
            add(&raw mut (*entry).count, u64::from(merged));
        }
    }
}

/// Keeps the record that a scratch holds, whose way is [`Way::First`]. One that is too long, or too many, is not kept.
///
/// # Safety
/// `scratch` must point into its map.
#[inline(always)]
pub(super) unsafe fn keep(scratch: *mut Scratch<CALL_SIZE>, window: u64) {
    let Some(making) = MAKING.get_ptr_mut(0) else { return };
    // SAFETY: the caller's promise; the length is checked.
    unsafe {
        let len = (&raw const (*scratch).walk.at).read_volatile();
        if len >= MERGED_BYTES as u64 {
            return;
        }
        let now = now();
        if now < (&raw const (*making).full_until_ns).read_volatile() {
            return;
        }
        let entry = &raw mut (*making).entry;
        (*entry).until_ns = now + window;
        (*entry).stale_ns = now + 2 * window;
        (*entry).count = 0;
        (*entry).len = len as u32;
        (*entry).reserved = 0;
        bpf_probe_read_kernel(
            (&raw mut (*entry).record).cast(),
            (len & (MERGED_BYTES as u64 - 1)) as u32,
            (&raw const (*scratch).record).cast::<c_void>(),
        );
        if MERGED.insert(&(*making).key, &(*making).entry, BPF_NOEXIST).is_err() {
            (&raw mut (*making).full_until_ns).write_volatile(now + PAUSE_NS);
        }
    }
}
