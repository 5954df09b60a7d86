//! The costs that can be counted, and so are the same in every run: allocations and their bytes, instructions of the
//! collector, and instructions inside WebAssembly. Continuous integration compares them with what they were.
use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;

use crate::stages::Stretch;
use crate::{dispatch, instructions, stages};

/// How much more than its baseline a cost may be. Compilers differ a little from version to version, and so do tables
/// that are grown by hash.
const TOLERANCE: f64 = 0.05;
/// Less than this is nothing.
const NOTHING: f64 = 0.005;

/// Costs of an event by name.
pub type Costs = BTreeMap<String, f64>;

/// What has all others in it: each takes valgrind some seconds.
const WHOLE: [Stretch; 2] = [Stretch::RingToBatch, Stretch::RingToShipped];
/// What only valgrind counts.
const OF_THE_MACHINE: &str = "machine instructions";

/// Counts. Instructions of this program `bench`, if there is a valgrind.
///
/// # Errors
/// If the plugins have not been built, or the fixtures cannot be read.
pub fn measure(plugins: &Path, bench: &Path) -> anyhow::Result<Costs> {
    let mut costs = Costs::new();
    for (mix, stretch, cost) in stages::measure(5)? {
        let name = format!("{} / {}", mix.name(), stretch.name());
        costs.insert(format!("{name} / allocations"), rounded(cost.allocations));
        costs.insert(format!("{name} / bytes allocated"), rounded(cost.bytes));
    }
    if instructions::is_possible() {
        for (mix, stretch, count) in instructions::measure(bench, &WHOLE)? {
            let name = format!("{} / {} / {OF_THE_MACHINE}", mix.name(), stretch.name());
            costs.insert(name, count.round());
        }
    }
    for (plugin, fuel) in dispatch::fuel(plugins)? {
        costs.insert(format!("{plugin} / instructions"), rounded(fuel));
    }
    Ok(costs)
}

/// What became worse, a sentence each.
#[must_use]
pub fn regressions(baseline: &Costs, found: &Costs) -> Vec<String> {
    let mut worse = Vec::new();
    for (name, &now) in found {
        match baseline.get(name) {
            Some(&before) if now <= before * (1.0 + TOLERANCE) + NOTHING => {}
            Some(before) => worse.push(format!("{name}: {now} an event, where it was {before}")),
            None => worse.push(format!("{name}: {now} an event, and the baseline has none")),
        }
    }
    let gone = baseline.keys().filter(|name| !found.contains_key(*name));
    // Where there is no valgrind, nothing is said of what it counts.
    let has_valgrind = found.keys().any(|name| name.ends_with(OF_THE_MACHINE));
    let gone = gone.filter(|name| has_valgrind || !name.ends_with(OF_THE_MACHINE));
    worse.extend(gone.map(|name| format!("{name}: in the baseline, but no longer measured")));
    worse
}

/// Reads a baseline.
///
/// # Errors
/// If the file cannot be read, or is none.
pub fn read(file: &Path) -> anyhow::Result<Costs> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no baseline", file.display()))
}

/// Writes a baseline.
///
/// # Errors
/// If the file cannot be written.
pub fn write(file: &Path, costs: &Costs) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(costs)? + "\n";
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

fn rounded(cost: f64) -> f64 {
    (cost * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn costs(all: &[(&str, f64)]) -> Costs {
        all.iter().map(|(name, cost)| ((*name).to_owned(), *cost)).collect()
    }

    #[test]
    fn what_became_worse_new_or_missing_is_said_and_what_became_better_is_not() {
        let baseline = costs(&[("a", 0.0), ("b", 100.0), ("c", 2.0), ("d", 1.0)]);
        let found = costs(&[("a", 0.004), ("b", 106.0), ("c", 1.0), ("e", 1.0)]);
        assert_eq!(
            regressions(&baseline, &found),
            [
                "b: 106 an event, where it was 100",
                "e: 1 an event, and the baseline has none",
                "d: in the baseline, but no longer measured"
            ]
        );
    }
}
