//! A yardstick for what a detection has to see: the behaviours that Falco's 25 stable rules are about, each really
//! performed, in a real container where the rule is about containers, and found in the batch that a plugin gets, with the
//! context that a rule needs. `docs/coverage.md` has the list, by the names of these tests.
mod container;
mod files;
mod network;
mod power;
mod programs;
pub(crate) mod stage;

use serde_json::Value;

use container::Bundle;
use stage::Stage;

/// A text somewhere in a row; empty if there is none.
fn text<'a>(row: &'a Value, pointer: &str) -> &'a str {
    row.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn number(row: &Value, pointer: &str) -> u64 {
    row.pointer(pointer).and_then(Value::as_u64).unwrap_or_default()
}

/// Whether a row is of this kind, by a program with this path.
fn is_by(row: &Value, kind: &str, exe: &str) -> bool {
    text(row, "/event/kind") == kind && text(row, "/process/exe") == exe
}

/// The words of the process's command line.
fn words(row: &Value) -> Vec<&str> {
    let words = row["process"]["cmdline"].as_array().into_iter().flatten();
    words.filter_map(Value::as_str).collect()
}

/// Whether the process has or lacks what a flag says.
fn has_flag(row: &Value, flag: &str) -> bool {
    let flags = row["process"]["flags"].as_array().into_iter().flatten();
    flags.into_iter().any(|has| has == flag)
}

/// Whether an ancestor's executable has this name.
fn is_below(row: &Value, name: &str) -> bool {
    let ancestors = row["ancestors"].as_array().into_iter().flatten();
    let mut names = ancestors.map(|ancestor| text(ancestor, "/exe").rsplit('/').next().unwrap_or_default());
    names.any(|has| has == name)
}

/// Runs a script in a container, and finds a row of something in it.
fn in_container(what: &str, bundle: Option<Bundle>, fits: impl Fn(&Value) -> bool) -> Option<Value> {
    let (bundle, mut stage) = (bundle?, Stage::new()?);
    bundle.run(&mut stage);
    Some(stage.row(what, |row| bundle.has(row) && fits(row)))
}
