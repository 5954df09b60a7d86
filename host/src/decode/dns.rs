//! The question of a DNS message (RFC 1035, 4.1), which answers repeat.
//!
//! Only that is read: its name is the first in the message, so there is nothing that it could be compressed to, and a
//! message that tries is no DNS to us. What is read is bounded by the longest name.

/// Longest name, as messages write it: lengths and all.
const MAX_NAME: usize = 255;
const HEADER: usize = 12;
const LONGEST_LABEL: u8 = 63;

/// What a message asks, or was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// Type of the question.
    pub(super) kind: u16,
    /// The message's response code; 0 in a question.
    pub(super) response: u8,
}

/// Reads a message's question, and appends its name to `name`: labels with dots between them, `.` for the root. A dot
/// or a backslash within a label has a backslash before it. `None` leaves `name` as it was.
pub(super) fn question(message: &[u8], name: &mut Vec<u8>) -> Option<Question> {
    let before = name.len();
    let question = read(message, name);
    if question.is_none() {
        name.truncate(before);
    }
    question
}

fn read(message: &[u8], name: &mut Vec<u8>) -> Option<Question> {
    let header = message.get(..HEADER)?;
    if header[4..6] == [0, 0] {
        return None;
    }
    let begin = name.len();
    let mut rest = &message[HEADER..];
    loop {
        if message.len() - rest.len() - HEADER >= MAX_NAME {
            return None;
        }
        let (len, after) = rest.split_first()?;
        if *len == 0 {
            rest = after;
            break;
        }
        if *len > LONGEST_LABEL {
            return None;
        }
        let (label, after) = after.split_at_checked(usize::from(*len))?;
        if name.len() > begin {
            name.push(b'.');
        }
        for byte in label {
            if matches!(byte, b'.' | b'\\') {
                name.push(b'\\');
            }
            name.push(*byte);
        }
        rest = after;
    }
    if name.len() == begin {
        name.push(b'.');
    }
    let kind = u16::from_be_bytes(*rest.first_chunk()?);
    Some(Question {
        kind,
        response: header[3] & 0xf,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(name: &[u8], response: u8) -> Vec<u8> {
        [&[0, 7, 1, response, 0, 1, 0, 0, 0, 0, 0, 0][..], name, &[0, 28, 0, 1]].concat()
    }

    fn read_name(name: &[u8]) -> Option<String> {
        let mut text = Vec::new();
        let question = question(&message(name, 0x83), &mut text);
        assert!(question.is_none_or(|question| (question.kind, question.response) == (28, 3)));
        question.map(|_| String::from_utf8(text).expect("text"))
    }

    #[test]
    fn a_name_is_read_as_people_write_it() {
        for (name, expected) in [
            (&b"\x07example\x03com\0"[..], "example.com"),
            (b"\0", "."),
            (b"\x04a.\\b\x01c\0", "a\\.\\\\b.c"),
        ] {
            assert_eq!(read_name(name).as_deref(), Some(expected));
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        // Compressed to itself; a length that is none; beyond the end; longer than a name may be.
        for name in [
            &b"\xc0\x0c"[..],
            b"\x40aa\0",
            b"\x3fabc\0",
            &[[1, b'a'].repeat(128), vec![0]].concat(),
        ] {
            assert_eq!(read_name(name), None, "{name:?}");
        }
        let mut empty = message(b"\x01a\0", 0);
        empty[5] = 0;
        assert_eq!(question(&empty, &mut Vec::new()), None);
    }

    #[test]
    fn the_longest_name_is_read() {
        let name = [[1, b'a'].repeat(127), vec![0]].concat();
        assert_eq!(name.len(), MAX_NAME);
        assert_eq!(read_name(&name).map(|name| name.len()), Some(253));
    }

    proptest! {
        #[test]
        fn hostile_messages_are_bounded(message in proptest::collection::vec(any::<u8>(), 0..600)) {
            let mut name = b"before".to_vec();
            let question = question(&message, &mut name);
            prop_assert!(name.starts_with(b"before") && name.len() <= 6 + 2 * MAX_NAME);
            prop_assert!(question.is_some() || name == b"before");
        }
    }
}
