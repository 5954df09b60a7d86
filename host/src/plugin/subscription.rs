//! Between the interface's kinds of tables and the kernel side's kinds of records.
use vespid_ebpf::Kind;

use crate::interface::vespid::plugin::describe::Kinds;

/// How many rows there are of each kind, in the order of [`Kind::ALL`].
pub type Rows = [u64; Kind::ALL.len()];

/// The records that these tables are made of, as a mask of [`Kind::bit`].
#[must_use]
pub fn record_kinds(tables: Kinds) -> u32 {
    Kinds::TABLES
        .iter()
        .filter(|(_, table, _)| tables.contains(*table))
        .fold(0, |mask, (_, _, kind)| mask | kind.bit())
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
