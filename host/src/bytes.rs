//! Byte strings from the kernel, and the one reversible way in which they become text.
//!
//! A process name may hold newlines, escape codes and bytes that are not UTF-8. As text, printable UTF-8 stays as it is,
//! a backslash is doubled, and every other byte becomes `\xNN`. So a name can neither forge a line nor colour a
//! terminal, and nothing of it is lost.
use std::borrow::Cow;
use std::fmt;
use std::fmt::Write;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A byte string, borrowed from a kernel record or owned by a recording.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Bytes<'a>(pub Cow<'a, [u8]>);

impl Bytes<'_> {
    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A copy that borrows nothing.
    #[must_use]
    pub fn into_owned(self) -> Bytes<'static> {
        Bytes(Cow::Owned(self.0.into_owned()))
    }
}

impl<'a> From<&'a [u8]> for Bytes<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Bytes(Cow::Borrowed(bytes))
    }
}

impl<'a> From<&'a str> for Bytes<'a> {
    fn from(text: &'a str) -> Self {
        Bytes(Cow::Borrowed(text.as_bytes()))
    }
}

impl From<Vec<u8>> for Bytes<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes(Cow::Owned(bytes))
    }
}

impl fmt::Display for Bytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '\\' => f.write_str("\\\\")?,
                    c if is_unsafe_to_show(c) => {
                        let mut utf8 = [0; 4];
                        for byte in c.encode_utf8(&mut utf8).bytes() {
                            write!(f, "\\x{byte:02x}")?;
                        }
                    }
                    c => f.write_char(c)?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// Control characters, and the format characters that reorder or hide what stands beside them.
pub(crate) fn is_unsafe_to_show(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Whether they are their own escaped form at first sight.
fn is_plain(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| matches!(byte, b' '..=b'~') && byte != b'\\')
}

impl fmt::Debug for Bytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// What is wrong with a text that should be an escaped byte string.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`\\` at byte {at} starts neither `\\\\` nor `\\xNN`")]
pub struct BadEscape {
    /// Where the backslash is.
    pub at: usize,
}

impl<'a> Bytes<'a> {
    /// Reads the escaped form; borrows if nothing is escaped.
    ///
    /// # Errors
    /// If a backslash starts neither `\\` nor `\xNN`.
    pub fn parse(text: &'a str) -> Result<Bytes<'a>, BadEscape> {
        if !text.contains('\\') {
            return Ok(Bytes::from(text));
        }
        let bytes = text.as_bytes();
        let mut out = Vec::with_capacity(bytes.len());
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if byte != b'\\' {
                out.push(byte);
                at += 1;
                continue;
            }
            match bytes.get(at + 1) {
                Some(b'\\') => {
                    out.push(b'\\');
                    at += 2;
                }
                Some(b'x') => {
                    let hex = text
                        .get(at + 2..at + 4)
                        .and_then(|hex| u8::from_str_radix(hex, 16).ok());
                    out.push(hex.ok_or(BadEscape { at })?);
                    at += 4;
                }
                _ => return Err(BadEscape { at }),
            }
        }
        Ok(Bytes::from(out))
    }
}

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            // Nearly all names and paths are of plain ASCII, of which that is quickly known.
            Ok(text) if is_plain(&self.0) || !text.chars().any(|c| c == '\\' || is_unsafe_to_show(c)) => {
                serializer.serialize_str(text)
            }
            _ => serializer.collect_str(self),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Bytes<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Escaped;
        impl<'de> Visitor<'de> for Escaped {
            type Value = Bytes<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an escaped byte string")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Bytes<'de>, E> {
                Bytes::parse(text).map_err(E::custom)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Bytes<'de>, E> {
                Bytes::parse(text).map(Bytes::into_owned).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Escaped)
    }
}

/// Bytes in hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
            for nibble in [byte >> 4, byte & 15] {
                text.extend(char::from_digit(u32::from(nibble), 16));
            }
            text
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_can_neither_forge_a_line_nor_colour_a_terminal() {
        let text = Bytes::from(&b"a\nb\x1b[31m\xff\\"[..]).to_string();
        assert_eq!(text, r"a\x0ab\x1b[31m\xff\\");
    }

    #[test]
    fn a_stray_backslash_is_an_error() {
        assert_eq!(Bytes::parse(r"ab\q"), Err(BadEscape { at: 2 }));
        assert_eq!(Bytes::parse(r"\x4"), Err(BadEscape { at: 0 }));
        assert_eq!(Bytes::parse("\\x\u{e9}"), Err(BadEscape { at: 0 }));
    }

    proptest! {
        #[test]
        fn every_byte_string_survives(bytes: Vec<u8>) {
            let text = Bytes::from(bytes.as_slice()).to_string();
            prop_assert!(!text.chars().any(char::is_control));
            let parsed = Bytes::parse(&text).map(Bytes::into_owned);
            prop_assert_eq!(parsed, Ok(Bytes::from(bytes.clone())));
            let json = serde_json::to_string(&Bytes::from(bytes.as_slice())).expect("a string");
            prop_assert_eq!(serde_json::from_str::<Bytes<'_>>(&json).expect("a byte string"), Bytes::from(bytes));
        }
    }
}
