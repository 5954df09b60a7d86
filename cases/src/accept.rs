//! A case file takes over what was observed: only what differs is written anew, everything else keeps its form and its
//! comments.
use serde_json::Value as Json;
use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Key, Table, TomlError, Value, value};

use crate::compare::{Comparison, Pairing};

/// What a verdict that was not expected is written with.
const WRITTEN: [&str; 4] = ["rule", "severity", "message", "key"];

/// The text of the case file with what was observed in place of what differs.
///
/// # Errors
/// If `text` is not TOML.
pub fn accept(text: &str, comparison: &Comparison<'_>) -> Result<String, TomlError> {
    let mut document: DocumentMut = text.parse()?;
    accept_verdicts(&mut document, comparison);
    accept_metrics(&mut document, comparison);
    Ok(document.to_string())
}

fn accept_verdicts(document: &mut DocumentMut, comparison: &Comparison<'_>) {
    if comparison
        .verdicts
        .iter()
        .all(|pairing| matches!(pairing, Pairing::Same(..)))
    {
        return;
    }
    let old = match document.remove("verdict") {
        Some(Item::ArrayOfTables(tables)) => tables,
        Some(item) => item.into_array_of_tables().unwrap_or_default(),
        None => ArrayOfTables::new(),
    };
    let mut position = old.get(0).and_then(Table::position);
    let mut old = old.into_iter();
    let mut new = ArrayOfTables::new();
    for pairing in &comparison.verdicts {
        let table = match pairing {
            Pairing::Same(..) => old.next(),
            Pairing::Differs(_, observed, differences) => old.next().map(|mut table| {
                for difference in differences {
                    write_key(&mut table, &difference.key, observed);
                }
                table
            }),
            Pairing::Missing(_) => {
                old.next();
                None
            }
            Pairing::Unexpected(observed) => Some(written(observed)),
        };
        if let Some(mut table) = table {
            // The first has the place of the first, and the others follow it.
            unplace(&mut table);
            table.set_position(position.take());
            new.push(table);
        }
    }
    if !new.is_empty() {
        document.insert("verdict", Item::ArrayOfTables(new));
    }
}

/// Tables without a place of their own are written after what stands before them.
fn unplace(table: &mut Table) {
    table.set_position(None);
    for (_, item) in table.iter_mut() {
        if let Item::Table(inner) = item {
            unplace(inner);
        }
    }
}

/// The key at `path` (`process.comm`, `tags[1]`) becomes what was observed. A list is written as a whole.
fn write_key(table: &mut Table, path: &str, observed: &Json) {
    let path = path.split('[').next().unwrap_or(path);
    let mut names: Vec<&str> = path.split('.').collect();
    let Some(last) = names.pop() else { return };
    let mut here: &mut dyn toml_edit::TableLike = table;
    let mut seen = observed;
    for name in names {
        seen = &seen[name];
        match here.get_mut(name).and_then(Item::as_table_like_mut) {
            Some(inner) => here = inner,
            None => return,
        }
    }
    match toml(&seen[last]) {
        Some(mut new) => {
            if let Some(Item::Value(old)) = here.get(last) {
                *new.decor_mut() = old.decor().clone();
            }
            here.insert(last, Item::Value(new));
        }
        None => {
            here.remove(last);
        }
    }
}

fn written(observed: &Json) -> Table {
    let mut table = Table::new();
    table.decor_mut().set_prefix("\n");
    for key in WRITTEN {
        if let Some(text) = observed[key].as_str().filter(|text| !text.is_empty()) {
            table.insert(key, value(text));
        }
    }
    table
}

/// Nothing is left of what TOML does not have.
fn toml(json: &Json) -> Option<Value> {
    Some(match json {
        Json::Null => return None,
        Json::Bool(is) => Value::from(*is),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::from(number),
            None => Value::from(number.as_f64()?),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => Value::Array(items.iter().filter_map(toml).collect::<Array>()),
        Json::Object(keys) => {
            let keys = keys.iter().filter_map(|(key, json)| Some((Key::new(key), toml(json)?)));
            Value::InlineTable(keys.collect::<InlineTable>())
        }
    })
}

fn accept_metrics(document: &mut DocumentMut, comparison: &Comparison<'_>) {
    let Some(Item::ArrayOfTables(tables)) = document.get_mut("metric") else {
        return;
    };
    for (table, row) in tables.iter_mut().zip(&comparison.metrics) {
        // A metric that the plugin does not have is for the author to correct.
        if row.wrong.is_none()
            || row
                .wrong
                .as_ref()
                .is_some_and(|wrong| wrong.starts_with("the plugin has no"))
        {
            continue;
        }
        table.remove("min");
        table.remove("max");
        #[expect(clippy::cast_possible_truncation, reason = "checked right here")]
        let new = match row.observed {
            whole if whole.fract() == 0.0 && whole.abs() < 9e15 => Value::from(whole as i64),
            part => Value::from(part),
        };
        match table.get_mut("value").and_then(Item::as_value_mut) {
            Some(old) => {
                let decor = old.decor().clone();
                *old = new;
                *old.decor_mut() = decor;
            }
            None => {
                table.insert("value", Item::Value(new));
            }
        }
    }
}
