//! Filters as the program that makes calls of recordings is told them.
use serde_json::{Value, json};

use crate::bindings::vespid::plugin::describe::{
    Accesses, Filter, Kinds, NamespaceFilter, NamespaceKind, Outcomes, Pattern, Places, PortRange, WhichNamespace,
};

/// The tables by name.
pub(super) const TABLES: [(&str, Kinds); 8] = [
    ("execs", Kinds::EXECS),
    ("exits", Kinds::EXITS),
    ("connections", Kinds::CONNECTIONS),
    ("opens", Kinds::OPENS),
    ("changes", Kinds::CHANGES),
    ("privileged", Kinds::PRIVILEGED),
    ("sockets", Kinds::SOCKETS),
    ("resources", Kinds::RESOURCES),
];

/// A JSON list of them.
pub(super) fn as_json(filters: &[Filter]) -> String {
    Value::from_iter(filters.iter().map(filter)).to_string()
}

fn filter(filter: &Filter) -> Value {
    let outcomes = [("succeeded", Outcomes::SUCCEEDED), ("failed", Outcomes::FAILED)];
    let places = [("host", Places::HOST), ("containers", Places::CONTAINERS)];
    let accesses = [
        ("read", Accesses::READ),
        ("write", Accesses::WRITE),
        ("create", Accesses::CREATE),
        ("truncate", Accesses::TRUNCATE),
    ];
    json!({
        "tables": words(&TABLES, |table| filter.tables.contains(table)),
        "never": filter.never,
        "outcomes": words(&outcomes, |outcome| filter.outcomes.contains(outcome)),
        "places": words(&places, |place| filter.places.contains(place)),
        "namespaces": namespaces(&filter.namespaces),
        "users": filter.users,
        "executables": patterns(&filter.executables),
        "paths": patterns(&filter.paths),
        "accesses": words(&accesses, |access| filter.accesses.contains(access)),
        "ops": filter.ops,
        "local_ports": ports(&filter.local_ports),
        "remote_ports": ports(&filter.remote_ports),
        "remote_networks": filter.remote_networks,
        "merge_ms": filter.merge_ms,
    })
}

fn words<F: Copy>(all: &[(&'static str, F)], has: impl Fn(F) -> bool) -> Vec<&'static str> {
    let there = all.iter().filter(|(_, flag)| has(*flag));
    there.map(|(word, _)| *word).collect()
}

fn patterns(patterns: &[Pattern]) -> Value {
    let pattern = |pattern: &Pattern| match pattern {
        Pattern::Exact(text) => json!({ "exact": text }),
        Pattern::Prefix(text) => json!({ "prefix": text }),
        Pattern::Glob(text) => json!({ "glob": text }),
    };
    patterns.iter().map(pattern).collect()
}

fn namespaces(namespaces: &[NamespaceFilter]) -> Value {
    let namespace = |inside: &NamespaceFilter| {
        let kind = match inside.kind {
            NamespaceKind::Cgroup => "cgroup",
            NamespaceKind::Ipc => "ipc",
            NamespaceKind::Mount => "mount",
            NamespaceKind::Network => "network",
            NamespaceKind::Pid => "pid",
            NamespaceKind::Time => "time",
            NamespaceKind::User => "user",
            NamespaceKind::Uts => "uts",
        };
        let which = match inside.which {
            WhichNamespace::Node => json!("node"),
            WhichNamespace::Other => json!("other"),
            WhichNamespace::Inode(number) => json!({ "inode": number }),
        };
        json!({ "kind": kind, "which": which })
    };
    namespaces.iter().map(namespace).collect()
}

fn ports(ranges: &[PortRange]) -> Vec<(u16, u16)> {
    ranges.iter().map(|range| (range.first, range.last)).collect()
}
