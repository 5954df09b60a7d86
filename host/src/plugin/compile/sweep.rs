//! What a cache's files are called, and which of them go when there are too many.
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, Dir, statat, unlinkat};
use rustix::io::Errno;

use super::entry::Key;

const ENDING: &str = ".code";
const TEMPORARY_ENDING: &str = ".tmp";
/// A temporary file that is older than this was left behind by a crash.
const LEFT_BEHIND: Duration = Duration::from_hours(1);

/// How large a cache may become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheLimits {
    /// Bytes of all files.
    pub bytes: u64,
    /// Files.
    pub files: usize,
}

impl Default for CacheLimits {
    fn default() -> CacheLimits {
        CacheLimits {
            bytes: 512 << 20,
            files: 1_000,
        }
    }
}

/// A file's name.
pub(super) fn name(key: &Key) -> String {
    format!("{key}{ENDING}")
}

/// What it is called before it is whole.
pub(super) fn temporary_name(key: &Key, process: u32, nanoseconds: u128) -> String {
    format!("{key}.{process}.{nanoseconds}{TEMPORARY_ENDING}")
}

/// What a name says that a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Code,
    Temporary,
}

fn what(name: &str) -> Option<What> {
    let (key, rest) = name.split_at_checked(64)?;
    let is_key = key.bytes().all(|byte| byte.is_ascii_hexdigit());
    match rest {
        _ if !is_key => None,
        ENDING => Some(What::Code),
        rest if rest.starts_with('.') && rest.ends_with(TEMPORARY_ENDING) => Some(What::Temporary),
        _ => None,
    }
}

struct Kept {
    name: String,
    used: SystemTime,
    bytes: u64,
}

/// Removes what was left behind, and the least recently used until the rest is within its limits. What is not of the
/// cache's making stays.
pub(super) fn sweep(directory: &OwnedFd, limits: &CacheLimits, now: SystemTime) -> io::Result<()> {
    let mut kept = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().to_str() else { continue };
        let Some(what) = what(name) else { continue };
        let found = match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => found,
            Err(Errno::NOENT) => continue,
            Err(error) => return Err(error.into()),
        };
        let seconds = Duration::from_secs(u64::try_from(found.st_mtime).unwrap_or_default());
        let nanoseconds = Duration::from_nanos(found.st_mtime_nsec);
        let used = UNIX_EPOCH + seconds + nanoseconds;
        let age = now.duration_since(used).unwrap_or_default();
        if what == What::Temporary && age > LEFT_BEHIND {
            remove(directory, name)?;
            continue;
        }
        kept.push(Kept {
            name: name.to_owned(),
            used,
            bytes: u64::try_from(found.st_size).unwrap_or_default(),
        });
    }
    kept.sort_by_key(|file| file.used);
    let (mut files, mut bytes) = (kept.len(), kept.iter().map(|file| file.bytes).sum::<u64>());
    for file in &kept {
        if files <= limits.files && bytes <= limits.bytes {
            break;
        }
        if let Err(error) = remove(directory, &file.name) {
            // The next oldest goes in its stead.
            tracing::warn!(file = file.name, "compiled code cannot be removed: {error}");
            continue;
        }
        files -= 1;
        bytes -= file.bytes;
        tracing::debug!(file = file.name, "removed: least recently used of the compiled code");
    }
    Ok(())
}

fn remove(directory: impl AsFd, name: &str) -> io::Result<()> {
    match unlinkat(directory, name, AtFlags::empty()) {
        // Another daemon tidies up too.
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
