//! The plugin interface as Rust types, generated from `wit/`.
//!
//! A batch is built directly in these types, so there is no second copy of the schema to keep in step.
#![allow(missing_docs, reason = "generated; documented in wit/vespid.wit")]
use serde::{Serialize, Serializer};
use vespid_ebpf::Kind;

/// Interface versions that this daemon runs: its own, and the one before it once there is one.
pub const ACCEPTED: &[&str] = &["0.1.0"];

wasmtime::component::bindgen!({
    path: "../wit",
    world: "plugin",
    ownership: Owning,
    // A plugin may call the daemon only so often.
    imports: { default: trappable },
    // For `vespid recording batches`: the columns have their names.
    additional_derives: [serde::Serialize],
});

impl vespid::plugin::events::Batch {
    /// The tables of events that are there.
    pub fn facts(&self) -> impl Iterator<Item = Facts<'_>> {
        use self::vespid::plugin::reports::Row;
        macro_rules! facts {
            ($table:ident, $kind:ident, $row:ident) => {
                self.$table.as_ref().map(|table| Facts {
                    kind: Kind::$kind,
                    seq: &table.seq,
                    time: &table.time,
                    row: Row::$row,
                })
            };
        }
        let all = [
            facts!(execs, Exec, Exec),
            facts!(exits, Exit, Exit),
            facts!(connections, Connection, Connection),
            facts!(opens, Open, Open),
            facts!(changes, Change, Change),
            facts!(privileged, Privileged, Privileged),
            facts!(sockets, Socket, Socket),
            facts!(resources, Resource, Resource),
        ];
        all.into_iter().flatten()
    }

    /// How many events are in it.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.facts().map(|facts| facts.seq.len()).sum()
    }
}

/// What the tables of events have in common.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The kind of its events.
    pub kind: Kind,
    /// Their sequence numbers.
    pub seq: &'a [u64],
    /// Their times, in Unix nanoseconds.
    pub time: &'a [u64],
    /// How a verdict names one of them.
    pub row: fn(u32) -> vespid::plugin::reports::Row,
}

impl vespid::plugin::describe::Kinds {
    /// Each table and the records that its rows are made of, in the order of the interface.
    pub const TABLES: [(&'static str, Self, Kind); 8] = [
        ("execs", Self::EXECS, Kind::Exec),
        ("exits", Self::EXITS, Kind::Exit),
        ("connections", Self::CONNECTIONS, Kind::Connection),
        ("opens", Self::OPENS, Kind::Open),
        ("changes", Self::CHANGES, Kind::Change),
        ("privileged", Self::PRIVILEGED, Kind::Privileged),
        ("sockets", Self::SOCKETS, Kind::Socket),
        ("resources", Self::RESOURCES, Kind::Resource),
    ];

    /// The table whose rows are made of these records; none for forks.
    #[must_use]
    pub fn of(kind: Kind) -> Self {
        // Asked for every event, so it is not looked up in the list above.
        match kind {
            Kind::Fork => Self::empty(),
            Kind::Exec => Self::EXECS,
            Kind::Exit => Self::EXITS,
            Kind::Connection => Self::CONNECTIONS,
            Kind::Open => Self::OPENS,
            Kind::Change => Self::CHANGES,
            Kind::Privileged => Self::PRIVILEGED,
            Kind::Socket => Self::SOCKETS,
            Kind::Resource => Self::RESOURCES,
        }
    }

    /// The names of its tables.
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        let here = Self::TABLES.into_iter().filter(|(_, table, _)| self.contains(*table));
        here.map(|(name, ..)| name).collect()
    }

    /// Its tables without those of `others`.
    #[must_use]
    pub fn without(self, others: Self) -> Self {
        self ^ (self & others)
    }
}

/// Flags as lists of words: a derive leaves them out.
macro_rules! as_words {
    ($($name:ident { $($word:literal $flag:ident,)* })*) => {
        $(impl Serialize for vespid::plugin::describe::$name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let words = [$(($word, Self::$flag)),*];
                serializer.collect_seq(words.iter().filter(|(_, flag)| self.contains(*flag)).map(|(word, _)| word))
            }
        })*
    };
}

as_words! {
    Kinds {
        "execs" EXECS,
        "exits" EXITS,
        "connections" CONNECTIONS,
        "opens" OPENS,
        "changes" CHANGES,
        "privileged" PRIVILEGED,
        "sockets" SOCKETS,
        "resources" RESOURCES,
    }
    Outcomes { "succeeded" SUCCEEDED, "failed" FAILED, }
    Places { "host" HOST, "containers" CONTAINERS, }
    Accesses { "read" READ, "write" WRITE, "create" CREATE, "truncate" TRUNCATE, }
}
