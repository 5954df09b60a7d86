//! Leaves out what no plugin's filter wants: see [`vespid_ebpf::sieve`].
use core::ffi::c_void;

use aya_ebpf::bindings::BPF_F_NO_PREALLOC;
use aya_ebpf::helpers::generated::{bpf_loop, bpf_probe_read_kernel, bpf_probe_read_kernel_str};
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap};
use vespid_ebpf::sieve::{
    ACCESSES, MAX_NAMES, NAME_BYTES, NameKey, NameRule, OUTCOMES, PLACES, Place, Sieve, length_bit, name_bits,
};
use vespid_ebpf::{Kind, MAX_DEPTH, MAX_TYPED, Outcome};

use super::namespaces;
use super::output::count;
use super::read::Task;
use super::scratch::{Scratch, place};
use super::walk::{Next, Step, begin, next};

/// Of the two, one is in force, and the other is that before it or the next one.
#[map]
static SIEVES: Array<Sieve> = Array::with_max_entries(2, 0);

/// Which one.
#[map]
static GENERATION: Array<u32> = Array::with_max_entries(1, 0);

/// The names that both look for.
#[map]
static NAMES: HashMap<NameKey, NameRule> = HashMap::with_max_entries(2 * MAX_NAMES as u32, BPF_F_NO_PREALLOC);

/// What a path or a text is looked through for: part of the state of a walk.
#[repr(C)]
pub(super) struct Search {
    /// Lengths of names that are worth a look, by place.
    lengths: [u64; PLACES],
    /// How many names of a path have been seen.
    depth: u64,
    /// Where the present name of a text began, and where the text ends.
    name: u64,
    end: u64,
    /// Kinds of access that the open asks for.
    accesses: u32,
    generation: u32,
    verdict: u32,
    /// Of [`keep`].
    tells: u32,
    key: NameKey,
}

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

/// What was found of a call.
#[derive(Clone, Copy)]
pub(super) struct Verdict {
    pub(super) passes: bool,
    /// Not 0: the namespaces of its task were looked up, and belong into the record. To be kept by [`keep`], as a verifier
    /// that knew it would go through all that follows once for either.
    pub(super) tells: u32,
    /// It passes by them.
    is_inside: bool,
    /// By which sieve.
    generation: u32,
}

/// Whether a call of the current task with one of these classes passes; if not, it is booked as filtered.
#[inline(always)]
pub(super) fn judge(kind: Kind, failed: bool, classes: u32) -> Verdict {
    let mut verdict = Verdict {
        passes: true,
        tells: 0,
        is_inside: false,
        generation: 0,
    };
    let Some((sieve, generation)) = in_force() else {
        return verdict;
    };
    verdict.generation = generation;
    // SAFETY: a live map value.
    unsafe {
        verdict.passes = outcome(&raw const (*sieve).classes[kind.index()], failed) & classes != 0;
        verdict.tells = outcome(&raw const (*sieve).spaces.classes[kind.index()], failed) & classes;
        if verdict.tells != 0 {
            namespaces::look_up();
            verdict.is_inside = namespaces::holds(&raw const (*sieve).spaces, kind.index());
            verdict.passes |= verdict.is_inside;
        }
    }
    if !verdict.passes {
        count(kind, Outcome::Filtered);
    }
    verdict
}

/// Keeps beside a record in the making whether it ends with namespaces.
///
/// # Safety
/// `scratch` must point into its map.
#[inline(always)]
pub(super) unsafe fn keep<const SIZE: usize>(scratch: *mut Scratch<SIZE>, tells: u32) {
    // SAFETY: the caller's promise.
    unsafe { (&raw mut (*scratch).walk.search.tells).write_volatile(tells) }
}

/// What was kept.
///
/// # Safety
/// `scratch` must point into its map.
#[inline(always)]
pub(super) unsafe fn tells<const SIZE: usize>(scratch: *const Scratch<SIZE>) -> bool {
    // SAFETY: the caller's promise.
    unsafe { (&raw const (*scratch).walk.search.tells).read_volatile() != 0 }
}

/// Whether something with one of these classes passes, whoever does it; if not, it is booked as filtered.
#[inline(always)]
pub(super) fn passes(kind: Kind, classes: u32) -> bool {
    // SAFETY: a live map value.
    let passing = in_force().map_or(u32::MAX, |(sieve, _)| unsafe {
        outcome(&raw const (*sieve).classes[kind.index()], false)
    });
    let passes = passing & classes != 0;
    if !passes {
        count(kind, Outcome::Filtered);
    }
    passes
}

/// The mask for a call that failed, or did not.
#[inline(always)]
unsafe fn outcome(masks: *const [u32; OUTCOMES], failed: bool) -> u32 {
    // SAFETY: a live map value.
    let [succeeding, failing] = unsafe { masks.read_volatile() };
    if failed { failing } else { succeeding }
}

/// Whether a call with one of these classes may pass, come out as it will.
#[inline(always)]
pub(super) fn may_pass(kind: Kind, classes: u32) -> bool {
    let passing = in_force().map_or(u32::MAX, |(sieve, _)| {
        // SAFETY: a live map value.
        let ([succeeding, failing], [succeeding_inside, failing_inside]) = unsafe {
            (
                (&raw const (*sieve).classes[kind.index()]).read_volatile(),
                (&raw const (*sieve).spaces.classes[kind.index()]).read_volatile(),
            )
        };
        succeeding | failing | succeeding_inside | failing_inside
    });
    passing & classes != 0
}

/// The kinds of access of an open that passes only with one of the names; 0 if it passes without. By another sieve than
/// the verdict is of, it is not judged.
#[inline(always)]
pub(super) fn named(accesses: u32, failed: bool, verdict: Verdict) -> u32 {
    let sieve = in_force().filter(|(_, generation)| *generation == verdict.generation);
    sieve.map_or(0, |(sieve, _)| {
        // SAFETY: a live map value.
        unsafe {
            let mut passing = outcome(&raw const (*sieve).classes[Kind::Open.index()], failed);
            let mut free = passing & !outcome(&raw const (*sieve).named, failed);
            if verdict.is_inside {
                let inside = outcome(&raw const (*sieve).spaces.classes[Kind::Open.index()], failed);
                passing |= inside;
                free |= inside & !outcome(&raw const (*sieve).spaces.named, failed);
            }
            if accesses & free == 0 { accesses & passing } else { 0 }
        }
    })
}

/// For how many nanoseconds identical opens are merged; 0 if not at all.
#[inline(always)]
pub(super) fn merge_ns() -> u64 {
    // SAFETY: a live map value.
    in_force().map_or(0, |(sieve, _)| unsafe {
        (&raw const (*sieve).merge_ns).read_volatile()
    })
}

/// Whether what an open named has one of the names in its place; `accesses` are those of [`named`].
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
    let Some((sieve, generation)) = in_force() else {
        return true;
    };
    // SAFETY: `sieve` is a live map value; the rest is the caller's promise.
    unsafe {
        let walk = &raw mut (*scratch).walk;
        let search = &raw mut (*walk).search;
        let mut place = 0;
        while place < PLACES {
            let mut lengths = 0;
            let mut access = 0;
            while access < ACCESSES {
                if accesses & 1 << access != 0 {
                    lengths |= (&raw const (*sieve).lengths[place][access]).read_volatile();
                }
                access += 1;
            }
            (*search).lengths[place] = lengths;
            place += 1;
        }
        (*search).depth = 0;
        (*search).accesses = accesses;
        (*search).generation = generation;
        (*search).verdict = UNDECIDED;
        if failed {
            // The directory's names are no leaves.
            (*search).depth = DIRECTORY;
            (*search).end = (*walk).at;
            (*walk).at = (*search).name;
            bpf_loop(
                MAX_TYPED as u32 + 1,
                steps.text as *mut c_void,
                core::ptr::null_mut(),
                0,
            );
            if (*search).verdict != MISSING {
                return true;
            }
            (*search).verdict = if path == 0 { MISSING } else { UNDECIDED };
        }
        if path != 0 {
            if !begin(walk, task, path) {
                return true;
            }
            bpf_loop(MAX_DEPTH as u32, steps.path as *mut c_void, core::ptr::null_mut(), 0);
        }
        // A path too deep to be walked may have the name where nobody looked.
        if (*search).verdict == MISSING {
            count(Kind::Open, Outcome::Filtered);
            return false;
        }
    }
    true
}

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
        let accesses = (*search).accesses;
        let anywhere = (*search).lengths[Place::Anywhere as usize];
        let (lengths, bits) = match depth {
            0 => (
                (*search).lengths[Place::Leaf as usize] | anywhere,
                name_bits(accesses, Place::Leaf) | name_bits(accesses, Place::Anywhere),
            ),
            1 => (
                (*search).lengths[Place::Folder as usize] | anywhere,
                name_bits(accesses, Place::Folder) | name_bits(accesses, Place::Anywhere),
            ),
            2..DIRECTORY => (anywhere, name_bits(accesses, Place::Anywhere)),
            _ => (
                (*search).lengths[Place::Attempt as usize],
                name_bits(accesses, Place::Attempt),
            ),
        };
        if lengths & length_bit(len) != 0 {
            let key = &raw mut (*search).key;
            key.cast::<[u64; 4]>().write_volatile([0; 4]);
            bpf_probe_read_kernel_str(key.cast(), size_of::<NameKey>() as u32, name as *const c_void);
            if rule(search) & bits != 0 {
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

/// One byte of a text.
///
/// # Safety
/// `scratch` must point into its map.
#[inline(always)]
pub(super) unsafe fn text_step<const SIZE: usize>(scratch: *mut Scratch<SIZE>) -> i64 {
    // SAFETY: the caller's promise; what is read is checked by `place`.
    unsafe {
        let walk = &raw mut (*scratch).walk;
        let search = &raw mut (*walk).search;
        let Some((at, byte)) = place(scratch, 1) else {
            return 1;
        };
        let is_over = at >= (*search).end;
        if !is_over && byte.read() != b'/' {
            (*walk).at = at + 1;
            return 0;
        }
        let name = (*search).name;
        let len = at.wrapping_sub(name);
        if len != 0 && (*search).lengths[Place::Attempt as usize] & length_bit(len) != 0 {
            (*walk).at = name;
            let Some((_, from)) = place(scratch, NAME_BYTES) else {
                return 1;
            };
            let key = &raw mut (*search).key;
            key.cast::<[u64; 4]>().write_volatile([0; 4]);
            let len = len.min(NAME_BYTES as u64) & NAME_BYTES as u64;
            bpf_probe_read_kernel(key.cast(), len as u32, from.cast());
            if rule(search) & name_bits((*search).accesses, Place::Attempt) != 0 {
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

/// With which accesses and where the name in the key is looked for.
#[inline(always)]
unsafe fn rule(search: *mut Search) -> NameRule {
    // SAFETY: `search` points into a map value.
    unsafe {
        let key = &raw mut (*search).key;
        (*key)[NAME_BYTES] = (*search).generation as u8;
        NAMES.get_ptr(&*key).map_or(0, |rule| rule.read_volatile())
    }
}

/// The sieve in force, and its generation.
#[inline(always)]
fn in_force() -> Option<(*const Sieve, u32)> {
    // SAFETY: a live map value, which is written as a whole.
    let generation = unsafe { GENERATION.get_ptr(0)?.read_volatile() };
    Some((SIEVES.get_ptr(generation)?, generation))
}
