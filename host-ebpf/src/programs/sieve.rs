//! Leaves out what no plugin's filter wants: see [`vespid_ebpf::sieve`].
use aya_ebpf::bindings::BPF_F_NO_PREALLOC;
use aya_ebpf::macros::map;
use aya_ebpf::maps::lpm_trie::{Key, LpmTrie};
use aya_ebpf::maps::{Array, HashMap};
use vespid_ebpf::sieve::{CLASSES, END_HEAD, End, EndKey, MAX_ENDS, MAX_USERS, Mask, Sieve, UserKey};
use vespid_ebpf::{Kind, Outcome};

use super::counters::count;
use super::images;
use super::index::masked;
use super::namespaces;
use super::who::Who;

/// Of the two, one is in force, and the other is that before it or the next one.
#[map]
static SIEVES: Array<Sieve> = Array::with_max_entries(2, 0);

/// Which one.
#[map]
static GENERATION: Array<u32> = Array::with_max_entries(1, 0);

/// Filters by users, of both.
#[map]
static USERS: HashMap<UserKey, Mask> = HashMap::with_max_entries(2 * MAX_USERS as u32, BPF_F_NO_PREALLOC);

/// Filters by networks and ports, of both.
#[map]
static ENDS: LpmTrie<EndKey, Mask> = LpmTrie::with_max_entries(2 * MAX_ENDS as u32, 0);

/// What was found of a call.
#[derive(Clone, Copy)]
pub(super) struct Verdict {
    /// The filters that may describe it. None: it does not pass.
    pub(super) filters: Mask,
    /// Not 0: the namespaces of its task were looked up, and belong into the record. To be kept by [`super::names::keep`],
    /// as a verifier that knew it would go through all that follows once for either.
    pub(super) tells: u32,
    /// By which sieve. Whatever else is judged of the call is judged by the same.
    pub(super) generation: u32,
}

impl Verdict {
    /// There is no sieve, which does not happen.
    const UNKNOWN: Verdict = Verdict {
        filters: Mask::MAX,
        tells: 0,
        generation: 0,
    };

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
        narrow_by_place(&mut verdict, sieve);
    }
    if !verdict.passes() {
        count(kind, Outcome::Filtered);
    }
    verdict
}

/// The same, but by whom it was made is left for later: it costs more than looking for a name that is not there.
#[inline(always)]
pub(super) fn judge_by_whomever(kind: Kind, failed: bool, class: u32) -> Verdict {
    let Some((sieve, generation)) = in_force() else {
        return Verdict::UNKNOWN;
    };
    let mut verdict = of_its_class(sieve, generation, kind, failed, class);
    narrow_by_place(&mut verdict, sieve);
    if !verdict.passes() {
        count(kind, Outcome::Filtered);
    }
    verdict
}

/// The same of what no task does; whether it passes is not booked yet.
#[inline(always)]
pub(super) fn judge_anywhere(kind: Kind, failed: bool, class: u32, who: impl FnOnce() -> Who) -> Verdict {
    let Some((sieve, generation)) = in_force() else {
        return Verdict::UNKNOWN;
    };
    let mut verdict = of_its_class(sieve, generation, kind, failed, class);
    if is_about_who(verdict.filters, sieve) {
        narrow_by_who(&mut verdict, who());
    }
    verdict
}

#[inline(always)]
fn of_its_class(sieve: *const Sieve, generation: u32, kind: Kind, failed: bool, class: u32) -> Verdict {
    Verdict {
        // SAFETY: a live map value; every index is checked or masked.
        filters: unsafe { of_class(&raw const (*sieve).classes[kind.index()][failed as usize], class) },
        tells: 0,
        generation,
    }
}

/// Whether one of these filters is about who does something, and none is about nothing.
#[inline(always)]
fn is_about_who(filters: Mask, sieve: *const Sieve) -> bool {
    // SAFETY: a live map value.
    unsafe {
        let without_user = (&raw const (*sieve).without.user).read_volatile();
        let without_image = (&raw const (*sieve).without.image).read_volatile();
        let free = (&raw const (*sieve).free).read_volatile();
        filters & free == 0 && filters & !(without_user & without_image) != 0
    }
}

/// What is still to be judged of a call.
#[derive(Clone, Copy)]
pub(super) struct Due {
    /// By whom it was made.
    pub(super) who: bool,
    /// What it names: it does not pass without.
    pub(super) name: bool,
}

/// What is still to be judged of a call whose class and place have been.
#[inline(always)]
pub(super) fn due(verdict: Verdict) -> Due {
    let nothing = Due {
        who: false,
        name: false,
    };
    of(verdict.generation).map_or(nothing, |sieve| Due {
        who: is_about_who(verdict.filters, sieve),
        name: needs_name(verdict.filters, sieve),
    })
}

/// Whether none of these filters does without a name.
#[inline(always)]
pub(super) fn needs_name(filters: Mask, sieve: *const Sieve) -> bool {
    // SAFETY: a live map value.
    filters & unsafe { (&raw const (*sieve).without.path).read_volatile() } == 0
}

/// Takes away the filters that are about others.
#[inline(always)]
pub(super) fn narrow_by_who(verdict: &mut Verdict, who: Who) {
    verdict.filters = vespid_narrow(verdict.filters, verdict.generation, who.uid, who.pid, who.start_ns);
}

/// Takes away the filters that are about namespaces other than those of the current task.
#[inline(always)]
fn narrow_by_place(verdict: &mut Verdict, sieve: *const Sieve) {
    // SAFETY: a live map value.
    unsafe {
        if verdict.filters & (&raw const (*sieve).telling).read_volatile() != 0 {
            verdict.tells = 1;
            namespaces::look_up();
            verdict.filters &= namespaces::filters(sieve);
        }
    }
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
pub(super) extern "C" fn vespid_narrow(filters: Mask, generation: u32, uid: u32, pid: u32, start_ns: u64) -> Mask {
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
        let free = (&raw const (*sieve).free).read_volatile();
        verdict.filters & free == 0 && verdict.filters & !(local & remote & network) != 0
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
    match of(verdict.generation) {
        Some(sieve) if needs_name(verdict.filters, sieve) => verdict.filters,
        _ => 0,
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

/// The sieve in force, and its generation.
#[inline(always)]
fn in_force() -> Option<(*const Sieve, u32)> {
    // SAFETY: a live map value, which is written as a whole.
    let generation = unsafe { GENERATION.get_ptr(0)?.read_volatile() };
    Some((of(generation)?, generation))
}

/// The sieve of a generation.
#[inline(always)]
pub(super) fn of(generation: u32) -> Option<*const Sieve> {
    SIEVES.get_ptr(generation)
}
