//! Which rows a plugin wants of the tables that it subscribed to.
//!
//! A filter is judged three times. [`check`] refuses what makes no sense when the plugin starts. [`Filters::want`] is
//! exact, and decides what goes into the plugin's batches. [`Sift`] is what all plugins together have the kernel leave
//! out: it may let through too much, and never too little.
mod check;
mod ends;
mod json;
mod namespaces;
mod network;
mod patterns;
mod sift;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;

use vespid_ebpf::sieve::access;

pub use check::FilterError;
pub use ends::{Prefix, Prefixes};
pub use json::FilterText;
pub use sift::{Names, Sift};

use crate::enrich::Process;
use crate::event::{Body, Event};
use crate::interface::vespid::plugin::describe::{self, Accesses, Kinds, Outcomes, Places};
use namespaces::{Inside, NETWORK};
use network::Network;
use patterns::Patterns;

/// What a plugin gets: tables, and rows of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Subscription {
    /// The tables.
    pub tables: Kinds,
    /// Their rows.
    pub filters: Filters,
}

impl Subscription {
    /// Nothing.
    #[must_use]
    pub fn none() -> Subscription {
        Subscription::whole(Kinds::empty())
    }

    /// Takes what a plugin with `tables` in its manifest wants of them.
    ///
    /// # Errors
    /// The first filter that makes no sense, and why.
    pub fn new(given: &[describe::Filter], tables: Kinds) -> Result<Subscription, FilterError> {
        check::subscription(given, tables)
    }

    /// Every row of these tables.
    #[must_use]
    pub fn whole(tables: Kinds) -> Subscription {
        Subscription {
            tables,
            filters: Filters::default(),
        }
    }

    /// All that either of the two gets.
    #[must_use]
    pub fn or(&self, other: &Subscription) -> Subscription {
        if self == other {
            return self.clone();
        }
        // A table that one of them wants whole is whole; of the others the filters add up.
        let whole = self.whole_tables() | other.whole_tables();
        let filters = [self, other].into_iter().flat_map(|subscription| {
            let tables = subscription.tables.without(whole);
            subscription.filters.restricted(tables)
        });
        Subscription {
            tables: self.tables | other.tables,
            filters: Filters(filters.collect()),
        }
    }

    /// For how long its opens may be merged, 0 for not at all; `None` if it has none.
    pub(crate) fn merge_ms(&self) -> Option<u32> {
        if self.whole_tables().contains(Kinds::OPENS) {
            return Some(0);
        }
        let about = self
            .filters
            .0
            .iter()
            .filter(|filter| filter.tables.contains(Kinds::OPENS));
        about.map(|filter| filter.merge_ms).min()
    }

    /// The tables of which every row is wanted.
    #[must_use]
    pub fn whole_tables(&self) -> Kinds {
        self.tables.without(self.filters.tables())
    }
}

/// A plugin's filters, checked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filters(Arc<[Filter]>);

/// What describes a row. Conditions that were not given hold for every row.
#[derive(Clone, Debug, PartialEq)]
struct Filter {
    tables: Kinds,
    outcomes: Outcomes,
    places: Places,
    namespaces: Inside,
    users: Vec<u32>,
    executables: Patterns,
    paths: Patterns,
    accesses: Accesses,
    /// By number.
    ops: u32,
    local_ports: Vec<(u16, u16)>,
    remote_ports: Vec<(u16, u16)>,
    remote_networks: Vec<Network>,
    /// No condition: for how long identical opens may be merged into one row.
    merge_ms: u32,
}

/// By whom an event was, as far as that is known.
#[derive(Clone, Copy, Debug)]
pub struct Whose<'a> {
    /// The process.
    pub process: Option<&'a Process>,
    /// Whether resources were used in a container.
    pub is_contained: bool,
    /// The node's own namespaces, in the order of [`vespid_ebpf::NAMESPACES`]; 0 for not known.
    pub node: &'a [u32; 8],
}

impl Filters {
    /// Whether a plugin with these filters wants an event. The table is one that it subscribed to.
    #[must_use]
    pub fn want(&self, event: &Event<'_>, whose: &Whose<'_>) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let table = Kinds::of(event.body.kind());
        let mut about = self.0.iter().filter(|filter| filter.tables.contains(table)).peekable();
        about.peek().is_none() || about.any(|filter| filter.describes(event, whose))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether every row is wanted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The tables that are filtered.
    fn tables(&self) -> Kinds {
        self.0
            .iter()
            .fold(Kinds::empty(), |tables, filter| tables | filter.tables)
    }

    /// The filters, as far as they are about these tables.
    fn restricted(&self, tables: Kinds) -> impl Iterator<Item = Filter> {
        let narrowed = move |filter: &Filter| Filter {
            tables: filter.tables & tables,
            ..filter.clone()
        };
        self.0
            .iter()
            .map(narrowed)
            .filter(|filter| filter.tables != Kinds::empty())
    }
}

impl Filter {
    /// Whether this and another, both with paths, are alike in everything else that describes a row.
    fn differs_in_paths_only(&self, other: &Filter) -> bool {
        fn others(filter: &Filter) -> impl PartialEq {
            let process = (&filter.users, &filter.executables, filter.places, &filter.namespaces);
            let ends = (&filter.local_ports, &filter.remote_ports, &filter.remote_networks);
            let call = (filter.tables, filter.outcomes, filter.accesses, filter.ops);
            (filter.paths.is_empty(), process, ends, call)
        }
        others(self) == others(other)
    }

    /// The cheap conditions come first.
    fn describes(&self, event: &Event<'_>, whose: &Whose<'_>) -> bool {
        self.outcomes_hold(&event.body)
            && self.ops_hold(&event.body)
            && self.place_holds(&event.body, whose)
            && self.process_holds(event.subject.uid, whose.process)
            && self.namespaces_hold(event, whose)
            && self.ends_hold(&event.body)
            && self.paths_hold(&event.body, whose.process)
    }

    fn outcomes_hold(&self, body: &Body<'_>) -> bool {
        let outcome = if has_failed(body) {
            Outcomes::FAILED
        } else {
            Outcomes::SUCCEEDED
        };
        self.outcomes == Outcomes::empty() || self.outcomes.contains(outcome)
    }

    fn ops_hold(&self, body: &Body<'_>) -> bool {
        let op = match body {
            Body::Connection(connection) => connection.op as u8,
            Body::Change(change) => change.op as u8,
            Body::Privileged(call) => call.op as u8,
            Body::Socket(socket) => socket.op as u8,
            Body::Resource(resource) => resource.op as u8,
            Body::Open(open) => {
                return self.accesses == Accesses::empty()
                    || self.accesses & accesses_of(open.flags) != Accesses::empty();
            }
            Body::Fork(_) | Body::Exec(_) | Body::Exit(_) => return true,
        };
        self.ops == 0 || self.ops & 1 << op != 0
    }

    fn place_holds(&self, body: &Body<'_>, whose: &Whose<'_>) -> bool {
        let is_contained = match (body, whose.process) {
            (_, Some(process)) => Some(process.container().is_some()),
            // Of a group that is not known, neither is where it was.
            (Body::Resource(resource), None) => (!resource.cgroup.is_empty()).then_some(whose.is_contained),
            (_, None) => None,
        };
        let place = match is_contained {
            Some(true) => Places::CONTAINERS,
            Some(false) => Places::HOST,
            None => Places::empty(),
        };
        self.places == Places::empty() || self.places & place != Places::empty()
    }

    /// The user is who the event says: a thread may be another than its process, and a connection is of whoever opened it.
    fn process_holds(&self, user: u32, process: Option<&Process>) -> bool {
        let is_executable = |process: &Process| self.executables.fit(process.exe());
        (self.users.is_empty() || process.is_some() && self.users.contains(&user))
            && (self.executables.is_empty() || process.is_some_and(is_executable))
    }

    /// What the event itself says comes first: a thread may be elsewhere than its process.
    fn namespaces_hold(&self, event: &Event<'_>, whose: &Whose<'_>) -> bool {
        let inode = |kind: usize| match (&event.body, event.namespaces[kind]) {
            (Body::Connection(connection), _) if kind == NETWORK => connection.netns,
            (Body::Exec(exec), _) if exec.errno == 0 => exec.image.namespaces[kind],
            (_, 0) => whose.process.map_or(0, |process| process.namespaces()[kind]),
            (_, told) => told,
        };
        self.namespaces.is_empty() || self.namespaces.holds(inode, whose.node)
    }

    fn ends_hold(&self, body: &Body<'_>) -> bool {
        let (local, remote) = match body {
            Body::Connection(connection) => (Some(connection.local), Some(connection.remote)),
            Body::Socket(socket) => (socket.local, socket.remote),
            _ => return true,
        };
        let within = |ranges: &[(u16, u16)], end: Option<SocketAddr>| {
            let port = end.map(|end| end.port());
            ranges.is_empty()
                || port.is_some_and(|port| ranges.iter().any(|(first, last)| (*first..=*last).contains(&port)))
        };
        let networks = &self.remote_networks;
        within(&self.local_ports, local)
            && within(&self.remote_ports, remote)
            && (networks.is_empty()
                || remote.is_some_and(|remote| networks.iter().any(|network| network.contains(remote.ip()))))
    }

    fn paths_hold(&self, body: &Body<'_>, process: Option<&Process>) -> bool {
        let fit = |path: &[u8]| self.paths.fit(path);
        self.paths.is_empty()
            || match body {
                Body::Open(open) => fit(open.path.as_slice()) || open.result < 0 && fit(open.typed.as_slice()),
                Body::Change(change) => fit(change.path.as_slice()) || fit(change.target.as_slice()),
                Body::Exec(exec) => {
                    fit(exec.filename.as_slice())
                        || exec.errno == 0 && process.is_some_and(|process| fit(process.exe()))
                }
                _ => true,
            }
    }
}

fn has_failed(body: &Body<'_>) -> bool {
    match body {
        Body::Exec(exec) => exec.errno != 0,
        Body::Connection(connection) => connection.errno != 0,
        Body::Open(open) => open.result < 0,
        Body::Change(change) => change.result < 0,
        Body::Privileged(call) => call.result < 0,
        Body::Socket(socket) => socket.result < 0,
        Body::Fork(_) | Body::Exit(_) | Body::Resource(_) => false,
    }
}

fn accesses_of(flags: u32) -> Accesses {
    let asked = access(flags);
    check::ACCESSES
        .iter()
        .filter(|(_, bit)| asked & bit != 0)
        .fold(Accesses::empty(), |accesses, (access, _)| accesses | *access)
}
