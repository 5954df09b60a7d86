//! What a plugin may ask for.
use vespid_ebpf::sieve::accesses;

use super::namespaces::{Inside, MAX_NAMESPACES};
use super::network::Network;
use super::patterns::Patterns;
use super::{Filter, Filters, Subscription};
use crate::interface::vespid::plugin::describe::{self, Accesses, Kinds, Outcomes, Pattern, PortRange};

/// Most filters of a plugin.
const MAX_FILTERS: usize = 256;
/// Most patterns, users, ports or networks of a filter, each.
const MAX_VALUES: usize = 4096;
/// Longest text of one.
const MAX_TEXT: usize = 4096;
/// Longest time for which opens are merged: what a row stands for is known that much later.
const MAX_MERGE_MS: u32 = 10_000;

/// The interface's kinds of access, and the kernel side's bits for them.
pub(super) const ACCESSES: [(Accesses, u32); 4] = [
    (Accesses::READ, accesses::READ),
    (Accesses::WRITE, accesses::WRITE),
    (Accesses::CREATE, accesses::CREATE),
    (Accesses::TRUNCATE, accesses::TRUNCATE),
];

/// A filter that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// There are too many.
    #[error("{0} filters, and may have {MAX_FILTERS}")]
    TooMany(usize),
    /// One of them is wrong.
    #[error("filter {number} {why}")]
    Wrong {
        /// Which, from 1.
        number: usize,
        /// Why.
        why: String,
    },
}

pub(super) fn subscription(given: &[describe::Filter], tables: Kinds) -> Result<Subscription, FilterError> {
    if given.len() > MAX_FILTERS {
        return Err(FilterError::TooMany(given.len()));
    }
    let checked = |(number, given): (usize, &describe::Filter)| {
        filter(given, tables).map_err(|why| FilterError::Wrong {
            number: number + 1,
            why,
        })
    };
    let checked: Vec<Filter> = given.iter().enumerate().map(checked).collect::<Result<_, _>>()?;
    let of = |never| {
        let filters = given.iter().filter(|filter| filter.never == never);
        filters.fold(Kinds::empty(), |tables, filter| tables | filter.tables)
    };
    let about = checked.into_iter().zip(given).filter(|(_, given)| !given.never);
    Ok(Subscription {
        tables: tables.without(of(true).without(of(false))),
        filters: Filters(about.map(|(filter, _)| filter).collect()),
    })
}

fn filter(given: &describe::Filter, subscribed: Kinds) -> Result<Filter, String> {
    if given.tables == Kinds::empty() {
        return Err("is about no table".into());
    }
    let foreign = given.tables.without(subscribed);
    if foreign != Kinds::empty() {
        return Err(format!(
            "is about {}, which the plugin does not subscribe to",
            names(foreign)
        ));
    }
    let with_outcome = Kinds::CONNECTIONS | Kinds::CHANGES | Kinds::PRIVILEGED | Kinds::SOCKETS;
    let with_op = with_outcome | Kinds::RESOURCES;
    let with_path = Kinds::OPENS | Kinds::CHANGES | Kinds::EXECS;
    let with_ends = Kinds::CONNECTIONS | Kinds::SOCKETS;
    let conditions = [
        (
            "`outcomes`",
            given.outcomes == Outcomes::empty(),
            with_outcome | with_path,
        ),
        ("`paths`", given.paths.is_empty(), with_path),
        ("`accesses`", given.accesses == Accesses::empty(), Kinds::OPENS),
        ("`ops`", given.ops.is_empty(), with_op),
        ("`local-ports`", given.local_ports.is_empty(), with_ends),
        ("`remote-ports`", given.remote_ports.is_empty(), with_ends),
        ("`remote-networks`", given.remote_networks.is_empty(), with_ends),
        ("`merge-ms`", given.merge_ms == 0, Kinds::OPENS),
    ];
    for (condition, is_absent, fitting) in conditions {
        let unfit = given.tables.without(fitting);
        if !is_absent && unfit != Kinds::empty() {
            return Err(format!(
                "has {condition}, which {} cannot be held against",
                names(unfit)
            ));
        }
    }
    let counts = [
        ("users", given.users.len()),
        ("executables", given.executables.len()),
        ("paths", given.paths.len()),
        ("local ports", given.local_ports.len()),
        ("remote ports", given.remote_ports.len()),
        ("remote networks", given.remote_networks.len()),
    ];
    if let Some((what, count)) = counts.into_iter().find(|(_, count)| *count > MAX_VALUES) {
        return Err(format!("has {count} {what}, and may have {MAX_VALUES}"));
    }
    if given.namespaces.len() > MAX_NAMESPACES {
        let count = given.namespaces.len();
        return Err(format!("has {count} namespaces, and may have {MAX_NAMESPACES}"));
    }
    if given.merge_ms > MAX_MERGE_MS {
        return Err(format!("merges for {} ms, and may for {MAX_MERGE_MS}", given.merge_ms));
    }
    Ok(Filter {
        tables: given.tables,
        outcomes: given.outcomes,
        places: given.places,
        namespaces: Inside::new(&given.namespaces)?,
        users: given.users.clone(),
        executables: patterns(&given.executables)?,
        paths: patterns(&given.paths)?,
        accesses: given.accesses,
        ops: given
            .ops
            .iter()
            .try_fold(0, |ops, op| op_bit(*op).map(|bit| ops | bit))?,
        local_ports: ports(&given.local_ports)?,
        remote_ports: ports(&given.remote_ports)?,
        remote_networks: given
            .remote_networks
            .iter()
            .map(|text| network(text))
            .collect::<Result<_, _>>()?,
        merge_ms: given.merge_ms,
    })
}

fn patterns(given: &[Pattern]) -> Result<Patterns, String> {
    for pattern in given {
        let (Pattern::Exact(text) | Pattern::Prefix(text) | Pattern::Glob(text)) = pattern;
        if text.is_empty() {
            return Err("has an empty pattern".into());
        }
        if text.len() > MAX_TEXT {
            return Err(format!(
                "has a pattern of {} bytes, and may have {MAX_TEXT}",
                text.len()
            ));
        }
    }
    Ok(Patterns::new(given))
}

fn op_bit(op: u8) -> Result<u32, String> {
    1_u32
        .checked_shl(op.into())
        .ok_or_else(|| format!("has the operation {op}, which there is not"))
}

fn ports(given: &[PortRange]) -> Result<Vec<(u16, u16)>, String> {
    let range = |range: &PortRange| {
        if range.first > range.last {
            return Err(format!(
                "has ports from {} to {}, which are none",
                range.first, range.last
            ));
        }
        Ok((range.first, range.last))
    };
    given.iter().map(range).collect()
}

fn network(text: &str) -> Result<Network, String> {
    let shown: String = text.chars().take(64).flat_map(char::escape_default).collect();
    text.parse()
        .map_err(|()| format!("has the network `{shown}`, which is not in the form `10.0.0.0/8`"))
}

fn names(tables: Kinds) -> String {
    tables.names().join(" and ")
}
