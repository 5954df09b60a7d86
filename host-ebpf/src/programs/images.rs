//! What processes run, as a number that the daemon knows the answer to: whether filters on executables and on containers
//! describe it. Noted at each exec and handed down at each fork, while there are such filters.
//!
//! The daemon goes by the image that a process was given and by where that was, and so does this: a file that is renamed
//! later, or a process that is moved, changes neither. Whoever is not known here is left to the daemon.
use aya_ebpf::bindings::BPF_F_NO_PREALLOC;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{HashMap, LruHashMap};
use vespid_ebpf::sieve::{AnswerKey, GIVEN, Image, ImageOf, MAX_ANSWERS, MAX_IMAGES, Mask, START_TOLERANCE_NS};

#[map]
static IMAGES: LruHashMap<ImageOf, Image> = LruHashMap::with_max_entries(MAX_IMAGES as u32, 0);

#[map]
static ANSWERS: HashMap<AnswerKey, Mask> = HashMap::with_max_entries(2 * MAX_ANSWERS as u32, BPF_F_NO_PREALLOC);

/// A number for what was mixed together; never one of the daemon's.
#[inline(always)]
pub(super) fn number(mixed: u64) -> u64 {
    mixed & !GIVEN
}

/// Notes that a process has a new image.
#[inline(always)]
pub(super) fn note(epoch: u32, pid: u32, start_ns: u64, key: u64) {
    let of = ImageOf { pid, epoch };
    if let Some(image) = IMAGES.get_ptr_mut(of) {
        // In place, which cannot fail: what it ran before must not stay.
        // SAFETY: a live map value.
        unsafe {
            if is_same(&raw const (*image).start_ns, start_ns) {
                (&raw mut (*image).key).write_volatile(key);
                return;
            }
        }
    }
    let _full = IMAGES.insert(of, Image { start_ns, key }, 0);
}

/// Notes that a new process runs what its parent does.
#[inline(always)]
pub(super) fn inherit(epoch: u32, parent: u32, child: u32, child_start_ns: u64) {
    let Some(image) = IMAGES.get_ptr(ImageOf { pid: parent, epoch }) else {
        return;
    };
    let image = Image {
        start_ns: child_start_ns,
        // SAFETY: a live map value.
        key: unsafe { (&raw const (*image).key).read_volatile() },
    };
    let _full = IMAGES.insert(ImageOf { pid: child, epoch }, image, 0);
}

/// The filters that may describe what a process runs.
#[inline(always)]
pub(super) fn filters(epoch: u32, pid: u32, start_ns: u64, generation: u32) -> Mask {
    let Some(image) = IMAGES.get_ptr(ImageOf { pid, epoch }) else {
        return Mask::MAX;
    };
    // SAFETY: live map values.
    unsafe {
        if !is_same(&raw const (*image).start_ns, start_ns) {
            return Mask::MAX;
        }
        let answer = ANSWERS.get_ptr(AnswerKey {
            key: (&raw const (*image).key).read_volatile(),
            generation: u64::from(generation),
        });
        answer.map_or(Mask::MAX, |answer| answer.read_volatile())
    }
}

/// Whether it is the process that is noted, and not one that had its id before.
#[inline(always)]
unsafe fn is_same(noted: *const u64, start_ns: u64) -> bool {
    // SAFETY: a live map value.
    let noted = unsafe { noted.read_volatile() };
    start_ns.wrapping_sub(noted).wrapping_add(START_TOLERANCE_NS) <= 2 * START_TOLERANCE_NS
}
