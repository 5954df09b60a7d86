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
    let from = out.len();
    let rooted = matches!(end, PathEnd::TaskRoot | PathEnd::NamespaceRoot);
    if let Some((last, names)) = names.split_last() {
        if *last != 0 {
            return Err(DecodeError::Path);
        }
        out.reserve(names.len() + 1);
        for name in names.rsplit(|byte| *byte == 0) {
            if rooted || out.len() > from {
                out.push(b'/');
            }
            out.extend_from_slice(name);
        }
    } else if rooted {
        out.push(b'/');
    }
    Ok(())
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
