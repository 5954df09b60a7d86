//! Leaves out what no plugin's filter wants: see [`vespid_ebpf::sieve`].
use core::ffi::c_void;

use aya_ebpf::bindings::BPF_F_NO_PREALLOC;
use aya_ebpf::helpers::generated::{bpf_loop, bpf_probe_read_kernel_str};
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap};
use vespid_ebpf::sieve::{
    ACCESSES, MAX_NAMES, NAME_BYTES, NameKey, NameRule, PLACES, Place, Sieve, length_bit, name_bits,
};
use vespid_ebpf::{Kind, MAX_DEPTH, Outcome};

use super::output::count;
use super::read::Task;
use super::scratch::Scratch;
use super::walk::{Next, Step, Walk, begin, next};

/// Of the two, one is in force, and the other is that before it or the next one.
#[map]
static SIEVES: Array<Sieve> = Array::with_max_entries(2, 0);

/// Which one.
#[map]
static GENERATION: Array<u32> = Array::with_max_entries(1, 0);

/// The names that both look for.
#[map]
static NAMES: HashMap<NameKey, NameRule> = HashMap::with_max_entries(2 * MAX_NAMES as u32, BPF_F_NO_PREALLOC);

/// What a path is looked through for: part of the state of a walk.
#[repr(C)]
pub(super) struct Search {
    /// Lengths of names that are worth a look, by place.
    lengths: [u64; PLACES],
    /// How many names have been seen.
    depth: u64,
    /// Kinds of access that the open asks for.
    accesses: u32,
    generation: u32,
    verdict: u32,
    reserved: u32,
    key: NameKey,
}

/// Nothing was found, and the path has not ended.
const UNDECIDED: u32 = 0;
const FOUND: u32 = 1;
const MISSING: u32 = 2;

/// Whether a call with one of these classes passes; if not, it is booked as filtered.
#[inline(always)]
pub(super) fn passes(kind: Kind, failed: bool, classes: u32) -> bool {
    let passing = in_force().map_or(u32::MAX, |(sieve, _)| {
        // SAFETY: a live map value.
        unsafe {
            let [succeeding, failing] = (&raw const (*sieve).classes[kind.index()]).read_volatile();
            if failed { failing } else { succeeding }
        }
    });
    let passes = passing & classes != 0;
    if !passes {
        count(kind, Outcome::Filtered);
    }
    passes
}

/// Whether an open that succeeded passes: whether there is an access to every file that passes, or its path has one of the
/// names in its place.
///
/// # Safety
/// `scratch` must point into its map, and `step` must work on that same scratch.
#[inline(always)]
pub(super) unsafe fn path_passes<const SIZE: usize>(
    scratch: *mut Scratch<SIZE>,
    step: Step,
    task: Task,
    path: u64,
    accesses: u32,
) -> bool {
    let Some((sieve, generation)) = in_force() else {
        return true;
    };
    // SAFETY: `sieve` is a live map value; the rest is the caller's promise.
    unsafe {
        let passing = (&raw const (*sieve).classes[Kind::Open.index()][0]).read_volatile();
        let accesses = accesses & passing;
        if accesses & !(&raw const (*sieve).named).read_volatile() != 0 {
            return true;
        }
        let walk = &raw mut (*scratch).walk;
        if !begin(walk, task, path) {
            return true;
        }
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
        bpf_loop(MAX_DEPTH as u32, step as *mut c_void, core::ptr::null_mut(), 0);
        // A path too deep to be walked may have the name where nobody looked.
        if (*search).verdict == MISSING {
            count(Kind::Open, Outcome::Filtered);
            return false;
        }
    }
    true
}

/// One step of [`path_passes`].
///
/// # Safety
/// `scratch` must point into its map.
#[inline(always)]
pub(super) unsafe fn search_step<const SIZE: usize>(scratch: *mut Scratch<SIZE>) -> i64 {
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
            Next::Name { parent, len, name } => (parent, len, name),
        };
        let (place, bits) = match depth {
            0 => (Place::Leaf as usize, name_bits((*search).accesses, Place::Leaf)),
            1 => (Place::Folder as usize, name_bits((*search).accesses, Place::Folder)),
            _ => (Place::Anywhere as usize, 0),
        };
        let anywhere = (*search).lengths[Place::Anywhere as usize];
        if ((*search).lengths[place] | anywhere) & length_bit(len) != 0 {
            let bits = bits | name_bits((*search).accesses, Place::Anywhere);
            if rule(search, name) & bits != 0 {
                (*search).verdict = FOUND;
                return 1;
            }
        }
        if parent == (*walk).node || depth > 0 && anywhere == 0 {
            (*search).verdict = MISSING;
            return 1;
        }
        (*walk).node = parent;
        (*search).depth = depth + 1;
        0
    }
}

/// With which accesses and where a name is looked for.
#[inline(always)]
unsafe fn rule(search: *mut Search, name: u64) -> NameRule {
    // SAFETY: `search` points into a map value.
    unsafe {
        let key = &raw mut (*search).key;
        key.cast::<[u64; 4]>().write_volatile([0; 4]);
        bpf_probe_read_kernel_str(key.cast(), size_of::<NameKey>() as u32, name as *const c_void);
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

const _: () = assert!(size_of::<Walk>().is_multiple_of(8));
