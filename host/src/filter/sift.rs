//! What all plugins together have the kernel leave out.
//!
//! Each filter becomes a bit, and for each of its conditions the kernel side has a table of the filters that a value fits.
//! Only of paths it sees less: an open's path from its leaf upwards, a name at a time, and only whether a name is one that
//! is looked for. So each pattern is reduced to one name that every path which fits must have, and where: as the file's
//! own name, as that of its folder, or anywhere. A pattern without such a name lets every path pass.
use std::collections::BTreeMap;

use vespid_ebpf::sieve::{
    CLASSES, EVERYTHING, FILTERS, MAX_ENDS, MAX_NAMES, MAX_USERS, Mask, NAME_BYTES, NameRule, OUTCOMES, PLACES, Place,
    Sieve, accesses, first_bit, length_bit,
};
use vespid_ebpf::{Kind, SocketOp};

use super::check::ACCESSES;
use super::ends::Prefixes;
use super::namespaces::Tests;
use super::patterns::{Patterns, Source, WILDCARDS};
use super::{Filter, Subscription};
use crate::interface::vespid::plugin::describe::{Accesses, Kinds, Outcomes, Places};

/// Every kind of access.
const ANY_ACCESS: u32 = accesses::READ | accesses::WRITE | accesses::CREATE | accesses::TRUNCATE | accesses::NAME_ONLY;
/// Most ways to choose among alternatives that are written out.
const MAX_CHOICES: usize = 256;

/// Names to look for, cut to the bytes that are looked at.
pub type Names = BTreeMap<Vec<u8>, NameRule>;

/// The kernel's part of what is wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct Sift {
    /// By kind, outcome, operation, kind of access and namespace.
    pub sieve: Sieve,
    /// Names in paths.
    pub names: Names,
    /// Filters by user, of those that are about users.
    pub users: BTreeMap<u32, Mask>,
    /// Filters by ports and networks, of those that are about them.
    pub ends: Prefixes,
    /// What an executable and its place are held against.
    images: Vec<(Mask, Places, Patterns)>,
}

impl Default for Sift {
    /// Leaves nothing out.
    fn default() -> Sift {
        Sift::by(Sieve::OPEN)
    }
}

impl Sift {
    /// By this sieve alone.
    #[must_use]
    pub fn by(sieve: Sieve) -> Sift {
        Sift {
            sieve,
            names: Names::new(),
            users: BTreeMap::new(),
            ends: Prefixes::default(),
            images: Vec::new(),
        }
    }

    /// What these subscriptions together want, on a node with these namespaces of its own.
    #[must_use]
    pub fn of<'a>(subscriptions: impl IntoIterator<Item = &'a Subscription>, node: &[u32; 8]) -> Sift {
        let subscriptions: Vec<_> = subscriptions.into_iter().collect();
        let filters = || subscriptions.iter().flat_map(|subscription| &*subscription.filters.0);
        let whole = subscriptions.iter().map(|subscription| subscription.whole_tables());
        let tests = Tests::of(filters().map(|filter| &filter.namespaces), node);
        let mut sift = Sift::by(Sieve::SHUT);
        sift.sieve.tests = tests.as_ref().map(Tests::list).unwrap_or_default();
        sift.pass(whole.fold(Kinds::empty(), |all, tables| all | tables));
        let mut bits = Bits::default();
        for filter in filters() {
            sift.add(bits.of(filter), filter, tests.as_ref(), node);
        }
        let merge_ms = subscriptions.iter().filter_map(|subscription| subscription.merge_ms());
        sift.sieve.merge_ns = u64::from(merge_ms.min().unwrap_or(0)) * 1_000_000;
        sift.bound();
        sift
    }

    /// The same, but that nothing is left out: what is merged and what is told stay as they were.
    #[must_use]
    pub fn opened(&self) -> Sift {
        Sift {
            sieve: self.sieve.opened(),
            ..self.clone()
        }
    }

    /// Whether [`Sift::of_image`] says anything.
    #[must_use]
    pub fn is_about_images(&self) -> bool {
        !self.images.is_empty()
    }

    /// The filters that may describe what a process does that runs this executable, in a container or not. `None` stands
    /// for a place that may be taken for another later.
    #[must_use]
    pub fn of_image(&self, exe: &[u8], is_contained: Option<bool>) -> Mask {
        let fitting = self.images.iter().filter(|(_, places, executables)| {
            let is_there = match is_contained {
                Some(true) => places.contains(Places::CONTAINERS),
                Some(false) => places.contains(Places::HOST),
                None => true,
            };
            (*places == Places::empty() || is_there) && (executables.is_empty() || executables.fit(exe))
        });
        fitting.fold(0, |mask, (bit, ..)| mask | bit)
    }

    /// Has these tables pass whole.
    fn pass(&mut self, tables: Kinds) {
        for kind in Kind::ALL.into_iter().filter(|kind| tables.contains(Kinds::of(*kind))) {
            self.sieve.classes[kind.index()] = [[EVERYTHING; CLASSES]; OUTCOMES];
            self.sieve.kinds |= kind.bit();
        }
    }

    fn add(&mut self, bit: Mask, filter: &Filter, tests: Option<&Tests>, node: &[u32; 8]) {
        let about = |kind: &Kind| *kind != Kind::Fork && filter.tables.contains(Kinds::of(*kind));
        for kind in Kind::ALL.into_iter().filter(about) {
            self.sieve.kinds |= kind.bit();
            for (outcome, asked) in [Outcomes::SUCCEEDED, Outcomes::FAILED].into_iter().enumerate() {
                for (class, filters) in self.sieve.classes[kind.index()][outcome].iter_mut().enumerate() {
                    let is_outcome = filter.outcomes == Outcomes::empty()
                        || filter.outcomes.contains(asked)
                        || is_judged_late(kind, class);
                    if is_outcome && is_of_class(filter, kind, class) {
                        *filters |= bit;
                    }
                }
            }
        }
        self.add_place(bit, filter, tests, node);
        self.add_process(bit, filter);
        self.ends.add(bit, filter, &mut self.sieve.without.ends);
        if filter.paths.is_empty() || !self.add_names(bit, filter) {
            self.sieve.without.path |= bit;
        }
    }

    fn add_place(&mut self, bit: Mask, filter: &Filter, tests: Option<&Tests>, node: &[u32; 8]) {
        if filter.namespaces.is_empty() {
            self.sieve.without.namespace |= bit;
            return;
        }
        self.sieve.telling |= bit;
        match tests {
            Some(tests) => tests.add(bit, &filter.namespaces, node, &mut self.sieve.inside),
            None => self.sieve.inside.iter_mut().for_each(|filters| *filters |= bit),
        }
    }

    fn add_process(&mut self, bit: Mask, filter: &Filter) {
        for user in &filter.users {
            *self.users.entry(*user).or_default() |= bit;
        }
        if filter.users.is_empty() {
            self.sieve.without.user |= bit;
        }
        if filter.executables.is_empty() && filter.places == Places::empty() {
            self.sieve.without.image |= bit;
        } else {
            self.images.push((bit, filter.places, filter.executables.clone()));
        }
    }

    /// Calls by this filter pass if they have a name that one of its patterns has. Not if one of them has no such name.
    fn add_names(&mut self, bit: Mask, filter: &Filter) -> bool {
        let Some(keys) = filter.paths.sources().map(key).collect::<Option<Vec<_>>>() else {
            return false;
        };
        let accesses = match filter.tables.contains(Kinds::OPENS) {
            true => accesses_of(filter.accesses),
            false => 0,
        };
        let of_others = filter.tables.intersects(!Kinds::OPENS);
        let classes = self.sieve.likenesses.iter_mut().enumerate();
        let mut classes: Vec<_> = classes
            .filter(|(class, _)| accesses as usize & class != 0 || of_others && *class == CLASSES - 1)
            .map(|(_, likeness)| likeness)
            .collect();
        for (name, place) in keys.into_iter().flatten() {
            let rule = self.names.entry(name.get(..NAME_BYTES).unwrap_or(&name).to_vec());
            let rule = rule.or_insert([0; PLACES]);
            for place in [place, Place::Words] {
                rule[place as usize] |= bit;
                for likeness in &mut classes {
                    likeness.lengths[place as usize] |= length_bit(name.len() as u64);
                }
            }
            let bit = first_bit(begins(&name));
            for likeness in &mut classes {
                likeness.firsts[(bit / 64) as usize] |= 1 << (bit % 64);
            }
        }
        true
    }

    /// Leaves to the daemon what there is too much of.
    fn bound(&mut self) {
        let without = &mut self.sieve.without;
        if self.names.len() > MAX_NAMES {
            self.names.clear();
            without.path = Mask::MAX;
        }
        if self.users.len() > MAX_USERS {
            self.users.clear();
            without.user = Mask::MAX;
        }
        if self.ends.len() > MAX_ENDS {
            self.ends = Prefixes::default();
            without.ends = [Mask::MAX; 3];
        }
        self.sieve.free = without.any();
    }
}

/// The first eight bytes of a name, as they lie in memory.
pub(super) fn begins(name: &[u8]) -> u64 {
    let mut word = [0; 8];
    word.iter_mut().zip(name).for_each(|(to, from)| *to = *from);
    u64::from_ne_bytes(word)
}

/// Which filters have which bits.
#[derive(Default)]
struct Bits<'a>(Vec<&'a Filter>);

impl<'a> Bits<'a> {
    /// The bit of a filter. Those that differ in their paths only share one, as do all for which none is left.
    fn of(&mut self, filter: &'a Filter) -> Mask {
        let known = self.0.iter().position(|other| other.differs_in_paths_only(filter));
        let at = known.unwrap_or_else(|| {
            self.0.push(filter);
            self.0.len() - 1
        });
        1 << at.min(FILTERS as usize - 1)
    }
}

/// Whether a filter may be about calls of this class.
#[expect(clippy::cast_possible_truncation, reason = "there are few")]
fn is_of_class(filter: &Filter, kind: Kind, class: usize) -> bool {
    match kind {
        Kind::Open => accesses_of(filter.accesses) & class as u32 != 0,
        Kind::Connection | Kind::Change | Kind::Privileged | Kind::Socket | Kind::Resource => {
            filter.ops == 0 || filter.ops & 1 << class != 0
        }
        Kind::Fork | Kind::Exec | Kind::Exit => true,
    }
}

/// Whether only the daemon can tell if a call of this class failed: an answer of DNS that makes no sense did.
fn is_judged_late(kind: Kind, class: usize) -> bool {
    kind == Kind::Socket && class == SocketOp::DnsAnswer as usize
}

fn accesses_of(wanted: Accesses) -> u32 {
    if wanted == Accesses::empty() {
        return ANY_ACCESS;
    }
    let chosen = ACCESSES.iter().filter(|(access, _)| wanted.contains(*access));
    chosen.fold(0, |bits, (_, bit)| bits | bit)
}

/// The names of which every path that fits a pattern has one, with their places. `None` if there are none.
fn key(source: Source<'_>) -> Option<Vec<(Vec<u8>, Place)>> {
    match source {
        Source::Exact(path) => named(path.rsplit(|byte| *byte == b'/').next()?, Place::Leaf).map(|key| vec![key]),
        Source::Prefix(text) => {
            // The last name may go on beyond the prefix.
            let folder = text.rsplit(|byte| *byte == b'/').nth(1)?;
            named(folder, Place::Anywhere).map(|key| vec![key])
        }
        Source::Glob(pattern) => {
            let mut written_out = Vec::new();
            if !choices(pattern, &mut written_out) {
                return None;
            }
            written_out.iter().map(|pattern| of_glob(pattern)).collect()
        }
    }
}

/// The name in a glob without alternatives: the last one without wildcards. Where `**` follows, it may be anywhere.
fn of_glob(pattern: &str) -> Option<(Vec<u8>, Place)> {
    let mut place = Some(Place::Leaf);
    for name in pattern.rsplit('/') {
        if !name.is_empty() && !name.contains(WILDCARDS) {
            return named(name.as_bytes(), place.unwrap_or(Place::Anywhere));
        }
        if name.contains("**") {
            return anywhere(pattern);
        }
        place = match place {
            Some(Place::Leaf) => Some(Place::Folder),
            _ => None,
        };
    }
    None
}

/// A name before, between or after `**`: the longest.
fn anywhere(pattern: &str) -> Option<(Vec<u8>, Place)> {
    let names = pattern.split('/').filter(|name| !name.contains(WILDCARDS));
    named(names.max_by_key(|name| name.len())?.as_bytes(), Place::Anywhere)
}

fn named(name: &[u8], place: Place) -> Option<(Vec<u8>, Place)> {
    (!name.is_empty()).then(|| (name.to_vec(), place))
}

/// Writes out the alternatives of a glob. Not if there are too many, or if it is one that is not understood here.
fn choices(pattern: &str, written_out: &mut Vec<String>) -> bool {
    if pattern.contains(['[', ']', '\\', '!']) {
        return false;
    }
    let Some(open) = pattern.find('{') else {
        written_out.push(pattern.to_owned());
        return written_out.len() <= MAX_CHOICES && !pattern.contains('}');
    };
    let (before, rest) = pattern.split_at(open);
    let mut depth = 0_usize;
    let mut from = 1;
    let mut parts = Vec::new();
    for (at, byte) in rest.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b',' if depth == 1 => {
                parts.push(&rest[from..at]);
                from = at + 1;
            }
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    parts.push(&rest[from..at]);
                    let after = &rest[at + 1..];
                    return parts
                        .iter()
                        .all(|part| choices(&format!("{before}{part}{after}"), written_out));
                }
            }
            _ => {}
        }
    }
    false
}
