//! Figures as a table for people, and as JSON for programs.
use comfy_table::{CellAlignment, presets};
use serde_json::{Value, json};

use crate::rounds::Cost;

/// What stands in one place of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Nothing.
    Empty,
    /// Words.
    Text(String),
    /// A number, shown with so many decimals.
    Number(f64, usize),
}

impl Cell {
    /// A number, shown with so many decimals; nothing, if it is none.
    #[must_use]
    pub fn number(number: f64, decimals: usize) -> Cell {
        if number.is_finite() {
            Cell::Number(number, decimals)
        } else {
            Cell::Empty
        }
    }

    fn shown(&self) -> String {
        match self {
            Cell::Empty => "–".to_owned(),
            Cell::Text(text) => text.clone(),
            Cell::Number(number, decimals) => grouped(&format!("{number:.decimals$}")),
        }
    }

    fn value(&self) -> Value {
        match self {
            Cell::Empty => Value::Null,
            Cell::Text(text) => json!(text),
            Cell::Number(number, _) => json!(number),
        }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Cell {
        Cell::Text(text)
    }
}

/// Rows under headings.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its name in JSON.
    pub name: &'static str,
    title: &'static str,
    headings: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// An empty table.
    #[must_use]
    pub fn new(name: &'static str, title: &'static str, headings: &[&'static str]) -> Table {
        Table {
            name,
            title,
            headings: headings.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Appends a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// For people.
    #[must_use]
    pub fn shown(&self) -> String {
        let mut shown = comfy_table::Table::new();
        shown.load_style(presets::ASCII_MARKDOWN);
        shown.set_header(&self.headings);
        for row in &self.rows {
            shown.add_row(row.iter().map(Cell::shown));
        }
        for (at, column) in shown.column_iter_mut().enumerate() {
            let numbers = self
                .rows
                .iter()
                .any(|row| matches!(row.get(at), Some(Cell::Number(..))));
            if numbers {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        format!("{}\n\n{shown}\n", self.title)
    }

    /// For programs: an object a row.
    #[must_use]
    pub fn value(&self) -> Value {
        let rows = self.rows.iter().map(|row| {
            let fields = self.headings.iter().zip(row);
            Value::Object(
                fields
                    .map(|(heading, cell)| ((*heading).to_owned(), cell.value()))
                    .collect(),
            )
        });
        Value::Array(rows.collect())
    }
}

/// Time, spread, allocations and bytes.
pub fn cost(cost: &Cost) -> impl Iterator<Item = Cell> + use<> {
    let cells = [
        Cell::number(cost.ns, 1),
        spread(cost),
        Cell::number(cost.allocations, 3),
        Cell::number(cost.bytes, 1),
    ];
    cells.into_iter()
}

/// How far the rounds were apart.
#[must_use]
pub fn spread(cost: &Cost) -> Cell {
    format!("{:.0} %", cost.spread * 100.0).into()
}

/// A number's text with a comma before every three digits of its whole part.
fn grouped(text: &str) -> String {
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let (sign, digits) = whole.split_at(usize::from(whole.starts_with('-')));
    let mut shown = sign.to_owned();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_what_is_none_is_a_dash() {
        let shown = [1_234_567.89, -1_000.0, 999.0, f64::NAN].map(|number| Cell::number(number, 1).shown());
        assert_eq!(shown, ["1,234,567.9", "-1,000.0", "999.0", "–"]);
    }
}
