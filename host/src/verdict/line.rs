//! JSON that is one line whatever it holds, and that shows nothing to a terminal but text.
//!
//! Bytes from the kernel come escaped by [`crate::bytes::Bytes`]. A plugin's own words come as they are, and JSON leaves
//! most control characters in them alone: they are written as `\uXXXX` here, which any JSON reader turns back.
use std::io;

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

use crate::bytes::is_unsafe_to_show;

struct OneLine;

impl Formatter for OneLine {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| is_unsafe_to_show(*c)) {
            writer.write_all(&rest.as_bytes()[..at])?;
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = &rest[at + c.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }
}

/// A value as one line, with its end.
///
/// # Errors
/// If the value is none that JSON can hold.
pub(super) fn to_line(value: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut out = Vec::with_capacity(2_048);
    value.serialize(&mut Serializer::with_formatter(&mut out, OneLine))?;
    out.push(b'\n');
    Ok(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_is_one_line_of_harmless_characters_and_comes_back(text: String) {
            let line = String::from_utf8(to_line(&text).expect("a string")).expect("UTF-8");
            let body = line.strip_suffix('\n').expect("a line");
            prop_assert!(!body.chars().any(is_unsafe_to_show));
            prop_assert_eq!(serde_json::from_str::<String>(body).expect("JSON"), text);
        }
    }

    #[test]
    fn a_control_sequence_of_one_character_does_not_reach_a_terminal() {
        let line = to_line(&"\u{9b}31m \u{202e}txt.exe").expect("a string");
        assert_eq!(line, b"\"\\u009b31m \\u202etxt.exe\"\n");
    }
}
