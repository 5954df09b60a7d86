//! Text on its way to a terminal.
use std::borrow::Cow;
use std::fmt::Write;

use crate::bytes::is_unsafe_to_show;

/// The text, with what would move a cursor, colour, hide or reorder written as `\xNN`, byte by byte, as in
/// [`crate::bytes`]. Backslashes stay, so that a text which was escaped before does not change.
#[must_use]
pub fn harmless(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unsafe_to_show) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_unsafe_to_show(c) {
            let mut utf8 = [0; 4];
            for byte in c.encode_utf8(&mut utf8).bytes() {
                write!(out, "\\x{byte:02x}").unwrap_or_default();
            }
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// A number for people who read it at a glance: `950`, `12.3k`, `4.5M`.
#[must_use]
pub fn short(number: f64) -> String {
    for (unit, name) in [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")] {
        // What rounds up to 1000 of the unit below is 1 of this.
        if number >= unit * 0.9995 {
            let scaled = number / unit;
            return if scaled < 99.95 {
                format!("{scaled:.1}{name}")
            } else {
                format!("{scaled:.0}{name}")
            };
        }
    }
    format!("{number:.0}")
}

/// [`short`], of a count.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
pub fn short_count(number: u64) -> String {
    short(number as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_remains_and_escaping_twice_changes_nothing() {
        let text = "a\u{1b}[31m\u{9b}m\n\u{202e}b\\x1b é";
        let shown = harmless(text);
        assert_eq!(shown, "a\\x1b[31m\\xc2\\x9bm\\x0a\\xe2\\x80\\xaeb\\x1b é");
        assert_eq!(harmless(&shown), shown);
    }

    #[test]
    fn numbers_are_short() {
        for (number, text) in [
            (0.0, "0"),
            (999.4, "999"),
            (999.6, "1.0k"),
            (12_345.0, "12.3k"),
            (123_456.0, "123k"),
            (999_950.0, "1.0M"),
            (1_200_000.0, "1.2M"),
            (f64::NAN, "NaN"),
            (3e15, "3000T"),
        ] {
            assert_eq!(short(number), text);
        }
    }
}
