//! The same figures where there is no terminal: tables that are printed once.
use std::fmt::Write;

use comfy_table::{CellAlignment, Table, presets};

use super::columns::{Column, KINDS, PLUGINS, Sort};
use super::text::harmless;
use super::{PluginLine, View};

/// A view as text: plugins by name, then kinds of events. Rates have to be filled in.
#[must_use]
pub fn table(view: &View) -> String {
    let (up, plugins, kinds) = (uptime(view.up.as_secs()), plugins_table(view), of(&KINDS, &view.rates));
    let title = harmless(&view.title);
    format!(
        "{title}   up {up}   {} processes known\n\n{plugins}\n\n{kinds}",
        view.processes
    )
}

/// The plugins alone, with the last failure of each below.
#[must_use]
pub fn plugins_table(view: &View) -> String {
    if view.plugins.is_empty() {
        return "no plugin runs".to_owned();
    }
    let mut lines = view.plugins.clone();
    Sort::Name.apply(&mut lines);
    let mut out = of(&PLUGINS, &lines);
    for line in lines.iter().filter(|line| line.last_failure.is_some()) {
        write!(out, "\n\n{}", failure(line)).unwrap_or_default();
    }
    out
}

/// What went wrong with a plugin last.
pub(super) fn failure(line: &PluginLine) -> String {
    let why = line.last_failure.as_deref().unwrap_or("none");
    format!(
        "{} {}, last failure: {}",
        harmless(&line.name),
        harmless(&line.state),
        harmless(why)
    )
}

/// Seconds as `h:mm:ss`.
pub(super) fn uptime(seconds: u64) -> String {
    format!("{}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

fn of<T>(columns: &[Column<T>], lines: &[T]) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(columns.iter().map(|column| column.header));
    for line in lines {
        table.add_row(columns.iter().map(|column| (column.cell)(line).into_owned()));
    }
    for (cells, column) in table.column_iter_mut().zip(columns) {
        if !column.is_text {
            cells.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}
