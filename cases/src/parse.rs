//! From the text of a case file to a case. Every error names its line, and what would be right.
use std::path::Path;

use regex_lite::Regex;
use serde_json::Value as Json;
use toml_edit::{Array, Document, Item, TableLike, Value};

use crate::case::{Case, ExpectedMetric, ExpectedVerdict, Slice, Swap};
use crate::error::CaseError;
use crate::pattern::Pattern;
use crate::shape::{SEVERITIES, Shape, VERDICT};
use crate::source::{Source, hint, json, json_value, key_span, kind};

const CASE: [&str; 8] = [
    "about",
    "recording",
    "compress",
    "slice",
    "config",
    "swap",
    "verdict",
    "metric",
];
const OPERATORS: [&str; 8] = [
    "contains",
    "starts_with",
    "ends_with",
    "matches",
    "one_of",
    "min",
    "max",
    "present",
];

impl Case {
    /// Reads a case.
    ///
    /// # Errors
    /// [`CaseError`].
    pub fn read(file: &Path) -> Result<Case, CaseError> {
        let text = std::fs::read_to_string(file).map_err(|source| CaseError::Io {
            file: file.to_owned(),
            source,
        })?;
        Case::parse(file, &text)
    }

    /// Reads what the file `file` had in it.
    ///
    /// # Errors
    /// [`CaseError::At`].
    pub fn parse(file: &Path, text: &str) -> Result<Case, CaseError> {
        case(file, text)
    }
}

fn case(file: &Path, text: &str) -> Result<Case, CaseError> {
    let source = &Source { file, text };
    let document = Document::parse(text).map_err(|error| source.error(&error.span(), error.message().trim()))?;
    let root = document.as_table();
    source.check_keys("a case", root, &CASE)?;
    let folder = file.parent().unwrap_or(Path::new(""));
    let recording = root.get("recording").ok_or_else(|| {
        source.error(
            &None,
            "`recording` is missing: the file with the events, relative to this one",
        )
    })?;
    let compress = match root.get("compress") {
        Some(item) => match source.number("`compress`", item)? {
            times if times.is_finite() && times > 0.0 => times,
            times => return Err(source.error(&item.span(), format!("`compress` is {times}; it must be more than 0"))),
        },
        None => 1.0,
    };
    let config = root.get("config");
    if let Some(item) = config {
        source.table("`config`", item)?;
    }
    Ok(Case {
        file: file.to_owned(),
        name: file.file_stem().unwrap_or_default().display().to_string(),
        about: root
            .get("about")
            .map(|item| source.string("`about`", item))
            .transpose()?,
        recording_line: source.line(&recording.span()),
        recording: folder.join(source.string("`recording`", recording)?),
        compress,
        slice: root
            .get("slice")
            .map(|item| slice(source, item))
            .transpose()?
            .unwrap_or_default(),
        slice_line: source.line(&root.get("slice").and_then(Item::span)),
        config: config.map(json),
        config_line: source.line(&config.and_then(Item::span)),
        swap: root.get("swap").map(|item| swap(source, folder, item)).transpose()?,
        verdicts: tables(source, "verdict", root.get("verdict"))?
            .into_iter()
            .map(|table| verdict(source, table))
            .collect::<Result<_, _>>()?,
        metrics: tables(source, "metric", root.get("metric"))?
            .into_iter()
            .map(|table| metric(source, table))
            .collect::<Result<_, _>>()?,
    })
}

/// `[[name]]`, or a list of inline tables.
fn tables<'i>(source: &Source<'_>, name: &str, item: Option<&'i Item>) -> Result<Vec<&'i dyn TableLike>, CaseError> {
    let wrong = |item: &Item| source.error(&item.span(), format!("write `[[{name}]]`, once for each {name}"));
    match item {
        None => Ok(Vec::new()),
        Some(Item::ArrayOfTables(tables)) => Ok(tables.iter().map(|table| table as &dyn TableLike).collect()),
        Some(item @ Item::Value(Value::Array(items))) => items
            .iter()
            .map(|value| {
                value
                    .as_inline_table()
                    .map(|table| table as &dyn TableLike)
                    .ok_or_else(|| wrong(item))
            })
            .collect(),
        Some(item) => Err(wrong(item)),
    }
}

fn slice(source: &Source<'_>, item: &Item) -> Result<Slice, CaseError> {
    let table = source.table("`slice`", item)?;
    source.check_keys("`slice`", table, &["from", "to", "kinds", "pid_tree", "container"])?;
    let text = |key: &str| {
        table
            .get(key)
            .map(|item| source.string(&format!("`{key}`"), item))
            .transpose()
    };
    let kinds = table.get("kinds").map(|item| {
        let names = item
            .as_array()
            .and_then(|names| names.iter().map(|name| name.as_str().map(str::to_owned)).collect());
        names.ok_or_else(|| {
            source.error(
                &item.span(),
                "`kinds` must be a list of names such as [\"exec\", \"open\"]",
            )
        })
    });
    let pid = table.get("pid_tree").map(|item| {
        let pid = source.count("`pid_tree`", item)?;
        u32::try_from(pid).map_err(|_| source.error(&item.span(), format!("no process has pid {pid}")))
    });
    Ok(Slice {
        from: text("from")?,
        to: text("to")?,
        kinds: kinds.transpose()?.unwrap_or_default(),
        pid_tree: pid.transpose()?,
        container: text("container")?,
    })
}

fn swap(source: &Source<'_>, folder: &Path, item: &Item) -> Result<Swap, CaseError> {
    let table = source.table("`swap`", item)?;
    source.check_keys("`swap`", table, &["after", "to"])?;
    let after = table
        .get("after")
        .ok_or_else(|| source.error(&item.span(), "`swap` needs `after`: the number of events before it"))?;
    let to = table.get("to").map(|item| source.string("`to`", item)).transpose()?;
    Ok(Swap {
        after: source.count("`after`", after)?,
        to: to.map(|to| folder.join(to)),
    })
}

fn verdict(source: &Source<'_>, table: &dyn TableLike) -> Result<ExpectedVerdict, CaseError> {
    let span = table
        .iter()
        .next()
        .and_then(|(name, item)| key_span(table, name).or_else(|| item.span()));
    if let Some(item) = table.get("severity")
        && let Some(name) = item.as_str()
        && !SEVERITIES.contains(&name)
    {
        return Err(source.error(
            &item.span(),
            format!("there is no severity `{name}`{}", hint(name, &SEVERITIES)),
        ));
    }
    Ok(ExpectedVerdict {
        line: source.line(&span),
        pattern: keys(source, "a verdict", table, &VERDICT)?,
    })
}

fn metric(source: &Source<'_>, table: &dyn TableLike) -> Result<ExpectedMetric, CaseError> {
    source.check_keys("a metric", table, &["name", "labels", "value", "min", "max"])?;
    let span = table
        .iter()
        .next()
        .and_then(|(name, item)| key_span(table, name).or_else(|| item.span()));
    let name = table
        .get("name")
        .ok_or_else(|| source.error(&span, "a metric needs `name`, without the plugin's prefix"))?;
    let mut labels = Vec::new();
    if let Some(item) = table.get("labels") {
        for (label, item) in source.table("`labels`", item)?.iter() {
            labels.push((label.to_owned(), source.string(&format!("the label `{label}`"), item)?));
        }
    }
    let number = |key: &str| {
        table
            .get(key)
            .map(|item| source.number(&format!("`{key}`"), item))
            .transpose()
    };
    let value = match (number("value")?, number("min")?, number("max")?) {
        (Some(value), None, None) => Pattern::Range(Some(value), Some(value)),
        (None, None, None) => return Err(source.error(&span, "a metric needs `value`, or `min` or `max`")),
        (None, min, max) => Pattern::Range(min, max),
        (Some(_), _, _) => return Err(source.error(&span, "a metric has either `value` or `min` and `max`")),
    };
    Ok(ExpectedMetric {
        line: source.line(&span),
        name: source.string("`name`", name)?,
        labels,
        value,
    })
}

/// A table that descends into an object.
fn keys(source: &Source<'_>, what: &str, table: &dyn TableLike, shape: &Shape) -> Result<Pattern, CaseError> {
    let mut patterns = Vec::new();
    for (name, item) in table.iter() {
        let inner = match shape {
            Shape::Record(known) => match known.iter().find(|(key, _)| *key == name) {
                Some((_, inner)) => inner,
                None => {
                    let known: Vec<&str> = known.iter().map(|(key, _)| *key).collect();
                    let span = key_span(table, name).or_else(|| item.span());
                    return Err(source.error(&span, format!("{what} has no key `{name}`{}", hint(name, &known))));
                }
            },
            _ => &Shape::Plain,
        };
        patterns.push((name.to_owned(), pattern(source, name, item, inner)?));
    }
    Ok(Pattern::Keys(patterns))
}

fn pattern(source: &Source<'_>, name: &str, item: &Item, shape: &Shape) -> Result<Pattern, CaseError> {
    if let Some(table) = item.as_table_like() {
        let has_operator = table.iter().any(|(key, _)| OPERATORS.contains(&key));
        return match shape {
            Shape::Record(_) | Shape::Map if !has_operator => keys(source, &format!("`{name}`"), table, shape),
            Shape::Record(_) | Shape::Map | Shape::Plain | Shape::List(_) => operators(source, name, table, shape),
        };
    }
    match (item, shape) {
        (Item::Value(Value::Array(items)), Shape::List(inner)) => list(source, name, items, inner),
        (Item::Value(value), Shape::Plain) if !value.is_array() => Ok(Pattern::Exact(json_value(value))),
        (_, Shape::Record(_) | Shape::Map) => Err(source.error(
            &item.span(),
            format!("`{name}` is a table; write {name} = {{ … }} or [verdict.{name}]"),
        )),
        (_, Shape::List(_)) => Err(source.error(
            &item.span(),
            format!("`{name}` is a list; write {name} = [ … ], or {{ contains = … }} for one element of it"),
        )),
        _ => Err(source.error(
            &item.span(),
            format!("`{name}` is one value, and cannot be {}", kind(item)),
        )),
    }
}

fn list(source: &Source<'_>, name: &str, items: &Array, inner: &Shape) -> Result<Pattern, CaseError> {
    let items = items
        .iter()
        .map(|value| pattern(source, name, &Item::Value(value.clone()), inner));
    items.collect::<Result<_, _>>().map(Pattern::List)
}

fn operators(source: &Source<'_>, name: &str, table: &dyn TableLike, shape: &Shape) -> Result<Pattern, CaseError> {
    let mut all = Vec::new();
    for (key, item) in table.iter() {
        let text = || source.string(&format!("`{key}`"), item);
        all.push(match key {
            "contains" => Pattern::Contains(Box::new(match shape {
                Shape::List(inner) => pattern(source, name, item, inner)?,
                _ => Pattern::Exact(Json::from(text()?)),
            })),
            "starts_with" => Pattern::StartsWith(text()?),
            "ends_with" => Pattern::EndsWith(text()?),
            "matches" => {
                let regex = Regex::new(&text()?);
                Pattern::Matches(regex.map_err(|error| {
                    source.error(&item.span(), format!("`matches` is not a regular expression: {error}"))
                })?)
            }
            "one_of" => match json(item) {
                Json::Array(choice) => Pattern::OneOf(choice),
                _ => return Err(source.error(&item.span(), "`one_of` must be a list")),
            },
            "min" => Pattern::Range(Some(source.number("`min`", item)?), None),
            "max" => Pattern::Range(None, Some(source.number("`max`", item)?)),
            "present" => Pattern::Present(
                item.as_bool()
                    .ok_or_else(|| source.error(&item.span(), "`present` must be true or false"))?,
            ),
            _ => {
                let span = key_span(table, key).or_else(|| item.span());
                let what = format!("there is no operator `{key}` for `{name}`{}", hint(key, &OPERATORS));
                return Err(source.error(&span, what));
            }
        });
    }
    match all.len() {
        1 => Ok(all.remove(0)),
        0 => Err(source.error(
            &table.iter().next().and_then(|(_, item)| item.span()),
            format!("`{name}` expects nothing of its value{}", hint("", &OPERATORS)),
        )),
        _ => Ok(Pattern::All(all)),
    }
}
