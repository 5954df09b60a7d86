//! Names in paths: a call passes a filter on paths if a name is seen that one of its patterns cannot do without.
use core::ffi::c_void;

use aya_ebpf::bindings::BPF_F_NO_PREALLOC;
use aya_ebpf::helpers::generated::{bpf_loop, bpf_probe_read_kernel, bpf_probe_read_kernel_str};
use aya_ebpf::macros::map;
use aya_ebpf::maps::HashMap;
use vespid_ebpf::sieve::{
    CLASSES, FIRSTS, Likeness, MAX_NAMES, Mask, NAME_BYTES, NameKey, NameRule, Place, Sieve, first_bit, has_length,
};
use vespid_ebpf::{ABSENT, Kind, MAX_DEPTH, Outcome};

use super::counters::count;
use super::globals::type_id;
use super::index::masked;
use super::read::{Task, word};
use super::scratch::{Scratch, Search, place};
use super::sieve::{Verdict, named, of, vespid_narrow};
use super::walk::{Next, Step, begin, next};
use super::who::Who;

/// The names that both sieves look for.
#[map]
static NAMES: HashMap<NameKey, NameRule> = HashMap::with_max_entries(2 * MAX_NAMES as u32, BPF_F_NO_PREALLOC);

/// Nothing was found yet, and there is more.
const UNDECIDED: u32 = 0;
const FOUND: u32 = 1;
const MISSING: u32 = 2;

/// How an open is looked through.
pub(super) struct Steps {
    /// A path: [`path_step`].
    pub(super) path: Step,
    /// A text: [`text_step`].
    pub(super) text: Step,
}

/// Keeps beside a record in the making whether it ends with namespaces, and whose names it must have one of.
///
/// # Safety
/// `scratch` must point into its map.
#[inline(always)]
pub(super) unsafe fn keep<const SIZE: usize>(scratch: *mut Scratch<SIZE>, verdict: Verdict) {
    // SAFETY: the caller's promise.
    unsafe { keep_for(scratch, verdict, named(verdict)) };
}

/// The same, where it is known whose names must be there.
///
/// # Safety
/// `scratch` must point into its map.
#[inline(always)]
pub(super) unsafe fn keep_for<const SIZE: usize>(scratch: *mut Scratch<SIZE>, verdict: Verdict, filters: Mask) {
    // SAFETY: the caller's promise.
    unsafe {
        (&raw mut (*scratch).walk.search.tells).write_volatile(verdict.tells);
        (&raw mut (*scratch).walk.search.filters).write_volatile(filters);
        (&raw mut (*scratch).walk.search.generation).write_volatile(verdict.generation);
        (&raw mut (*scratch).walk.search.is_late).write_volatile(0);
    }
}

/// Has the filters that were kept judged by who made the call, but only once a name is found: that costs more than looking
/// for one that is not there.
///
/// # Safety
/// `scratch` must point into its map.
#[inline(always)]
pub(super) unsafe fn judge_late<const SIZE: usize>(scratch: *mut Scratch<SIZE>, who: Who) {
    // SAFETY: the caller's promise.
    unsafe {
        (&raw mut (*scratch).walk.search.who).write_volatile(who);
        (&raw mut (*scratch).walk.search.is_late).write_volatile(1);
    }
}

/// Whether it must have a name, by what was kept.
///
/// # Safety
/// `scratch` must point into its map.
#[inline(always)]
pub(super) unsafe fn needs_name<const SIZE: usize>(scratch: *const Scratch<SIZE>) -> bool {
    // SAFETY: the caller's promise.
    unsafe { (&raw const (*scratch).walk.search.filters).read_volatile() != 0 }
}

/// Whether what an open named has one of the names in its place that the filters look for which were kept.
///
/// Of an open that failed, the text lies at the end of the record, which must be all that there is in it; `path` is the
/// directory that it is relative to, or 0.
///
/// # Safety
/// `scratch` must point into its map, and `steps` must work on that same scratch.
#[inline(always)]
pub(super) unsafe fn open_passes<const SIZE: usize>(
    scratch: *mut Scratch<SIZE>,
    steps: &Steps,
    task: Task,
    path: u64,
    accesses: u32,
    failed: bool,
) -> bool {
    // SAFETY: the caller's promise.
    unsafe {
        if !begin_search(scratch, accesses) {
            return true;
        }
        let walk = &raw mut (*scratch).walk;
        let search = &raw mut (*walk).search;
        if failed {
            // The directory's names are no leaves.
            (*search).depth = DIRECTORY;
            if text_passes(scratch, steps.text, (*search).name, (*walk).at) {
                return true;
            }
            (*search).verdict = if path == 0 { MISSING } else { UNDECIDED };
        }
        if path != 0 {
            if !begin(walk, task, path) {
                return true;
            }
            let mut kept = scratch;
            bpf_loop(MAX_DEPTH as u32, steps.path as *mut c_void, (&raw mut kept).cast(), 0);
        }
        // A path too deep to be walked may have the name where nobody looked.
        if (*search).verdict == MISSING {
            count(Kind::Open, Outcome::Filtered);
            return false;
        }
    }
    true
}

/// Begins to look for the names of the filters in the search. Whether there is a sieve to look by.
///
/// # Safety
/// `scratch` must point into its map.
#[inline(always)]
pub(super) unsafe fn begin_search<const SIZE: usize>(scratch: *mut Scratch<SIZE>, accesses: u32) -> bool {
    // SAFETY: the caller's promise; the sieve is a live map value.
    unsafe {
        let search = &raw mut (*scratch).walk.search;
        (*search).class = accesses;
        (*search).depth = 0;
        (*search).verdict = UNDECIDED;
        likeness(search).is_some()
    }
}

/// What names look like that a search looks for.
///
/// # Safety
/// `search` must point into its map.
#[inline(always)]
unsafe fn likeness(search: *const Search) -> Option<*const Likeness> {
    // SAFETY: the caller's promise; the sieve is a live map value.
    unsafe {
        let sieve = of((&raw const (*search).generation).read_volatile())?;
        Some(likeness_in(sieve, (&raw const (*search).class).read_volatile()))
    }
}

/// What names look like that a sieve looks for, in opens that ask for this.
///
/// # Safety
/// `sieve` must be a live map value.
#[inline(always)]
pub(super) unsafe fn likeness_in(sieve: *const Sieve, accesses: u32) -> *const Likeness {
    // SAFETY: the caller's promise; the index is masked.
    unsafe {
        let likenesses = (&raw const (*sieve).likenesses).cast::<Likeness>();
        likenesses.add(masked::<{ CLASSES as i32 - 1 }>(u64::from(accesses)))
    }
}

/// The lengths of those in a place, as bits.
///
/// # Safety
/// `likeness` must be in a live map value.
#[inline(always)]
pub(super) unsafe fn lengths(likeness: *const Likeness, place: Place) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { (&raw const (*likeness).lengths[place as usize]).read_volatile() }
}

/// Whether a text of the record, or several, has one of the names that are looked for. The cursor is where it will.
///
/// # Safety
/// `scratch` must point into its map, and `step` must work on that same scratch.
#[inline(always)]
pub(super) unsafe fn text_passes<const SIZE: usize>(
    scratch: *mut Scratch<SIZE>,
    step: Step,
    from: u64,
    to: u64,
) -> bool {
    // SAFETY: the caller's promise.
    unsafe {
        let walk = &raw mut (*scratch).walk;
        let search = &raw mut (*walk).search;
        (*search).verdict = UNDECIDED;
        (*search).name = from;
        (*search).end = to;
        (*walk).at = from;
        let bytes = to.wrapping_sub(from) as u32 & (MAX_BYTES - 1);
        bpf_loop(bytes + 1, step as *mut c_void, core::ptr::null_mut(), 0);
        (*search).verdict != MISSING
    }
}

/// Longest text that is looked through, and one more. Of none longer all is.
const MAX_BYTES: u32 = 64 * 1024;

/// Notes that the text of an open that failed begins here.
///
/// # Safety
/// `scratch` must point into its map.
#[inline(always)]
pub(super) unsafe fn text_begins<const SIZE: usize>(scratch: *mut Scratch<SIZE>) {
    // SAFETY: the caller's promise.
    unsafe {
        let walk = &raw mut (*scratch).walk;
        (*walk).search.name = (*walk).at;
    }
}

/// The depth at which the names of a directory are, none of which is that of the file.
const DIRECTORY: u64 = 1 << 32;

/// One name of a path.
///
/// # Safety
/// `scratch` must point into its map.
#[inline(always)]
pub(super) unsafe fn path_step<const SIZE: usize>(scratch: *mut Scratch<SIZE>) -> i64 {
    // SAFETY: the caller's promise.
    unsafe {
        let walk = &raw mut (*scratch).walk;
        let search = &raw mut (*walk).search;
        let depth = (*search).depth;
        let (parent, len, name) = match next(walk, depth == 0) {
            Next::Crossed => return 0,
            Next::Ended(_) => {
                (*search).verdict = MISSING;
                return 1;
            }
            // Whatever it is, it is not for us to judge.
            Next::Unreadable => return 1,
            Next::Name { parent, len, name, .. } => (parent, len, name),
        };
        let Some(likeness) = likeness(search) else { return 1 };
        let anywhere = lengths(likeness, Place::Anywhere);
        let (lengths, places) = match depth {
            0 => (
                lengths(likeness, Place::Leaf) | anywhere,
                [Place::Leaf, Place::Anywhere],
            ),
            1 => (
                lengths(likeness, Place::Folder) | anywhere,
                [Place::Folder, Place::Anywhere],
            ),
            2..DIRECTORY => (anywhere, [Place::Anywhere; 2]),
            _ => (lengths(likeness, Place::Words), [Place::Words; 2]),
        };
        if has_length(lengths, len) != 0 {
            if read_name(search, likeness, name, len) && is_looked_for::<true>(search, places) {
                (*search).verdict = FOUND;
                return 1;
            }
        }
        if parent == (*walk).node || (1..DIRECTORY).contains(&depth) && anywhere == 0 {
            (*search).verdict = MISSING;
            return 1;
        }
        (*walk).node = parent;
        (*search).depth = depth + 1;
        0
    }
}

/// Reads a name of a dentry, of which there are so many bytes, unless none that is looked for begins as it does.
///
/// # Safety
/// `search` must point into its map.
#[inline(always)]
unsafe fn read_name(search: *mut Search, likeness: *const Likeness, name: u64, len: u64) -> bool {
    const WORDS: usize = size_of::<NameKey>() / 8;
    // SAFETY: the caller's promise; the key is as long.
    unsafe {
        let words = (&raw mut (*search).key).cast::<u64>();
        if type_id!(word) == ABSENT {
            // One by one: an array would be made on the stack, of which there is nothing left.
            let mut at = 0;
            while at < WORDS {
                words.add(at).write_volatile(0);
                at += 1;
            }
            bpf_probe_read_kernel_str(words.cast(), size_of::<NameKey>() as u32, name as *const c_void);
            return begins_so(search, likeness);
        }
        words.write_volatile(first_word(name, len));
        if !begins_so(search, likeness) {
            return false;
        }
        let mut at = 1;
        while at < WORDS as u64 {
            let word = first_word(name + at * 8, len.saturating_sub(at * 8));
            words.add(at as usize).write_volatile(word);
            at += 1;
        }
        true
    }
}

/// The first eight bytes of a text of which there are so many, padded with NUL. Only where a word can be read by a plain load.
#[inline(always)]
pub(super) fn first_word(text: u64, len: u64) -> u64 {
    // What follows the text is anything. Without a branch, which would double the verifier's work.
    let is_short = 0u64.wrapping_sub(len.wrapping_sub(8) >> 63);
    let rest = u64::MAX.wrapping_shl(len as u32 * 8) & is_short;
    word(text, 0) & !rest
}

/// Whether a name that is looked for may begin as the one in the key.
///
/// # Safety
/// `search` and `likeness` must point into their maps.
#[inline(always)]
unsafe fn begins_so(search: *const Search, likeness: *const Likeness) -> bool {
    // SAFETY: the caller's promise.
    unsafe { begins_like(likeness, (&raw const (*search).key).cast::<u64>().read_volatile()) != 0 }
}

/// 1 if a name that is looked for may begin so, otherwise 0.
///
/// # Safety
/// `likeness` must be in a live map value.
#[inline(always)]
pub(super) unsafe fn begins_like(likeness: *const Likeness, begins: u64) -> u64 {
    // SAFETY: the caller's promise; the index is masked.
    unsafe {
        let bit = first_bit(begins);
        let firsts = (&raw const (*likeness).firsts).cast::<u64>();
        firsts.add(masked::<{ FIRSTS as i32 - 1 }>(bit >> 6)).read_volatile() >> (bit & 63) & 1
    }
}

/// One byte of a text. Whose names are looked for may still have to be judged if it is `LATE`.
///
/// # Safety
/// `scratch` must point into its map.
#[inline(always)]
pub(super) unsafe fn text_step<const SIZE: usize, const LATE: bool>(scratch: *mut Scratch<SIZE>) -> i64 {
    // SAFETY: the caller's promise; what is read is checked by `place`.
    unsafe {
        let walk = &raw mut (*scratch).walk;
        let search = &raw mut (*walk).search;
        let Some((at, byte)) = place(scratch, 1) else {
            return 1;
        };
        let is_over = at >= (*search).end;
        // Names of a path end with NUL.
        if !is_over && !matches!(byte.read(), b'/' | 0) {
            (*walk).at = at + 1;
            return 0;
        }
        let name = (*search).name;
        let len = at.wrapping_sub(name);
        let Some(likeness) = likeness(search) else { return 1 };
        if len != 0 && has_length(lengths(likeness, Place::Words), len) != 0 {
            (*walk).at = name;
            let Some((_, from)) = place(scratch, NAME_BYTES) else {
                return 1;
            };
            let key = &raw mut (*search).key;
            key.cast::<[u64; 4]>().write_volatile([0; 4]);
            let len = len.min(NAME_BYTES as u64) & NAME_BYTES as u64;
            bpf_probe_read_kernel(key.cast(), len as u32, from.cast());
            if begins_so(search, likeness) && is_looked_for::<LATE>(search, [Place::Words; 2]) {
                (*search).verdict = FOUND;
                return 1;
            }
        }
        if is_over {
            (*search).verdict = MISSING;
            return 1;
        }
        (*search).name = at + 1;
        (*walk).at = at + 1;
        0
    }
}

/// Whether the name in the key is looked for in one of these places, by filters that may describe who looks.
#[inline(always)]
unsafe fn is_looked_for<const LATE: bool>(search: *mut Search, places: [Place; 2]) -> bool {
    // SAFETY: `search` points into a map value; a place is an index.
    unsafe {
        let key = &raw mut (*search).key;
        (*key)[NAME_BYTES] = (*search).generation as u8;
        let Some(rule) = NAMES.get_ptr(&*key) else {
            return false;
        };
        let [first, second] = places.map(|place| rule.cast::<Mask>().add(place as usize).read_volatile());
        let looking = first | second;
        if LATE && looking & (*search).filters != 0 && (*search).is_late != 0 {
            let Search {
                filters,
                generation,
                who,
                ..
            } = &mut *search;
            *filters = vespid_narrow(*filters, *generation, who.uid, who.pid, who.start_ns);
            (*search).is_late = 0;
        }
        looking & (*search).filters != 0
    }
}
