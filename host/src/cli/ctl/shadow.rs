//! A shadow's comparison, told.
use std::fmt::Write;

use comfy_table::{CellAlignment, Table, presets};

use crate::screen::text::{harmless, short_count};
use crate::shadow::{Sample, SideSummary, Summary};
use crate::verdict::time_of_day;

/// Samples of each sort that are shown; `--json` has all.
const SHOWN: usize = 5;
/// Characters of a message that are shown.
const MESSAGE: usize = 160;

/// First what it means, then whether it is a fair comparison, then the rules, then examples.
pub(super) fn text(summary: &Summary) -> String {
    let mut out = capitalised(&summary.to_string());
    out.push_str(".\n");
    out.push_str(&fairness(summary));
    if !summary.rules.is_empty() {
        write!(out, "\n{}\n", rules(summary)).unwrap_or_default();
    }
    for (title, samples) in [
        ("Only the active version gave", &summary.missing),
        ("Only the shadow gave", &summary.extra),
        ("With another severity", &summary.severity),
        ("Both gave, for example", &summary.agreed),
    ] {
        examples(&mut out, title, samples);
    }
    out.truncate(out.trim_end().len());
    out
}

fn fairness(summary: &Summary) -> String {
    let mut out = String::new();
    for (name, side) in [("active version", &summary.active), ("shadow", &summary.shadow)] {
        if side.dropped > 0 {
            let (dropped, seen) = (short_count(side.dropped), short_count(side.events));
            writeln!(out, "The {name} did not get {dropped} events, and saw {seen}.").unwrap_or_default();
        }
        if side.given_up > 0 {
            let given_up = side.given_up;
            writeln!(
                out,
                "{given_up} verdicts of the {name} waited for the other side too long."
            )
            .unwrap_or_default();
        }
    }
    let undecided = summary.active.undecided + summary.shadow.undecided;
    if !summary.is_fair() {
        let around = "Verdicts around what was dropped are not held against either";
        let after = "rules that count over longer windows may still differ because of it";
        writeln!(out, "{around} ({undecided} undecided); {after}.").unwrap_or_default();
    }
    let pending = |side: &SideSummary| side.pending;
    match pending(&summary.active) + pending(&summary.shadow) {
        0 => {}
        1 => out.push_str("1 verdict still waits to be paired.\n"),
        count => writeln!(out, "{count} verdicts still wait to be paired.").unwrap_or_default(),
    }
    out
}

fn rules(summary: &Summary) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "rule",
        "agree",
        "only active",
        "only shadow",
        "severity",
        "undecided",
    ]);
    for (rule, counts) in &summary.rules {
        table.add_row([
            harmless(rule).into_owned(),
            counts.agreed.to_string(),
            counts.missing.to_string(),
            counts.extra.to_string(),
            counts.severity.to_string(),
            counts.undecided.to_string(),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn examples(out: &mut String, title: &str, samples: &[Sample]) {
    if samples.is_empty() {
        return;
    }
    let more = samples.len().saturating_sub(SHOWN);
    let more = if more > 0 {
        format!(" (and {more} more with --json)")
    } else {
        String::new()
    };
    write!(out, "\n{title}{more}\n").unwrap_or_default();
    for sample in samples.iter().take(SHOWN) {
        let severity = match &sample.shadow_severity {
            Some(shadow) => format!("{} (shadow: {shadow})", sample.severity),
            None => sample.severity.clone(),
        };
        let (time, severity, rule) = (time_of_day(sample.time), harmless(&severity), harmless(&sample.rule));
        let key = if sample.key.is_empty() {
            String::new()
        } else {
            format!(" [{}]", cut(&sample.key))
        };
        writeln!(out, "  {time} {severity} {rule}{key}: {}", cut(&sample.message)).unwrap_or_default();
    }
}

fn cut(text: &str) -> String {
    let short: String = text.chars().take(MESSAGE).collect();
    let dots = if short.len() < text.len() { "…" } else { "" };
    format!("{}{dots}", harmless(&short))
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
}
