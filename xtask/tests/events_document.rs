//! `docs/events.md` describes every column of the interface, in its order and with its type, and nothing else.
#![allow(clippy::expect_used, reason = "a test")]
use std::path::Path;

use wit_bindgen_core::wit_parser::{Resolve, Type, TypeDefKind};

/// A table's name, and its columns: name and type.
type Table = (String, Vec<(String, String)>);

/// The records of the interface `events`.
fn declared(root: &Path) -> Vec<Table> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(root.join("wit")).expect("wit/ is valid");
    let interface = resolve.packages[package].interfaces["events"];
    let types = &resolve.interfaces[interface].types;
    let tables = types.iter().filter_map(|(name, id)| {
        let TypeDefKind::Record(record) = &resolve.types[*id].kind else {
            return None;
        };
        let columns = record.fields.iter();
        let columns = columns.map(|field| (field.name.clone(), spelled(&resolve, field.ty)));
        Some((name.clone(), columns.collect()))
    });
    tables.collect()
}

/// A type as the WIT text has it.
fn spelled(resolve: &Resolve, ty: Type) -> String {
    match ty {
        Type::U8 => "u8".into(),
        Type::U32 => "u32".into(),
        Type::U64 => "u64".into(),
        Type::S64 => "s64".into(),
        Type::String => "string".into(),
        Type::Id(id) => match &resolve.types[id].kind {
            TypeDefKind::List(of) => format!("list<{}>", spelled(resolve, *of)),
            TypeDefKind::Option(of) => format!("option<{}>", spelled(resolve, *of)),
            _ => resolve.types[id].name.clone().unwrap_or_default(),
        },
        other => format!("{other:?}"),
    }
}

/// The tables of the document: those whose first column is called `column`, by the heading above them.
fn described(text: &str) -> Vec<Table> {
    let mut heading = String::new();
    let mut tables: Vec<Table> = Vec::new();
    let mut is_columns = false;
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("## ") {
            name.trim_matches('`').clone_into(&mut heading);
        } else if line.starts_with("| column |") {
            is_columns = true;
            tables.push((heading.clone(), Vec::new()));
        } else if !line.starts_with('|') {
            is_columns = false;
        } else if is_columns && !line.starts_with("|---") {
            let mut cells = line.split('|').map(|cell| cell.trim().trim_matches('`').to_owned());
            let column = (cells.nth(1).unwrap_or_default(), cells.next().unwrap_or_default());
            tables.last_mut().expect("a table has begun").1.push(column);
        }
    }
    tables
}

#[test]
fn the_event_reference_has_every_column_and_no_other() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = std::fs::read_to_string(root.join("docs/events.md")).expect("the document");
    let (mut declared, mut described) = (declared(&root), described(&text));
    declared.sort();
    described.sort();
    let names = |tables: &[Table]| tables.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&described), names(&declared), "tables");
    for ((name, described), (_, declared)) in described.iter().zip(&declared) {
        assert_eq!(described, declared, "columns of `{name}`");
    }
}
