//! Paths: from the kernel's names, leaf first, to text, and from typed text where the kernel has no file to ask.
use vespid_ebpf::PathEnd;

use super::DecodeError;

/// How far an open's path can be trusted: `opens.path-kind` in the interface.
pub mod path_kind {
    /// What the kernel opened, as the process sees it.
    pub const RESOLVED: u8 = 0;
    /// Made from the typed text, as the open failed.
    pub const TYPED: u8 = 1;
    /// What the kernel opened, outside the root directory of the process.
    pub const OUTSIDE_ROOT: u8 = 2;
    /// The leading components are missing.
    pub const PARTIAL: u8 = 3;
    /// It lies in no directory tree.
    pub const UNNAMED: u8 = 4;
}

/// Appends a path of names that come leaf first, each with its NUL. A path that was followed to a root starts with `/`;
/// one whose leading components are missing, or that lies in no tree, does not.
pub(super) fn join(names: &[u8], end: PathEnd, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let rooted = matches!(end, PathEnd::TaskRoot | PathEnd::NamespaceRoot);
    if let Some((last, names)) = names.split_last() {
        if *last != 0 {
            return Err(DecodeError::Path);
        }
        // Nothing stands before the first name that there is.
        let is_name = |byte: &u8| *byte != 0;
        let names = match rooted {
            true => names,
            false => &names[..names.iter().rposition(is_name).map_or(0, |last| last + 1)],
        };
        // Each name's NUL becomes the `/` before it, so it is known where each name goes: from the end backwards.
        if rooted {
            out.push(b'/');
        }
        // What is there until then holds the places only.
        out.extend_from_slice(names);
        let (mut rest, mut to) = (names, out.len());
        loop {
            let len = nul_in(rest);
            out[to - len..to].copy_from_slice(&rest[..len]);
            if len == rest.len() {
                break;
            }
            rest = &rest[len + 1..];
            to -= len + 1;
            out[to] = b'/';
        }
    } else if rooted {
        out.push(b'/');
    }
    Ok(())
}

/// Where the first NUL is; the length, if there is none. Eight bytes at a time, which is what most names have.
fn nul_in(names: &[u8]) -> usize {
    let (words, rest) = names.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // A byte's highest bit stays only where the byte is 0; above the first such byte there may be others.
        let nul = word.wrapping_sub(0x0101_0101_0101_0101) & !word & 0x8080_8080_8080_8080;
        if nul != 0 {
            return at * 8 + nul.trailing_zeros() as usize / 8;
        }
    }
    let before = words.len() * 8;
    before + rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len())
}

/// The kind of a path that the kernel resolved.
pub(super) fn resolved(end: PathEnd) -> u8 {
    match end {
        PathEnd::TaskRoot => path_kind::RESOLVED,
        PathEnd::NamespaceRoot => path_kind::OUTSIDE_ROOT,
        PathEnd::Unnamed => path_kind::UNNAMED,
        PathEnd::Truncated | PathEnd::Absent => path_kind::PARTIAL,
    }
}

/// Makes `path`, which is the directory that a relative text is relative to, the path that `typed` means by its words
/// alone: symbolic links are not followed.
pub(super) fn from_typed(typed: &[u8], end: PathEnd, path: &mut Vec<u8>) -> u8 {
    let absolute = typed.first() == Some(&b'/');
    if absolute {
        path.clear();
    }
    let known = absolute || matches!(end, PathEnd::TaskRoot | PathEnd::NamespaceRoot);
    if typed.is_empty() || (path.is_empty() && !absolute) {
        // Nothing to start from: the words as they are.
        path.clear();
        path.extend_from_slice(typed);
        return path_kind::PARTIAL;
    }
    if path.as_slice() == b"/" {
        path.clear();
    }
    for name in typed.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => {
                let parent = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
                path.truncate(parent);
            }
            name => {
                path.push(b'/');
                path.extend_from_slice(name);
            }
        }
    }
    if path.is_empty() {
        path.push(b'/');
    }
    if known { path_kind::TYPED } else { path_kind::PARTIAL }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn names_are_joined_from_the_root(names: Vec<Vec<u8>>, before: Vec<u8>, rooted: bool) {
            let names: Vec<Vec<u8>> = names
                .into_iter()
                .map(|name| name.into_iter().filter(|byte| *byte != 0).collect())
                .collect();
            let raw: Vec<u8> = names.iter().flat_map(|name| name.iter().copied().chain([0])).collect();
            let mut expected = before.clone();
            for name in names.iter().rev() {
                if rooted || expected.len() > before.len() {
                    expected.push(b'/');
                }
                expected.extend_from_slice(name);
            }
            if rooted && names.is_empty() {
                expected.push(b'/');
            }
            let mut joined = before.clone();
            let end = if rooted { PathEnd::TaskRoot } else { PathEnd::Truncated };
            join(&raw, end, &mut joined).unwrap();
            prop_assert_eq!(joined, expected);
        }
    }
}
