//! Byte strings from the kernel as text that can neither forge a line nor colour a terminal.
use std::fmt::{self, Display, Write};

/// Shows bytes: printable UTF-8 as it is, a backslash doubled, every other byte as `\xNN`. Nothing is lost, and the
/// result has no control characters.
///
/// ```
/// use vespid_plugin::text;
///
/// assert_eq!(text(b"caf\xc3\xa9\x1b[31m\n").to_string(), r"café\x1b[31m\x0a");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Text<'a>(&'a [u8]);

/// Bytes as text, for messages, keys and labels.
///
/// ```
/// use vespid_plugin::text;
///
/// assert_eq!(format!("{} ran", text(b"/bin/ls")), "/bin/ls ran");
/// ```
#[must_use]
pub fn text<B: AsRef<[u8]> + ?Sized>(bytes: &B) -> Text<'_> {
    Text(bytes.as_ref())
}

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '\\' => f.write_str("\\\\")?,
                    c if is_unsafe_to_show(c) => escape(f, c.encode_utf8(&mut [0; 4]).as_bytes())?,
                    c => f.write_char(c)?,
                }
            }
            escape(f, chunk.invalid())?;
        }
        Ok(())
    }
}

fn escape(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))
}

/// Control characters, and the format characters that reorder or hide what stands beside them.
fn is_unsafe_to_show(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// What to remember of bytes that somebody else chose, as a key or part of one: their beginning, up to 512 bytes. Paths may
/// have 4 KiB and command lines more, and a plugin's memory is limited.
///
/// ```
/// assert_eq!(vespid_plugin::remembered(&[b'a'; 5000]).len(), 512);
/// ```
#[must_use]
pub fn remembered(bytes: &[u8]) -> Vec<u8> {
    bytes.get(..REMEMBERED).unwrap_or(bytes).to_vec()
}

const REMEMBERED: usize = 512;

/// At most `max` bytes of a text, the last character being an ellipsis if there was more.
///
/// ```
/// assert_eq!(vespid_plugin::cut("a long story".to_owned(), 9), "a long…");
/// ```
#[must_use]
pub fn cut(mut text: String, max: usize) -> String {
    const ELLIPSIS: char = '…';
    if text.len() > max {
        text.truncate(text.floor_char_boundary(max.saturating_sub(ELLIPSIS.len_utf8())));
        text.push(ELLIPSIS);
    }
    text
}

/// The last component of a path; all of it if it has no `/`.
///
/// ```
/// assert_eq!(vespid_plugin::basename(b"/usr/bin/env"), b"env");
/// ```
#[must_use]
#[inline]
pub fn basename(path: &[u8]) -> &[u8] {
    let slash = memchr::memrchr(b'/', path);
    slash.and_then(|slash| path.get(slash + 1..)).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_neither_forge_a_line_nor_colour_a_terminal() {
        assert_eq!(
            text(b"a\nb\x1b[31m\xff\\\xe2\x80\xae").to_string(),
            r"a\x0ab\x1b[31m\xff\\\xe2\x80\xae"
        );
        assert_eq!(text("grün").to_string(), "grün");
    }

    #[test]
    fn a_basename_is_what_follows_the_last_slash() {
        assert_eq!(basename(b"/usr/bin/sh"), b"sh");
        assert_eq!(basename(b"sh"), b"sh");
        assert_eq!(basename(b"/"), b"");
    }
}
