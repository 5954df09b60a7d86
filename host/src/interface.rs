//! The plugin interface as Rust types, generated from `wit/`.
//!
//! A batch is built directly in these types, so there is no second copy of the schema to keep in step.
#![allow(missing_docs, reason = "generated; documented in wit/vespid.wit")]
use serde::{Serialize, Serializer};
use vespid_ebpf::Kind;

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

/// As the names of its tables: a derive leaves flags out.
impl Serialize for vespid::plugin::describe::Kinds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        crate::plugin::kind_names(*self).serialize(serializer)
    }
}
