//! The text of a case file, with the places that errors name.
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;
use toml_edit::{Item, TableLike, Value};

use crate::error::CaseError;

/// How unlike a known key may be and still be offered as what was meant.
const LIKENESS: f64 = 0.7;

/// Where a file's errors are.
pub(crate) struct Source<'a> {
    pub(crate) file: &'a Path,
    pub(crate) text: &'a str,
}

pub(crate) type Span = Option<Range<usize>>;

impl Source<'_> {
    pub(crate) fn line(&self, span: &Span) -> usize {
        let at = span.as_ref().map_or(0, |span| span.start.min(self.text.len()));
        1 + self.text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count()
    }

    pub(crate) fn error(&self, span: &Span, what: impl Into<String>) -> CaseError {
        CaseError::At {
            file: PathBuf::from(self.file),
            line: self.line(span),
            what: what.into(),
        }
    }

    /// The keys of a table, each of which must be known.
    pub(crate) fn check_keys(&self, what: &str, table: &dyn TableLike, known: &[&str]) -> Result<(), CaseError> {
        for (name, item) in table.iter() {
            if !known.contains(&name) {
                let span = key_span(table, name).or_else(|| item.span());
                return Err(self.error(&span, format!("{what} has no key `{name}`{}", hint(name, known))));
            }
        }
        Ok(())
    }

    pub(crate) fn string(&self, what: &str, item: &Item) -> Result<String, CaseError> {
        item.as_str()
            .map(str::to_owned)
            .ok_or_else(|| self.error(&item.span(), format!("{what} must be a string, but is {}", kind(item))))
    }

    pub(crate) fn number(&self, what: &str, item: &Item) -> Result<f64, CaseError> {
        #[expect(clippy::cast_precision_loss, reason = "metrics are floating-point numbers")]
        let number = item
            .as_integer()
            .map(|number| number as f64)
            .or_else(|| item.as_float());
        number.ok_or_else(|| self.error(&item.span(), format!("{what} must be a number, but is {}", kind(item))))
    }

    pub(crate) fn count(&self, what: &str, item: &Item) -> Result<u64, CaseError> {
        let count = item.as_integer().and_then(|number| u64::try_from(number).ok());
        count.ok_or_else(|| {
            let found = item
                .as_integer()
                .map_or_else(|| kind(item).to_owned(), |number| number.to_string());
            self.error(
                &item.span(),
                format!("{what} must be a whole number from 0 on, but is {found}"),
            )
        })
    }

    pub(crate) fn table<'i>(&self, what: &str, item: &'i Item) -> Result<&'i dyn TableLike, CaseError> {
        item.as_table_like()
            .ok_or_else(|| self.error(&item.span(), format!("{what} must be a table, but is {}", kind(item))))
    }
}

/// Where a key of a table is written.
pub(crate) fn key_span(table: &dyn TableLike, name: &str) -> Span {
    table.get_key_value(name).and_then(|(key, _)| key.span())
}

/// What a person calls this.
pub(crate) fn kind(item: &Item) -> &'static str {
    match item {
        Item::None => "missing",
        Item::Value(Value::String(_)) => "a string",
        Item::Value(Value::Integer(_) | Value::Float(_)) => "a number",
        Item::Value(Value::Boolean(_)) => "a boolean",
        Item::Value(Value::Datetime(_)) => "a time",
        Item::Value(Value::Array(_)) => "a list",
        Item::ArrayOfTables(_) => "a list of tables",
        Item::Value(Value::InlineTable(_)) | Item::Table(_) => "a table",
    }
}

/// What to say about a key that is not known.
pub(crate) fn hint(key: &str, known: &[&str]) -> String {
    let nearest = known
        .iter()
        .map(|candidate| {
            (
                strsim::jaro_winkler(&key.to_lowercase().replace('-', "_"), candidate),
                candidate,
            )
        })
        .filter(|(likeness, _)| *likeness >= LIKENESS)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest {
        Some((_, nearest)) => format!("; did you mean `{nearest}`?"),
        None => {
            let names: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
            format!("; known are {}", names.join(", "))
        }
    }
}

/// The same as JSON. A time becomes its text, as in a plugin's configuration.
pub(crate) fn json(item: &Item) -> Json {
    match item {
        Item::None => Json::Null,
        Item::Value(value) => json_value(value),
        Item::Table(table) => table.iter().map(|(name, item)| (name.to_owned(), json(item))).collect(),
        Item::ArrayOfTables(tables) => tables
            .iter()
            .map(|table| {
                table
                    .iter()
                    .map(|(name, item)| (name.to_owned(), json(item)))
                    .collect::<Json>()
            })
            .collect(),
    }
}

pub(crate) fn json_value(value: &Value) -> Json {
    match value {
        Value::String(text) => Json::from(text.value().as_str()),
        Value::Integer(number) => Json::from(*number.value()),
        Value::Float(number) => Json::from(*number.value()),
        Value::Boolean(is) => Json::from(*is.value()),
        Value::Datetime(time) => Json::from(time.value().to_string()),
        Value::Array(items) => items.iter().map(json_value).collect(),
        Value::InlineTable(table) => table
            .iter()
            .map(|(name, value)| (name.to_owned(), json_value(value)))
            .collect(),
    }
}
