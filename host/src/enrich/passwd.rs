//! Users and groups as files name them: `/etc/passwd` and `/etc/group` of the node, and of each container its own.
//!
//! A container's files are whatever its owner makes of them. They are opened below its root, across no mount, only if
//! that root is of a file system that the kernel itself answers for and they are ordinary files; and they are read up to a
//! bound. So no container can hold up who reads them, unless it may do so anyway: what is below an overlay is its
//! runtime's affair.
use std::collections::HashMap;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, openat, openat2};

use super::Container;
use super::share::Share;
use crate::event::{Accounts, KnownAccount};

/// Containers whose files are held at a time.
const MAX_CONTAINERS: usize = 256;
/// Longest file that is read, in bytes.
const MAX_FILE: u64 = 128 << 10;
/// Entries of a file that are taken.
const MAX_ENTRIES: usize = 1_024;
/// Longest name that is taken; `useradd` allows 32 bytes.
const MAX_NAME: usize = 64;
/// How long an answer holds before a number without a name is looked for again.
const PATIENCE: Duration = Duration::from_secs(1);
/// File systems for which the kernel asks nobody: neither another program of the node nor another node.
const LOCAL: [&str; 12] = [
    "bcachefs", "btrfs", "erofs", "ext2", "ext3", "ext4", "f2fs", "overlay", "squashfs", "tmpfs", "xfs", "zfs",
];

/// The files of one root directory.
#[derive(Debug, Default)]
struct Files {
    names: HashMap<(Accounts, u32), Box<[u8]>>,
    read: Option<Instant>,
}

/// The node's names, and its containers'.
#[derive(Debug)]
pub(super) struct Passwd {
    proc: PathBuf,
    node: Files,
    by_container: HashMap<Box<[u8]>, Files>,
    share: Share,
}

impl Passwd {
    /// `share` bounds the time that reading may take.
    pub(super) fn new(proc: PathBuf, share: Share) -> Passwd {
        Passwd {
            proc,
            node: Files::default(),
            by_container: HashMap::new(),
            share,
        }
    }

    /// The name of a number of this process; `is_still` asks whether its id is still its own.
    pub(super) fn account(
        &mut self,
        pid: u32,
        container: Option<&Container>,
        of: Accounts,
        id: u32,
        is_still: impl FnOnce() -> bool,
    ) -> Option<KnownAccount<'static>> {
        let now = Instant::now();
        let scope = container.map_or(&b""[..], |container| &container.id);
        let files = match container {
            None => &mut self.node,
            Some(_) => {
                if self.by_container.len() >= MAX_CONTAINERS && !self.by_container.contains_key(scope) {
                    self.by_container.clear();
                }
                self.by_container.entry(scope.into()).or_default()
            }
        };
        let is_stale = files.read.is_none_or(|read| now.duration_since(read) >= PATIENCE);
        if !files.names.contains_key(&(of, id)) && is_stale && !self.share.left(now).is_zero() {
            let root = match container {
                None => Root::of_node(&self.proc),
                Some(_) => Root::of_container(&self.proc, pid),
            };
            // A process that is gone says nothing of the files; the next one of its container will.
            let names = root.map(|root| root.names()).filter(|_| is_still());
            if let Some(names) = names {
                (files.names, files.read) = (names, Some(Instant::now()));
            }
            self.share.spend(now.elapsed());
        }
        let name = files.names.get(&(of, id))?;
        Some(KnownAccount {
            container: scope.to_vec().into(),
            of,
            id,
            name: name.to_vec().into(),
        })
    }
}

/// The root directory of a process.
struct Root {
    /// The process, below `/proc`.
    folder: PathBuf,
    root: OwnedFd,
    /// It is a container's.
    is_strange: bool,
}

impl Root {
    /// The node's own: that of init, or, where init is out of reach, ours.
    fn of_node(proc: &Path) -> Option<Root> {
        let folders = ["1", "self"].map(|name| proc.join(name));
        folders.into_iter().find_map(|folder| Root::open(folder, false))
    }

    /// That of a process in a container; none if it has not entered one yet.
    fn of_container(proc: &Path, pid: u32) -> Option<Root> {
        let folder = proc.join(pid.to_string());
        if !is_local(&std::fs::read_to_string(folder.join("mountinfo")).ok()?) {
            return None;
        }
        let root = Root::open(folder, true)?;
        let is_own = root.place()? != Root::of_node(proc)?.place()?;
        is_own.then_some(root)
    }

    fn open(folder: PathBuf, is_strange: bool) -> Option<Root> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(CWD, folder.join("root"), flags, Mode::empty()).ok()?;
        Some(Root {
            folder,
            root,
            is_strange,
        })
    }

    /// Which directory it is.
    fn place(&self) -> Option<(u64, u64)> {
        fstat(&self.root).map(|stat| (stat.st_dev, stat.st_ino)).ok()
    }

    fn names(&self) -> HashMap<(Accounts, u32), Box<[u8]>> {
        let mut names = HashMap::new();
        for (of, file, map) in [
            (Accounts::User, "etc/passwd", "uid_map"),
            (Accounts::Group, "etc/group", "gid_map"),
        ] {
            let Some(text) = self.read(file) else { continue };
            let map = std::fs::read_to_string(self.folder.join(map)).unwrap_or_default();
            let map: Vec<Extent> = map.lines().filter_map(Extent::of).collect();
            for (id, name) in entries(&text).take(MAX_ENTRIES) {
                if let Some(id) = map.iter().find_map(|extent| extent.outside(id)) {
                    // As getpwuid(3), the first one counts.
                    names.entry((of, id)).or_insert_with(|| name.into());
                }
            }
        }
        names
    }

    /// A file below the root; none if it is not one that can be read at once.
    fn read(&self, file: &str) -> Option<Vec<u8>> {
        let mut resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        if self.is_strange {
            resolve |= ResolveFlags::NO_XDEV;
        }
        // Opening a device may do something; a place in the tree does nothing.
        let place = openat2(&self.root, file, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve).ok()?;
        if FileType::from_raw_mode(fstat(&place).ok()?.st_mode) != FileType::RegularFile {
            return None;
        }
        let path = format!("/proc/self/fd/{}", place.as_raw_fd());
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(CWD, path, flags, Mode::empty()).ok()?;
        let mut text = Vec::new();
        std::fs::File::from(file).take(MAX_FILE).read_to_end(&mut text).ok()?;
        Some(text)
    }
}

/// Numbers and names, of lines such as `name:x:33:…`. Lines that are none are passed over.
fn entries(text: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    text.split(|&byte| byte == b'\n').filter_map(|line| {
        let mut fields = line.split(|&byte| byte == b':');
        let name = fields.next().filter(|name| (1..=MAX_NAME).contains(&name.len()))?;
        let id = str::from_utf8(fields.nth(1)?).ok()?.parse().ok()?;
        Some((id, name))
    })
}

/// Whether a root directory is of a file system that is [`LOCAL`], by the text of `mountinfo`: asked before anything of it
/// is touched. A root that is no mount is taken for one that is not.
fn is_local(mounts: &str) -> bool {
    let mut kinds = mounts.lines().filter_map(|line| {
        let (place, rest) = line.split_once(" - ")?;
        (place.split(' ').nth(4)? == "/").then(|| rest.split(' ').next())?
    });
    // The last one mounted there is what is seen.
    kinds.next_back().is_some_and(|kind| LOCAL.contains(&kind))
}

/// A line of `uid_map`: numbers of a user namespace as the initial one has them.
struct Extent {
    inside: u32,
    outside: u32,
    count: u32,
}

impl Extent {
    fn of(line: &str) -> Option<Extent> {
        let mut numbers = line.split_whitespace().map_while(|number| number.parse().ok());
        Some(Extent {
            inside: numbers.next()?,
            outside: numbers.next()?,
            count: numbers.next()?,
        })
    }

    fn outside(&self, id: u32) -> Option<u32> {
        let offset = id.checked_sub(self.inside).filter(|offset| *offset < self.count)?;
        self.outside.checked_add(offset)
    }
}

#[cfg(test)]
#[path = "passwd/tests.rs"]
mod tests;
