//! What all plugins together have the kernel leave out.
//!
//! The kernel side sees an open's path from its leaf upwards, a name at a time, and only whether a name is one that is
//! looked for. So each pattern is reduced to one name that every path which fits must have, and where: as the file's
//! own name, as that of its folder, or anywhere. A pattern without such a name lets every path pass.
use std::collections::BTreeMap;

use vespid_ebpf::Kind;
use vespid_ebpf::sieve::{
    MAX_NAMES, NAME_BYTES, NameRule, OUTCOMES, Place, Sieve, Spaces, accesses, length_bit, name_bits,
};

use super::check::ACCESSES;
use super::namespaces::Tests;
use super::patterns::{Patterns, Source, WILDCARDS};
use super::{Filter, Subscription};
use crate::interface::vespid::plugin::describe::{Accesses, Kinds, Outcomes};

/// Every kind of access.
const ANY_ACCESS: u32 = accesses::READ | accesses::WRITE | accesses::CREATE | accesses::TRUNCATE | accesses::NAME_ONLY;
/// Most ways to choose among alternatives that are written out.
const MAX_CHOICES: usize = 256;

/// Names to look for, cut to the bytes that are looked at.
pub type Names = BTreeMap<Vec<u8>, NameRule>;

/// The kernel's part of what is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sift {
    /// By kind, outcome, operation and kind of access.
    pub sieve: Sieve,
    /// Names in paths.
    pub names: Names,
}

impl Default for Sift {
    /// Leaves nothing out.
    fn default() -> Sift {
        Sift {
            sieve: Sieve::OPEN,
            names: Names::new(),
        }
    }
}

impl Sift {
    /// What these subscriptions together want, on a node with these namespaces of its own.
    #[must_use]
    pub fn of<'a>(subscriptions: impl IntoIterator<Item = &'a Subscription>, node: &[u32; 8]) -> Sift {
        let subscriptions: Vec<_> = subscriptions.into_iter().collect();
        let filters = subscriptions.iter().flat_map(|subscription| &*subscription.filters.0);
        let tests = Tests::of(filters.map(|filter| &filter.namespaces), node);
        let mut sift = Sift {
            sieve: Sieve {
                named: [ANY_ACCESS; OUTCOMES],
                spaces: Spaces {
                    named: [ANY_ACCESS; OUTCOMES],
                    tests: tests.as_ref().map(Tests::list).unwrap_or_default(),
                    ..Spaces::NONE
                },
                ..Sieve::SHUT
            },
            names: Names::new(),
        };
        let mut merge_ms = None;
        for subscription in subscriptions {
            let whole = subscription.whole_tables();
            merge_ms = merge_ms.into_iter().chain(subscription.merge_ms()).min();
            for kind in Kind::ALL {
                if whole.contains(Kinds::of(kind)) {
                    sift.sieve.classes[kind.index()] = [u32::MAX; 2];
                }
            }
            if whole.contains(Kinds::OPENS) {
                sift.sieve.named = [0; 2];
            }
            for filter in &*subscription.filters.0 {
                sift.add(filter, tests.as_ref(), node);
            }
        }
        sift.sieve.merge_ns = u64::from(merge_ms.unwrap_or(0)) * 1_000_000;
        let Sieve { named, spaces, .. } = &mut sift.sieve;
        if sift.names.len() > MAX_NAMES {
            (*named, spaces.named) = ([0; OUTCOMES], [0; OUTCOMES]);
        }
        if *named == [0; OUTCOMES] {
            sift.names.clear();
            sift.sieve.lengths = Sieve::OPEN.lengths;
        }
        sift
    }

    /// The same, but that nothing is left out: what is merged and what is told stay as they were.
    #[must_use]
    pub fn opened(&self) -> Sift {
        Sift {
            sieve: Sieve {
                merge_ns: self.sieve.merge_ns,
                spaces: self.sieve.spaces,
                ..Sieve::OPEN
            },
            names: Names::new(),
        }
    }

    fn add(&mut self, filter: &Filter, tests: Option<&Tests>, node: &[u32; 8]) {
        for kind in Kind::ALL {
            let table = Kinds::of(kind);
            if kind == Kind::Fork || !filter.tables.contains(table) {
                continue;
            }
            let passing = match kind {
                Kind::Open => accesses_of(filter.accesses),
                Kind::Connection | Kind::Change | Kind::Privileged | Kind::Socket | Kind::Resource
                    if filter.ops != 0 =>
                {
                    filter.ops
                }
                _ => u32::MAX,
            };
            let is_inside = is_by_task(kind) && !filter.namespaces.is_empty();
            if is_inside {
                let holding = &mut self.sieve.spaces.holding[kind.index()];
                match tests {
                    Some(tests) => tests.add(&filter.namespaces, node, holding),
                    None => *holding = [u64::MAX; Spaces::WORDS],
                }
            }
            // What is a failure here may not be one there: an answer of DNS that makes no sense, a connection reset.
            let either = filter.outcomes == Outcomes::empty() || matches!(kind, Kind::Socket | Kind::Connection);
            for (outcome, asked) in [Outcomes::SUCCEEDED, Outcomes::FAILED].into_iter().enumerate() {
                if !either && !filter.outcomes.contains(asked) {
                    continue;
                }
                let Sieve { classes, spaces, .. } = &mut self.sieve;
                let classes = if is_inside { &mut spaces.classes } else { classes };
                classes[kind.index()][outcome] |= passing;
                if kind == Kind::Open {
                    self.name(passing, &filter.paths, is_inside, outcome != 0);
                }
            }
        }
    }

    /// Opens with such an access pass if they have a name that one of the patterns has.
    fn name(&mut self, passing: u32, paths: &Patterns, is_inside: bool, failed: bool) {
        let keys: Option<Vec<_>> = paths.sources().map(key).collect();
        let Some(keys) = keys.filter(|keys| !keys.is_empty()) else {
            let Sieve { named, spaces, .. } = &mut self.sieve;
            let named = if is_inside { &mut spaces.named } else { named };
            named[usize::from(failed)] &= !passing;
            return;
        };
        for (name, place) in keys.into_iter().flatten() {
            let place = if failed { Place::Attempt } else { place };
            for (access, lengths) in self.sieve.lengths[place as usize].iter_mut().enumerate() {
                if passing & 1 << access != 0 {
                    *lengths |= length_bit(name.len() as u64);
                }
            }
            let name = name.get(..NAME_BYTES).unwrap_or(&name).to_vec();
            *self.names.entry(name).or_default() |= name_bits(passing & ANY_ACCESS, place);
        }
    }
}

/// Whether what is told of a kind comes from the task that does it, while it does it.
fn is_by_task(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Exec | Kind::Open | Kind::Change | Kind::Privileged | Kind::Socket
    )
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
