//! Reading files of which others may be writing: whole or not at all, and only when they may have changed.
use std::collections::HashMap;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::candidate::{Kind, Reason};
use super::lease::{Lease, Refused};

/// A file changed more recently than this may change again without a new timestamp: file systems' clocks are coarse.
const COARSE: Duration = Duration::from_secs(1);

/// When a look takes place, by both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) instant: Instant,
    pub(super) wall: SystemTime,
}

impl Now {
    pub(super) fn get() -> Now {
        Now {
            instant: Instant::now(),
            wall: SystemTime::now(),
        }
    }
}

/// What came of reading a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome<T> {
    /// It is complete.
    Complete { value: T, len: u64 },
    /// Somebody is writing it, or may be.
    Unsettled,
    /// There is none, or it is a directory.
    Absent,
    /// There is one, and it cannot be used.
    Faulty(Reason),
}

/// How files are read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// Most bytes of a file.
    pub(super) max: u64,
    /// How long a file must not have changed if the kernel does not tell whether it is being written.
    pub(super) settle: Duration,
    /// Ask the kernel.
    pub(super) leases: bool,
}

/// Files of one kind, and what each held when it was last read.
#[derive(Debug)]
pub(super) struct Shelf<T> {
    rules: Rules,
    known: HashMap<PathBuf, Known<T>>,
}

#[derive(Debug)]
struct Known<T> {
    stamp: Stamp,
    /// When it was first seen with this stamp.
    since: Instant,
    /// What it held, if that has been read and is certain to be so still as long as the stamp is the same.
    value: Option<T>,
}

/// Changes when a file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    len: u64,
    mtime: (i64, i64),
    ctime: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Stamp {
        Stamp {
            device: metadata.dev(),
            inode: metadata.ino(),
            len: metadata.len(),
            mtime: (metadata.mtime(), metadata.mtime_nsec()),
            ctime: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether the last change is so long ago that the next one will have another time.
    fn is_old(&self, now: SystemTime) -> bool {
        let Ok(now) = now.duration_since(SystemTime::UNIX_EPOCH) else {
            return false;
        };
        let changed = Duration::new(
            u64::try_from(self.ctime.0).unwrap_or(0),
            u32::try_from(self.ctime.1).unwrap_or(0),
        );
        now.checked_sub(changed).is_some_and(|age| age >= COARSE)
    }
}

impl<T: Clone> Shelf<T> {
    pub(super) fn new(rules: Rules) -> Shelf<T> {
        let known = HashMap::new();
        Shelf { rules, known }
    }

    pub(super) fn knows(&self, path: &Path) -> bool {
        self.known.contains_key(path)
    }

    /// Forgets all files but these.
    pub(super) fn retain(&mut self, is_listed: impl Fn(&Path) -> bool) {
        self.known.retain(|path, _| is_listed(path));
    }

    /// What `path` holds, by way of `read` if it may have changed.
    pub(super) fn get(
        &mut self,
        path: &Path,
        now: Now,
        read: impl FnOnce(&mut dyn Read) -> Result<T, Reason>,
    ) -> Outcome<T> {
        let metadata = match std::fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) => return self.absent_or_unreadable(path, &error),
        };
        if metadata.is_dir() {
            self.known.remove(path);
            return Outcome::Absent;
        }
        if !metadata.is_file() {
            return unreadable("it is not a regular file; put a component in its place");
        }
        if let Some(Known {
            stamp,
            value: Some(value),
            ..
        }) = self.known.get(path)
            && *stamp == Stamp::of(&metadata)
        {
            return Outcome::Complete {
                value: value.clone(),
                len: stamp.len,
            };
        }
        // Without O_NONBLOCK, whoever put a FIFO here in this very moment would keep the daemon waiting.
        let opened = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
        match opened {
            Ok(file) => self.read(path, &file, now, read),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Outcome::Unsettled,
            Err(error) => self.absent_or_unreadable(path, &error),
        }
    }

    fn read(
        &mut self,
        path: &Path,
        file: &File,
        now: Now,
        read: impl FnOnce(&mut dyn Read) -> Result<T, Reason>,
    ) -> Outcome<T> {
        let stamp = match file.metadata() {
            Ok(metadata) if metadata.is_file() => Stamp::of(&metadata),
            Ok(_) => return unreadable("it is not a regular file; put a component in its place"),
            Err(error) => return unreadable(error),
        };
        let since = match self.known.get(path) {
            Some(known) if known.stamp == stamp => known.since,
            _ => now.instant,
        };
        self.known.insert(
            path.to_owned(),
            Known {
                stamp,
                since,
                value: None,
            },
        );
        let lease = if self.rules.leases {
            Lease::take(file)
        } else {
            Err(Refused::Unavailable)
        };
        let is_settled = match lease {
            Ok(_) => true,
            Err(Refused::Writer) => false,
            Err(Refused::Unavailable) => now.instant.saturating_duration_since(since) >= self.rules.settle,
        };
        if !is_settled {
            return Outcome::Unsettled;
        }
        if stamp.len > self.rules.max {
            let text = format!(
                "it has {} bytes and may have {}; make it smaller, or raise the limit",
                stamp.len, self.rules.max
            );
            return Outcome::Faulty(Reason::new(Kind::TooLarge, text));
        }
        let value = read(&mut file.take(stamp.len));
        let is_same = file.metadata().is_ok_and(|metadata| Stamp::of(&metadata) == stamp);
        drop(lease);
        match value {
            _ if !is_same => Outcome::Unsettled,
            Err(reason) => Outcome::Faulty(reason),
            Ok(value) => {
                if let Some(known) = self.known.get_mut(path) {
                    known.value = stamp.is_old(now.wall).then(|| value.clone());
                }
                Outcome::Complete { value, len: stamp.len }
            }
        }
    }

    fn absent_or_unreadable(&mut self, path: &Path, error: &io::Error) -> Outcome<T> {
        self.known.remove(path);
        if error.kind() != ErrorKind::NotFound {
            return unreadable(error);
        }
        if std::fs::symlink_metadata(path).is_ok() {
            unreadable("it is a link that leads nowhere; put back what it points to, or remove it")
        } else {
            Outcome::Absent
        }
    }
}

fn unreadable<T>(why: impl std::fmt::Display) -> Outcome<T> {
    Outcome::Faulty(Reason::new(Kind::Unreadable, why))
}
