//! Leaves out what no plugin's filter wants: see [`vespid_ebpf::sieve`].
use core::ffi::c_void;

use aya_ebpf::bindings::BPF_F_NO_PREALLOC;
use aya_ebpf::helpers::generated::{bpf_loop, bpf_probe_read_kernel, bpf_probe_read_kernel_str};
use aya_ebpf::macros::map;
use aya_ebpf::maps::lpm_trie::{Key, LpmTrie};
use aya_ebpf::maps::{Array, HashMap};
use vespid_ebpf::sieve::{
    ACCESSES, CLASSES, END_HEAD, End, EndKey, MAX_ENDS, MAX_NAMES, MAX_USERS, Mask, NAME_BYTES, NameKey, NameRule,
    PLACES, Place, Sieve, UserKey, length_bit,
};
use vespid_ebpf::{ABSENT, Kind, MAX_DEPTH, Outcome};

use super::globals::{offset, type_id};
use super::header::start_ns;
use super::images;
use super::index::masked;
use super::namespaces;
use super::output::count;
use super::read::{Task, direct, field};
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

/// Filters by users, of both.
#[map]
static USERS: HashMap<UserKey, Mask> = HashMap::with_max_entries(2 * MAX_USERS as u32, BPF_F_NO_PREALLOC);

/// Filters by networks and ports, of both.
#[map]
static ENDS: LpmTrie<EndKey, Mask> = LpmTrie::with_max_entries(2 * MAX_ENDS as u32, 0);

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
    /// Whose names they are.
    filters: Mask,
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

/// By whom something was.
#[derive(Clone, Copy)]
pub(super) struct Who {
    pub(super) uid: u32,
    /// 0 if it is not known.
    pub(super) pid: u32,
    pub(super) start_ns: u64,
}

impl Who {
    /// A task: the current one, or its process's first.
    #[inline(always)]
    pub(super) fn of(task: Task) -> Who {
        let cred: *const u8 = task.field(offset!(task_real_cred));
        Who {
            // SAFETY: the verifier knows the type of `task_struct.real_cred`.
            uid: unsafe { direct(cred, offset!(cred_uid)) },
            pid: task.field(offset!(task_tgid)),
            start_ns: start_ns(task),
        }
    }
}

/// What was found of a call.
#[derive(Clone, Copy)]
pub(super) struct Verdict {
    /// The filters that may describe it. None: it does not pass.
    pub(super) filters: Mask,
    /// Not 0: the namespaces of its task were looked up, and belong into the record. To be kept by [`keep`], as a verifier
    /// that knew it would go through all that follows once for either.
    pub(super) tells: u32,
    /// By which sieve.
    generation: u32,
}

impl Verdict {
    #[inline(always)]
    pub(super) fn passes(self) -> bool {
        self.filters != 0
    }
}

/// Judges a call of the current task by its class ([`vespid_ebpf::sieve::CLASSES`]), by who made it and where; if it does not
/// pass, it is booked as filtered.
#[inline(always)]
pub(super) fn judge(kind: Kind, failed: bool, class: u32, who: impl FnOnce() -> Who) -> Verdict {
    let mut verdict = judge_anywhere(kind, failed, class, who);
    if let Some(sieve) = of(verdict.generation) {
        // SAFETY: a live map value.
        unsafe {
            if verdict.filters & (&raw const (*sieve).telling).read_volatile() != 0 {
                verdict.tells = 1;
                namespaces::look_up();
                verdict.filters &= namespaces::filters(sieve);
            }
        }
    }
    if !verdict.passes() {
        count(kind, Outcome::Filtered);
    }
    verdict
}

/// The same of what no task does; whether it passes is not booked yet.
#[inline(always)]
pub(super) fn judge_anywhere(kind: Kind, failed: bool, class: u32, who: impl FnOnce() -> Who) -> Verdict {
    let mut verdict = Verdict {
        filters: Mask::MAX,
        tells: 0,
        generation: 0,
    };
    let Some((sieve, generation)) = in_force() else {
        return verdict;
    };
    verdict.generation = generation;
    // SAFETY: a live map value; every index is checked or masked.
    unsafe {
        verdict.filters = of_class(&raw const (*sieve).classes[kind.index()][failed as usize], class);
        let without_user = (&raw const (*sieve).without.user).read_volatile();
        let without_image = (&raw const (*sieve).without.image).read_volatile();
        if verdict.filters & !(without_user & without_image) != 0 {
            let who = who();
            verdict.filters = vespid_narrow(verdict.filters, generation, who.uid, who.pid, who.start_ns);
        }
    }
    verdict
}

/// Takes away the filters that are about namespaces other than this one of the network.
#[inline(always)]
pub(super) fn narrow_by_network(verdict: &mut Verdict, inode: impl FnOnce() -> u32) {
    let Some(sieve) = of(verdict.generation) else { return };
    // SAFETY: a live map value.
    unsafe {
        if verdict.filters & (&raw const (*sieve).telling).read_volatile() != 0 {
            verdict.filters &= namespaces::filters_by_network(sieve, inode());
        }
    }
}

/// Those of some filters that may describe what somebody does.
///
/// With a name that is seen from outside it is verified once in each program, and not for each state in which it is called.
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn vespid_narrow(filters: Mask, generation: u32, uid: u32, pid: u32, start_ns: u64) -> Mask {
    let Some(sieve) = of(generation) else {
        return filters;
    };
    let mut left = filters;
    // SAFETY: live map values.
    unsafe {
        let without = (&raw const (*sieve).without.user).read_volatile();
        if left & !without != 0 {
            let of_user = USERS.get_ptr(UserKey { uid, generation });
            left &= without | of_user.map_or(0, |filters| filters.read_volatile());
        }
        let without = (&raw const (*sieve).without.image).read_volatile();
        let epoch = (&raw const (*sieve).epoch).read_volatile();
        if left & !without != 0 && epoch != 0 && pid != 0 {
            left &= without | images::filters(epoch, pid, start_ns, generation);
        }
    }
    left
}

/// What the ends of a connection or of a socket are looked up by.
pub(super) type Prefix = Key<EndKey>;

/// Two ends: the remote address as on the wire, the ports as numbers.
pub(super) struct Ends {
    pub(super) local_port: u16,
    pub(super) remote_port: u16,
    pub(super) remote: [u64; 2],
}

/// Whether a filter among those of a verdict is about ends.
#[inline(always)]
pub(super) fn is_about_ends(verdict: Verdict) -> bool {
    // SAFETY: a live map value.
    of(verdict.generation).is_some_and(|sieve| unsafe {
        let [local, remote, network] = (&raw const (*sieve).without.ends).read_volatile();
        verdict.filters & !(local & remote & network) != 0
    })
}

/// Takes away the filters that these ends do not fit.
///
/// # Safety
/// `prefix` must be room for a look-up, in a map or on the stack.
#[inline(always)]
pub(super) unsafe fn narrow_by_ends(verdict: &mut Verdict, prefix: *mut Prefix, ends: &Ends) {
    let Some(sieve) = of(verdict.generation) else { return };
    let port = |port: u16| [u64::from(port.to_be()), 0];
    // SAFETY: a live map value, and the caller's promise.
    unsafe {
        for (end, bits, bytes) in [
            (End::LocalPort, 16, port(ends.local_port)),
            (End::RemotePort, 16, port(ends.remote_port)),
            (End::RemoteNetwork, 128, ends.remote),
        ] {
            let without = (&raw const (*sieve).without.ends[end as usize]).read_volatile();
            if verdict.filters & !without != 0 {
                // The parts of the key lie at multiples of four.
                let words = prefix.cast::<u32>();
                words.write_volatile(END_HEAD + bits);
                words.add(1).write_volatile(end as u32 | verdict.generation << 8);
                words.add(2).write_volatile(bytes[0] as u32);
                words.add(3).write_volatile((bytes[0] >> 32) as u32);
                words.add(4).write_volatile(bytes[1] as u32);
                words.add(5).write_volatile((bytes[1] >> 32) as u32);
                verdict.filters &= without | ENDS.get(&*prefix).map_or(0, |filters| *filters);
            }
        }
    }
}

/// Keeps beside a record in the making whether it ends with namespaces, and whose names it must have one of.
///
/// # Safety
/// `scratch` must point into its map.
#[inline(always)]
pub(super) unsafe fn keep<const SIZE: usize>(scratch: *mut Scratch<SIZE>, verdict: Verdict) {
    // SAFETY: the caller's promise.
    unsafe {
        (&raw mut (*scratch).walk.search.tells).write_volatile(verdict.tells);
        (&raw mut (*scratch).walk.search.filters).write_volatile(named(verdict));
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

/// What was kept.
///
/// # Safety
/// `scratch` must point into its map.
#[inline(always)]
pub(super) unsafe fn tells<const SIZE: usize>(scratch: *const Scratch<SIZE>) -> bool {
    // SAFETY: the caller's promise.
    unsafe { (&raw const (*scratch).walk.search.tells).read_volatile() != 0 }
}

/// Whether a call of this class may pass, come out as it will.
#[inline(always)]
pub(super) fn may_pass(kind: Kind, class: u32) -> bool {
    in_force().is_none_or(|(sieve, _)| {
        // SAFETY: a live map value.
        let of_outcome = |failed| unsafe { of_class(&raw const (*sieve).classes[kind.index()][failed], class) };
        of_outcome(0) | of_outcome(1) != 0
    })
}

/// The filters that may describe calls of a class.
///
/// # Safety
/// `classes` must be in a live map value.
#[inline(always)]
unsafe fn of_class(classes: *const [Mask; CLASSES], class: u32) -> Mask {
    let at = masked::<{ CLASSES as i32 - 1 }>(u64::from(class));
    // SAFETY: the caller's promise.
    unsafe { classes.cast::<Mask>().add(at).read_volatile() }
}

/// Whether any call of a kind may pass.
#[inline(always)]
pub(super) fn may_pass_at_all(kind: Kind) -> bool {
    // SAFETY: a live map value.
    in_force().is_none_or(|(sieve, _)| unsafe { (&raw const (*sieve).kinds).read_volatile() } & kind.bit() != 0)
}

/// What processes run is noted for this sieve; 0 if it is not.
#[inline(always)]
pub(super) fn epoch() -> u32 {
    // SAFETY: a live map value.
    in_force().map_or(0, |(sieve, _)| unsafe { (&raw const (*sieve).epoch).read_volatile() })
}

/// The filters of a verdict, if it takes a name for it to pass; 0 if it passes without.
#[inline(always)]
pub(super) fn named(verdict: Verdict) -> Mask {
    // SAFETY: a live map value.
    let without = of(verdict.generation).map_or(Mask::MAX, |sieve| unsafe {
        (&raw const (*sieve).without.path).read_volatile()
    });
    if verdict.filters & without == 0 {
        verdict.filters
    } else {
        0
    }
}

/// For how many nanoseconds identical opens are merged; 0 if not at all.
#[inline(always)]
pub(super) fn merge_ns() -> u64 {
    // SAFETY: a live map value.
    in_force().map_or(0, |(sieve, _)| unsafe {
        (&raw const (*sieve).merge_ns).read_volatile()
    })
}

/// Whether what an open named has one of the names in its place that these filters look for.
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
    filters: Mask,
    failed: bool,
) -> bool {
    // SAFETY: the caller's promise.
    unsafe {
        (*scratch).walk.search.filters = filters;
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

/// Begins to look for the names of the filters in the search. Whether there is a sieve to look by.
///
/// # Safety
/// `scratch` must point into its map.
#[inline(always)]
pub(super) unsafe fn begin_search<const SIZE: usize>(scratch: *mut Scratch<SIZE>, accesses: u32) -> bool {
    let Some((sieve, generation)) = in_force() else {
        return false;
    };
    // SAFETY: `sieve` is a live map value; the rest is the caller's promise.
    unsafe {
        let search = &raw mut (*scratch).walk.search;
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
        (*search).generation = generation;
        (*search).verdict = UNDECIDED;
    }
    true
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
        let anywhere = (*search).lengths[Place::Anywhere as usize];
        let (lengths, places) = match depth {
            0 => (
                (*search).lengths[Place::Leaf as usize] | anywhere,
                [Place::Leaf, Place::Anywhere],
            ),
            1 => (
                (*search).lengths[Place::Folder as usize] | anywhere,
                [Place::Folder, Place::Anywhere],
            ),
            2..DIRECTORY => (anywhere, [Place::Anywhere; 2]),
            _ => ((*search).lengths[Place::Words as usize], [Place::Words; 2]),
        };
        if lengths & length_bit(len) != 0 {
            read_name(&raw mut (*search).key, name, len);
            if is_looked_for(search, places) {
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

/// Reads a name of a dentry.
///
/// # Safety
/// `key` must point into its map.
#[inline(always)]
unsafe fn read_name(key: *mut NameKey, name: u64, len: u64) {
    const WORDS: usize = size_of::<NameKey>() / 8;
    let words = key.cast::<u64>();
    // SAFETY: the caller's promise; the key is as long.
    unsafe {
        if type_id!(word) == ABSENT {
            // One by one: an array would be made on the stack, of which there is nothing left.
            let mut at = 0;
            while at < WORDS {
                words.add(at).write_volatile(0);
                at += 1;
            }
            bpf_probe_read_kernel_str(key.cast(), size_of::<NameKey>() as u32, name as *const c_void);
            return;
        }
        let mut at = 0;
        while at < WORDS {
            // What follows the name is anything.
            let bits = len.saturating_sub(at as u64 * 8).min(8) * 8;
            let rest = if bits == 64 { 0 } else { u64::MAX << bits };
            let word: u64 = field(type_id!(word), name + at as u64 * 8, 0);
            words.add(at).write_volatile(word & !rest);
            at += 1;
        }
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
        // Names of a path end with NUL.
        if !is_over && !matches!(byte.read(), b'/' | 0) {
            (*walk).at = at + 1;
            return 0;
        }
        let name = (*search).name;
        let len = at.wrapping_sub(name);
        if len != 0 && (*search).lengths[Place::Words as usize] & length_bit(len) != 0 {
            (*walk).at = name;
            let Some((_, from)) = place(scratch, NAME_BYTES) else {
                return 1;
            };
            let key = &raw mut (*search).key;
            key.cast::<[u64; 4]>().write_volatile([0; 4]);
            let len = len.min(NAME_BYTES as u64) & NAME_BYTES as u64;
            bpf_probe_read_kernel(key.cast(), len as u32, from.cast());
            if is_looked_for(search, [Place::Words; 2]) {
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

/// Whether the name in the key is looked for in one of these places.
#[inline(always)]
unsafe fn is_looked_for(search: *mut Search, places: [Place; 2]) -> bool {
    // SAFETY: `search` points into a map value; a place is an index.
    unsafe {
        let key = &raw mut (*search).key;
        (*key)[NAME_BYTES] = (*search).generation as u8;
        let Some(rule) = NAMES.get_ptr(&*key) else {
            return false;
        };
        let [first, second] = places.map(|place| rule.cast::<Mask>().add(place as usize).read_volatile());
        (first | second) & (*search).filters != 0
    }
}

/// The sieve in force, and its generation.
#[inline(always)]
fn in_force() -> Option<(*const Sieve, u32)> {
    // SAFETY: a live map value, which is written as a whole.
    let generation = unsafe { GENERATION.get_ptr(0)?.read_volatile() };
    Some((of(generation)?, generation))
}

/// The sieve of a generation.
#[inline(always)]
fn of(generation: u32) -> Option<*const Sieve> {
    SIEVES.get_ptr(generation)
}
