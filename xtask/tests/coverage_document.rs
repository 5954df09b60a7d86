//! `docs/coverage.md` names every live test of the yardstick and no other, and only rules and examples that there are.
#![allow(clippy::expect_used, reason = "a test")]
use std::fs;
use std::path::{Path, PathBuf};

/// A behaviour: its number, the cell that says who reports it, and the name of its test.
type Row = (usize, String, String);

fn rows(text: &str) -> Vec<Row> {
    let rows = text.lines().filter_map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, number, _, _, reported, test, _] = cells[..] else {
            return None;
        };
        let number = number.parse().ok()?;
        Some((number, reported.to_owned(), test.trim_matches('`').to_owned()))
    });
    rows.collect()
}

/// All files below a folder, with their text.
fn texts(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(texts(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = fs::read_to_string(&path).expect("a file");
            found.push((path, text));
        }
    }
    found
}

/// The names of the tests in a source.
fn tests(text: &str) -> Vec<String> {
    let after = text.split("#[test]\nfn ").skip(1);
    let names = after.filter_map(|rest| rest.split_once('('));
    names.map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn every_behaviour_has_its_test_and_every_rule_that_is_named_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let rows = rows(&fs::read_to_string(root.join("docs/coverage.md")).expect("the document"));
    let numbers: Vec<usize> = rows.iter().map(|(number, ..)| *number).collect();
    assert_eq!(numbers, (1..=25).collect::<Vec<_>>());

    let sources = texts(&root.join("host/tests/kernel_live/yardstick"));
    let mut there: Vec<String> = sources.iter().flat_map(|(_, text)| tests(text)).collect();
    let mut named: Vec<String> = rows.iter().map(|(.., test)| test.clone()).collect();
    there.sort();
    named.sort();
    assert_eq!(named, there);

    let plugins = texts(&root.join("plugins"));
    for (number, reported, _) in &rows {
        for rule in reported.split('`').skip(1).step_by(2) {
            let is_there = plugins.iter().any(|(_, text)| text.contains(&format!("\"{rule}\"")));
            assert!(is_there, "{number}: no plugin has a rule {rule}");
        }
        if let Some(example) = reported.strip_prefix("example ") {
            assert!(
                root.join("examples").join(example).is_dir(),
                "{number}: no example {example}"
            );
        }
    }
}
