//! A comparison for people: what differs, in which key, and from which line.
use std::fmt::{self, Write};

use serde_json::Value as Json;

use crate::compare::{Comparison, MetricRow, Pairing};
use crate::pattern::Pattern;

/// Most rows that are as expected and are shown on either side of one that is not.
const CONTEXT: usize = 1;

/// How it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Text alone.
    Plain,
    /// In colour, for a terminal.
    Colour,
}

impl Style {
    fn paint(self, code: &'static str, text: &str) -> String {
        match self {
            Style::Plain => text.to_owned(),
            Style::Colour => format!("\x1b[{code}m{text}\x1b[0m"),
        }
    }

    /// What is good.
    #[must_use]
    pub fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// What is bad.
    #[must_use]
    pub fn bad(self, text: &str) -> String {
        self.paint("31", text)
    }

    /// What matters less.
    #[must_use]
    pub fn faint(self, text: &str) -> String {
        self.paint("2", text)
    }
}

impl Comparison<'_> {
    /// What differs, one line a row; empty if everything is as expected.
    ///
    /// # Errors
    /// None of its own: those of `out`.
    pub fn show(&self, out: &mut impl Write, style: Style) -> fmt::Result {
        let is_same = |at: usize| matches!(self.verdicts.get(at), Some(Pairing::Same(..)) | None);
        let mut hidden = 0;
        for (at, pairing) in self.verdicts.iter().enumerate() {
            let around = at.saturating_sub(CONTEXT)..=at + CONTEXT;
            if around.into_iter().all(is_same) {
                hidden += 1;
                continue;
            }
            skipped(out, style, &mut hidden)?;
            row(out, style, pairing)?;
        }
        if !(0..self.verdicts.len()).all(is_same) {
            skipped(out, style, &mut hidden)?;
        }
        for MetricRow { expected, wrong, .. } in &self.metrics {
            if let Some(wrong) = wrong {
                let labels: Vec<String> = expected
                    .labels
                    .iter()
                    .map(|(name, value)| format!("{name}={value:?}"))
                    .collect();
                let name = format!("{}{{{}}}", expected.name, labels.join(","));
                writeln!(
                    out,
                    "  {} metric {name}: {wrong} (line {})",
                    style.bad("!"),
                    expected.line
                )?;
            }
        }
        Ok(())
    }
}

fn skipped(out: &mut impl Write, style: Style, hidden: &mut usize) -> fmt::Result {
    match std::mem::take(hidden) {
        0 => Ok(()),
        count => writeln!(out, "{}", style.faint(&format!("    … {count} as expected"))),
    }
}

fn row(out: &mut impl Write, style: Style, pairing: &Pairing<'_>) -> fmt::Result {
    match pairing {
        Pairing::Same(_, observed) => writeln!(out, "{}", style.faint(&format!("    {}", short(observed)))),
        Pairing::Missing(expected) => {
            let what = format!(
                "- expected, did not come: {} (line {})",
                wanted(&expected.pattern),
                expected.line
            );
            writeln!(out, "  {}", style.bad(&what))
        }
        Pairing::Unexpected(observed) => {
            writeln!(out, "  {}", style.bad(&format!("+ not expected: {}", short(observed))))
        }
        Pairing::Differs(expected, observed, differences) => {
            writeln!(out, "  {} {} (line {})", style.bad("!"), short(observed), expected.line)?;
            for difference in differences {
                writeln!(out, "      {}", difference.key)?;
                writeln!(out, "        expected {}", style.good(&difference.expected))?;
                writeln!(out, "        observed {}", style.bad(&difference.observed))?;
            }
            Ok(())
        }
    }
}

/// Texts of a plugin's come escaped, as JSON has them.
fn short(verdict: &Json) -> String {
    let plain = |key: &str| verdict[key].as_str().unwrap_or("?").escape_debug().to_string();
    format!("{} {}: {}", plain("severity"), plain("rule"), plain("message"))
}

fn wanted(pattern: &Pattern) -> String {
    let Pattern::Keys(keys) = pattern else {
        return pattern.to_string();
    };
    let keys: Vec<String> = keys.iter().map(|(key, pattern)| format!("{key} = {pattern}")).collect();
    keys.join(", ")
}
