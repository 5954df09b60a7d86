//! Filters as JSON: how a native run of a plugin says what it wants.
use std::str::FromStr;

use serde::Deserialize;

use crate::interface::vespid::plugin::describe::{
    Accesses, Filter, Kinds, NamespaceFilter, NamespaceKind, Outcomes, Pattern, Places, PortRange, WhichNamespace,
};

/// A list of filters, as the interface has them.
#[derive(Clone, Debug, Default)]
pub struct FilterText(pub Vec<Filter>);

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Text {
    tables: Vec<Table>,
    never: bool,
    outcomes: Vec<Outcome>,
    places: Vec<Place>,
    namespaces: Vec<Namespace>,
    users: Vec<u32>,
    executables: Vec<PatternText>,
    paths: Vec<PatternText>,
    accesses: Vec<Access>,
    ops: Vec<u8>,
    local_ports: Vec<(u16, u16)>,
    remote_ports: Vec<(u16, u16)>,
    remote_networks: Vec<String>,
    merge_ms: u32,
}

/// Words, and the flags that they stand for.
macro_rules! words {
    ($($name:ident: $flags:ident { $($word:ident $flag:ident,)* })*) => {
        $(#[derive(Clone, Copy, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        enum $name {
            $($word,)*
        }

        impl $name {
            fn all(words: &[$name]) -> $flags {
                words.iter().fold($flags::empty(), |all, word| {
                    all | match word {
                        $($name::$word => $flags::$flag,)*
                    }
                })
            }
        })*
    };
}

words! {
    Table: Kinds {
        Execs EXECS,
        Exits EXITS,
        Connections CONNECTIONS,
        Opens OPENS,
        Changes CHANGES,
        Privileged PRIVILEGED,
        Sockets SOCKETS,
        Resources RESOURCES,
    }
    Outcome: Outcomes {
        Succeeded SUCCEEDED,
        Failed FAILED,
    }
    Place: Places {
        Host HOST,
        Containers CONTAINERS,
    }
    Access: Accesses {
        Read READ,
        Write WRITE,
        Create CREATE,
        Truncate TRUNCATE,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Namespace {
    kind: NamespaceWord,
    which: Which,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum NamespaceWord {
    Cgroup,
    Ipc,
    Mount,
    Network,
    Pid,
    Time,
    User,
    Uts,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Which {
    Node,
    Other,
    Inode(u32),
}

impl From<Namespace> for NamespaceFilter {
    fn from(text: Namespace) -> NamespaceFilter {
        let kind = match text.kind {
            NamespaceWord::Cgroup => NamespaceKind::Cgroup,
            NamespaceWord::Ipc => NamespaceKind::Ipc,
            NamespaceWord::Mount => NamespaceKind::Mount,
            NamespaceWord::Network => NamespaceKind::Network,
            NamespaceWord::Pid => NamespaceKind::Pid,
            NamespaceWord::Time => NamespaceKind::Time,
            NamespaceWord::User => NamespaceKind::User,
            NamespaceWord::Uts => NamespaceKind::Uts,
        };
        let which = match text.which {
            Which::Node => WhichNamespace::Node,
            Which::Other => WhichNamespace::Other,
            Which::Inode(number) => WhichNamespace::Inode(number),
        };
        NamespaceFilter { kind, which }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum PatternText {
    Exact(String),
    Prefix(String),
    Glob(String),
}

impl From<PatternText> for Pattern {
    fn from(text: PatternText) -> Pattern {
        match text {
            PatternText::Exact(text) => Pattern::Exact(text),
            PatternText::Prefix(text) => Pattern::Prefix(text),
            PatternText::Glob(text) => Pattern::Glob(text),
        }
    }
}

impl From<Text> for Filter {
    fn from(text: Text) -> Filter {
        let ports = |ranges: Vec<(u16, u16)>| {
            let range = |(first, last)| PortRange { first, last };
            ranges.into_iter().map(range).collect()
        };
        let patterns = |texts: Vec<PatternText>| texts.into_iter().map(Pattern::from).collect();
        Filter {
            tables: Table::all(&text.tables),
            never: text.never,
            outcomes: Outcome::all(&text.outcomes),
            places: Place::all(&text.places),
            namespaces: text.namespaces.into_iter().map(NamespaceFilter::from).collect(),
            users: text.users,
            executables: patterns(text.executables),
            paths: patterns(text.paths),
            accesses: Access::all(&text.accesses),
            ops: text.ops,
            local_ports: ports(text.local_ports),
            remote_ports: ports(text.remote_ports),
            remote_networks: text.remote_networks,
            merge_ms: text.merge_ms,
        }
    }
}

impl FromStr for FilterText {
    type Err = serde_json::Error;

    fn from_str(text: &str) -> Result<FilterText, serde_json::Error> {
        let filters: Vec<Text> = serde_json::from_str(text)?;
        Ok(FilterText(filters.into_iter().map(Filter::from).collect()))
    }
}
