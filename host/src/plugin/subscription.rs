//! Between the interface's kinds of tables and the kernel side's kinds of records.
use vespid_ebpf::Kind;

use super::worker::Rows;
use crate::interface::vespid::plugin::describe::Kinds;

/// Each table and what its rows are made of.
const TABLES: [(Kinds, Kind); 7] = [
    (Kinds::EXECS, Kind::Exec),
    (Kinds::EXITS, Kind::Exit),
    (Kinds::CONNECTIONS, Kind::Connection),
    (Kinds::OPENS, Kind::Open),
    (Kinds::CHANGES, Kind::Change),
    (Kinds::PRIVILEGED, Kind::Privileged),
    (Kinds::SOCKETS, Kind::Socket),
];

/// The records that these tables are made of, as a mask of [`Kind::bit`].
#[must_use]
pub fn record_kinds(tables: Kinds) -> u32 {
    TABLES
        .iter()
        .filter(|(table, _)| tables.contains(*table))
        .fold(0, |mask, (_, kind)| mask | kind.bit())
}

/// The rows of these tables only.
pub(super) fn rows_of(tables: Kinds, rows: &Rows) -> Rows {
    let mask = record_kinds(tables);
    let mut wanted = *rows;
    for kind in Kind::ALL {
        if mask & kind.bit() == 0 {
            wanted[kind.index()] = 0;
        }
    }
    wanted
}
