//! The outcome in the XML that continuous-integration systems read.
use std::fmt::Write;
use std::time::Duration;

/// What came of a case.
#[derive(Clone, Debug)]
pub struct Report {
    /// Name of the case.
    pub name: String,
    /// Its file.
    pub file: String,
    /// How long it took.
    pub time: Duration,
    /// What is wrong; none if it passed.
    pub failure: Option<String>,
}

/// One test suite of this name.
#[must_use]
pub fn junit(suite: &str, reports: &[Report]) -> String {
    let failures = reports.iter().filter(|report| report.failure.is_some()).count();
    let time: Duration = reports.iter().map(|report| report.time).sum();
    let numbers = |tests: usize| {
        format!(
            r#"tests="{tests}" failures="{failures}" errors="0" time="{:.3}""#,
            time.as_secs_f64()
        )
    };
    let (suite, numbers) = (escaped(suite), numbers(reports.len()));
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"vespid plugin test\" {numbers}>\n  <testsuite name=\"{suite}\" {numbers}>\n"
    );
    for report in reports {
        let (name, file) = (escaped(&report.name), escaped(&report.file));
        let head = format!(
            r#"    <testcase name="{name}" classname="{suite}" file="{file}" time="{:.3}""#,
            report.time.as_secs_f64()
        );
        // Writing to a string does not fail.
        match &report.failure {
            None => writeln!(out, "{head}/>"),
            Some(text) => {
                let first = escaped(text.lines().next().unwrap_or_default().trim());
                let text = escaped(text);
                writeln!(
                    out,
                    "{head}>\n      <failure message=\"{first}\">{text}</failure>\n    </testcase>"
                )
            }
        }
        .unwrap_or_default();
    }
    out.push_str("  </testsuite>\n</testsuites>\n");
    out
}

/// Text that XML 1.0 may hold, in an element or in an attribute: what it may not hold becomes U+FFFD.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' | '\r' => out.push(c),
            c if c < ' ' || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
