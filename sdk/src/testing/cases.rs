//! Test cases natively: the same files that `vespid plugin test` runs with the component.
use std::path::Path;

use serde_json::{Value, json};
use vespid_cases::{Case, Observed, Sample, Scope, Style, compare};

use super::Harness;
use super::calls::{self, Call};
use super::filters::{self, TABLES};
use super::harness::severity;
use crate::Plugin;
use crate::bindings::vespid::plugin::reports::Verdict;

/// Runs every case in the folder `dir` (`*.toml`) with the plugin's native build, and panics with what differs. Says
/// what `vespid plugin test` says, minus what only the daemon adds to a verdict: the process, its container, the time.
///
/// The recordings are read by the program `vespid`, from the PATH or from where the environment variable `VESPID`
/// says. A case in which a component of another version takes over has the plugin itself take over here.
///
/// ```no_run
/// # use vespid_plugin::prelude::*;
/// # struct Watch;
/// # impl Plugin for Watch {
/// #     const MANIFEST: Manifest = Manifest::new("watch", "0.1.0", "Watches.").opens();
/// #     type Config = Config;
/// #     type Metrics = ();
/// #     fn metrics(_: &Registry) {}
/// #     fn new(_: Config, (): ()) -> Result<Self, String> { Ok(Watch) }
/// #     fn on_batch(&mut self, _: Batch<'_>, _: &mut Report) -> Result<(), String> { Ok(()) }
/// # }
/// # #[derive(Deserialize, Serialize, JsonSchema)]
/// # struct Config {}
/// // tests/cases.rs of the plugin, in a #[test]:
/// testing::cases::<Watch>(concat!(env!("CARGO_MANIFEST_DIR"), "/cases"));
/// ```
///
/// # Panics
/// If a case does not pass or cannot be run, or if there is none.
#[expect(clippy::panic, reason = "a test's panic is its report")]
pub fn cases<P: Plugin>(dir: impl AsRef<Path>) {
    let dir = dir.as_ref();
    let files = match Case::files(dir) {
        Ok(files) if files.is_empty() => panic!("there is no case (*.toml) in {}", dir.display()),
        Ok(files) => files,
        Err(error) => panic!("the cases in {} cannot be read: {error}", dir.display()),
    };
    let wrong: Vec<String> = files
        .iter()
        .filter_map(|file| match check::<P>(file) {
            Ok(None) => None,
            Ok(Some(difference)) => Some(format!("{}: not as expected\n{difference}", file.display())),
            Err(error) => Some(error),
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {} cases did not pass\n\n{}",
        wrong.len(),
        files.len(),
        wrong.join("\n\n")
    );
}

/// Runs a case. What differs, or why it could not be run.
fn check<P: Plugin>(file: &Path) -> Result<Option<String>, String> {
    let case = Case::read(file).map_err(|error| error.to_string())?;
    let at = |error: String| format!("{}: {error}", file.display());
    let observed = run::<P>(&case).map_err(at)?;
    let comparison = compare(&case, &observed, Scope::Plugin);
    if comparison.is_passed() {
        return Ok(None);
    }
    let mut difference = String::new();
    comparison
        .show(&mut difference, Style::Plain)
        .map_err(|_| at("what differs cannot be shown".to_owned()))?;
    Ok(Some(difference))
}

fn run<P: Plugin>(case: &Case) -> Result<Observed, String> {
    let config = case.config.as_ref().map_or_else(|| "{}".to_owned(), Value::to_string);
    let mut plugin = Harness::<P>::start(&config)?;
    let wanted = plugin.manifest().subscription;
    let subscription: Vec<&str> = TABLES
        .into_iter()
        .filter(|(_, kind)| wanted.contains(*kind))
        .map(|(name, _)| name)
        .collect();
    let mut verdicts = Vec::new();
    for call in calls::of_case(case, &subscription, &filters::as_json(plugin.filters()))? {
        let outcome = match call {
            Call::Batch(batch) => plugin.columns(&batch)?,
            Call::Tick(now) => plugin.tick_at(now)?,
            Call::Replace => {
                plugin.replace();
                continue;
            }
        };
        verdicts.extend(outcome.verdicts.iter().map(as_json));
    }
    let samples = plugin.series().map(|(name, labels, value)| Sample {
        name: name.to_owned(),
        labels,
        value,
    });
    Ok(Observed {
        verdicts,
        samples: samples.collect(),
        metrics: plugin
            .manifest()
            .metrics
            .iter()
            .map(|metric| metric.name.clone())
            .collect(),
    })
}

/// What of a verdict line is the plugin's own.
fn as_json(verdict: &Verdict) -> Value {
    let fields = verdict.fields.iter().map(|(name, value)| (name.clone(), json!(value)));
    json!({
        "rule": verdict.rule,
        "severity": severity(verdict),
        "message": verdict.message,
        "key": verdict.key,
        "tags": verdict.tags,
        "fields": fields.collect::<serde_json::Map<_, _>>(),
    })
}
