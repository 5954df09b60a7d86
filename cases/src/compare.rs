//! What was expected beside what was observed.
use serde_json::Value as Json;

use crate::case::{Case, ExpectedMetric, ExpectedVerdict};
use crate::observed::Observed;
use crate::pattern::Pattern;
use crate::shape::OF_THE_PLUGIN;
use crate::source::hint;

/// Most pairs of verdicts that are weighed against each other to align them; of more, the first goes with the first.
const MOST_PAIRS: usize = 4_000_000;

/// Which keys of a verdict are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All that the case names.
    Whole,
    /// Those that the plugin alone gives: in a native run nobody adds the process, the time, and so on.
    Plugin,
}

/// Whether a run gave what a case expects.
#[derive(Debug)]
pub struct Comparison<'a> {
    /// The verdicts, in order.
    pub verdicts: Vec<Pairing<'a>>,
    /// The metrics.
    pub metrics: Vec<MetricRow<'a>>,
}

/// A verdict that was expected, beside one that was observed.
#[derive(Debug)]
pub enum Pairing<'a> {
    /// As expected.
    Same(&'a ExpectedVerdict, &'a Json),
    /// Most likely the expected one, but it differs.
    Differs(&'a ExpectedVerdict, &'a Json, Vec<Difference>),
    /// Did not come.
    Missing(&'a ExpectedVerdict),
    /// Was not expected.
    Unexpected(&'a Json),
}

/// One key that is not as expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The key: `process.comm`.
    pub key: String,
    /// What was expected.
    pub expected: String,
    /// What was observed.
    pub observed: String,
}

/// A metric beside its expectation.
#[derive(Debug)]
pub struct MetricRow<'a> {
    /// What was expected.
    pub expected: &'a ExpectedMetric,
    /// The sum over the series.
    pub observed: f64,
    /// What is wrong, if anything.
    pub wrong: Option<String>,
}

/// Compares.
#[must_use]
pub fn compare<'a>(case: &'a Case, observed: &'a Observed, scope: Scope) -> Comparison<'a> {
    Comparison {
        verdicts: align(&case.verdicts, &observed.verdicts, scope),
        metrics: case.metrics.iter().map(|metric| weigh(metric, observed)).collect(),
    }
}

impl Comparison<'_> {
    /// Whether everything is as expected.
    #[must_use]
    pub fn is_passed(&self) -> bool {
        self.verdicts.iter().all(|pairing| matches!(pairing, Pairing::Same(..)))
            && self.metrics.iter().all(|row| row.wrong.is_none())
    }
}

/// The series that have these labels, added up. Of a name with the exporter's suffix or prefix, the plain one is meant.
fn weigh<'a>(expected: &'a ExpectedMetric, observed: &Observed) -> MetricRow<'a> {
    let has = |labels: &[(String, String)]| expected.labels.iter().all(|label| labels.contains(label));
    let fitting = observed
        .samples
        .iter()
        .filter(|sample| sample.name == expected.name && has(&sample.labels));
    // The sum of none would be -0.
    let sum = fitting.fold(0.0, |sum, sample| sum + sample.value);
    let wrong = if !observed.metrics.contains(&expected.name) {
        let known: Vec<&str> = observed.metrics.iter().map(String::as_str).collect();
        Some(format!(
            "the plugin has no metric `{}`{}",
            expected.name,
            hint(&expected.name, &known)
        ))
    } else if expected.value.fits(&Json::from(sum)) {
        None
    } else {
        let expected = match expected.value {
            Pattern::Range(Some(min), Some(max)) if min.total_cmp(&max).is_eq() => min.to_string(),
            _ => expected.value.to_string(),
        };
        Some(format!("expected {expected}, observed {sum}"))
    };
    MetricRow {
        expected,
        observed: sum,
        wrong,
    }
}

/// How well two verdicts go together: as expected, of one rule, or not at all.
fn likeness(expected: &ExpectedVerdict, observed: &Json, scope: Scope) -> u32 {
    if differences(expected, observed, scope).is_empty() {
        return 1_000;
    }
    let Pattern::Keys(keys) = &expected.pattern else {
        return 0;
    };
    let rule = keys.iter().find(|(key, _)| key == "rule");
    match rule {
        Some((_, rule)) if !rule.fits(&observed["rule"]) => 0,
        _ => {
            let fitting = keys
                .iter()
                .filter(|(key, pattern)| pattern.fits(&observed[key.as_str()]));
            1 + u32::try_from(fitting.count()).unwrap_or(0)
        }
    }
}

/// Sets the expected beside the observed, both in order, so that as much as possible goes together.
fn align<'a>(expected: &'a [ExpectedVerdict], observed: &'a [Json], scope: Scope) -> Vec<Pairing<'a>> {
    let (rows, columns) = (expected.len(), observed.len());
    let pair = |row: usize, column: usize| {
        let differences = differences(&expected[row], &observed[column], scope);
        if differences.is_empty() {
            Pairing::Same(&expected[row], &observed[column])
        } else {
            Pairing::Differs(&expected[row], &observed[column], differences)
        }
    };
    let is_in_step = rows == columns && (0..rows).all(|at| differences(&expected[at], &observed[at], scope).is_empty());
    if is_in_step || rows.saturating_mul(columns) > MOST_PAIRS {
        let both = (0..rows.min(columns)).map(|at| pair(at, at));
        let missing = expected.iter().skip(columns).map(Pairing::Missing);
        let unexpected = observed.iter().skip(rows).map(Pairing::Unexpected);
        return both.chain(missing).chain(unexpected).collect();
    }
    // best[row][column]: the most that can be had from there to the end.
    let width = columns + 1;
    let mut best = vec![0_u32; (rows + 1) * width];
    let mut likenesses = vec![0_u32; rows * columns];
    for row in (0..rows).rev() {
        for column in (0..columns).rev() {
            let likeness = likeness(&expected[row], &observed[column], scope);
            likenesses[row * columns + column] = likeness;
            let together = match likeness {
                0 => 0,
                likeness => likeness + best[(row + 1) * width + column + 1],
            };
            let apart = best[(row + 1) * width + column].max(best[row * width + column + 1]);
            best[row * width + column] = together.max(apart);
        }
    }
    let (mut row, mut column, mut out) = (0, 0, Vec::new());
    while row < rows && column < columns {
        let here = best[row * width + column];
        let likeness = likenesses[row * columns + column];
        if likeness > 0 && here == likeness + best[(row + 1) * width + column + 1] {
            out.push(pair(row, column));
            (row, column) = (row + 1, column + 1);
        } else if here == best[(row + 1) * width + column] {
            out.push(Pairing::Missing(&expected[row]));
            row += 1;
        } else {
            out.push(Pairing::Unexpected(&observed[column]));
            column += 1;
        }
    }
    out.extend(expected[row..].iter().map(Pairing::Missing));
    out.extend(observed[column..].iter().map(Pairing::Unexpected));
    out
}

fn differences(expected: &ExpectedVerdict, observed: &Json, scope: Scope) -> Vec<Difference> {
    let Pattern::Keys(keys) = &expected.pattern else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (key, pattern) in keys {
        if scope == Scope::Whole || OF_THE_PLUGIN.contains(&key.as_str()) {
            pattern.differences(key, &observed[key.as_str()], &mut found);
        }
    }
    let said = |value: &Json| match value {
        Json::Null => "nothing".to_owned(),
        value => value.to_string(),
    };
    let differences = found.into_iter().map(|(key, pattern, value)| Difference {
        key,
        expected: pattern.to_string(),
        observed: said(value),
    });
    differences.collect()
}
