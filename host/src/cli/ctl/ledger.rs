//! `vespid ctl ledger`: where every event went, and whose those were that did not arrive.
use comfy_table::{CellAlignment, Table, presets};

use crate::control::ledger::Ledger;
use crate::screen::text::harmless;

/// The ledger as tables; those that would be empty are left out.
pub(super) fn text(ledger: &Ledger) -> String {
    let mut lines = plain(["stage", "kind", "in", "out", "dropped", "because"]);
    for line in &ledger.lines {
        let because: Vec<String> = line
            .dropped
            .iter()
            .map(|(reason, count)| format!("{} {count}", harmless(reason)))
            .collect();
        lines.add_row([
            harmless(line.plugin.as_deref().unwrap_or(&line.stage)).into_owned(),
            harmless(&line.kind).into_owned(),
            line.entered.to_string(),
            line.left.to_string(),
            line.dropped.values().sum::<u64>().to_string(),
            because.join(", "),
        ]);
    }
    let mut calls = plain(["never an event", "filtered", "merged"]);
    for call in ledger.calls.iter().filter(|call| call.filtered + call.merged > 0) {
        calls.add_row([
            harmless(&call.kind).into_owned(),
            call.filtered.to_string(),
            call.merged.to_string(),
        ]);
    }
    let mut containers = plain(["no room for events of", "kind", "dropped"]);
    for (container, kinds) in &ledger.containers {
        for (kind, count) in kinds {
            containers.add_row([
                harmless(container).into_owned(),
                harmless(kind).into_owned(),
                count.to_string(),
            ]);
        }
    }
    let tables = [lines, calls, containers];
    let filled: Vec<String> = tables
        .iter()
        .filter(|table| table.row_count() > 0)
        .map(ToString::to_string)
        .collect();
    if filled.is_empty() {
        "no events yet".to_owned()
    } else {
        filled.join("\n\n")
    }
}

fn plain<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    for (column, name) in table.column_iter_mut().zip(header) {
        if ["in", "out", "dropped", "filtered", "merged"].contains(&name) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}
