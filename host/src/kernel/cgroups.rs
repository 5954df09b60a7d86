//! Control groups: where their hierarchies are mounted, and from the id of one to its path.
//!
//! A control group can be opened by its id, which is its file handle, as long as it exists. What executed something in a
//! group said both, so a group that is gone by the time it is asked for is mostly still known.
#![allow(
    unsafe_code,
    reason = "neither the standard library nor rustix has open_by_handle_at(2); it is given a handle of our own making"
)]
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use foldhash::quality::RandomState;
use hashbrown::HashMap;

use super::Group;
use super::btf;

/// Groups that are remembered at least; at most it is twice as many.
const MOST: usize = 8_192;
/// The root of every hierarchy.
const ROOT: u64 = 1;

/// Paths of control groups by their ids. Those that nobody asks for are forgotten when there are too many.
#[derive(Debug, Default)]
pub struct Cgroups {
    recent: HashMap<Group, Box<[u8]>, RandomState>,
    older: HashMap<Group, Box<[u8]>, RandomState>,
    /// The hierarchies that can be asked: v2, and the v1 one that stands in for it.
    mounts: [Option<Mount>; 2],
}

/// Where a hierarchy is mounted.
#[derive(Debug)]
struct Mount {
    folder: File,
    path: Vec<u8>,
}

impl Cgroups {
    /// Asks the hierarchies that are mounted here.
    #[must_use]
    pub fn of_node() -> Cgroups {
        let mounts = fs::read("/proc/self/mounts").unwrap_or_default();
        let controller = btf::v1_controller();
        let mount = |controller: Option<&str>| {
            let path = find(&mounts, controller)?;
            let folder = File::open(str::from_utf8(path).ok()?).ok()?;
            Some(Mount {
                folder,
                path: path.to_vec(),
            })
        };
        Cgroups {
            mounts: [mount(None), controller.and_then(|name| mount(Some(name)))],
            ..Cgroups::default()
        }
    }

    /// Takes in what an event said of a group in the v2 hierarchy.
    pub fn learn(&mut self, id: u64, path: &[u8]) {
        let group = Group { id, is_v1: false };
        // At the root of v2, the path is one in a v1 hierarchy.
        if id > ROOT && !path.is_empty() && !self.recent.contains_key(&group) {
            self.remember(group, path.into());
        }
    }

    /// The path of a group; empty if it is not known.
    pub fn path(&mut self, group: Group) -> &[u8] {
        if group.id <= ROOT {
            return b"/";
        }
        if !self.recent.contains_key(&group) {
            let known = self.older.remove(&group).or_else(|| {
                let mount = self.mounts[usize::from(group.is_v1)].as_ref()?;
                mount.path_of(group.id).ok().map(Vec::into_boxed_slice)
            });
            match known {
                Some(path) => self.remember(group, path),
                None => return b"",
            }
        }
        self.recent.get(&group).map_or(b"", |path| path)
    }

    fn remember(&mut self, group: Group, path: Box<[u8]>) {
        if self.recent.len() >= MOST {
            self.older = std::mem::take(&mut self.recent);
        }
        self.recent.insert(group, path);
    }
}

/// The root of the v2 hierarchy, wherever it is mounted: alone, or beside those of version 1.
///
/// # Errors
/// Why it is not to be had.
pub(super) fn root() -> Result<File, String> {
    let mounts = fs::read("/proc/self/mounts").unwrap_or_default();
    let place = find(&mounts, None).ok_or("no v2 hierarchy of control groups is mounted here")?;
    let place = Path::new(OsStr::from_bytes(place));
    // Every group has this file but the first one. A container is often shown its own group as if that were it.
    if place.join("cgroup.type").exists() {
        let place = place.display();
        return Err(format!(
            "the control groups at {place} are not those of the whole node: in a container, mount them from the host"
        ));
    }
    File::open(place).map_err(|error| format!("{}: {error}", place.display()))
}

impl Mount {
    fn path_of(&self, id: u64) -> io::Result<Vec<u8>> {
        let group = open(&self.folder, id)?;
        let link = fs::read_link(format!("/proc/self/fd/{}", group.as_raw_fd()))?;
        let path = link.into_os_string().into_vec();
        // A group that was removed while it was open.
        if path.ends_with(b" (deleted)") {
            return Err(io::ErrorKind::NotFound.into());
        }
        match path.strip_prefix(self.path.as_slice()) {
            Some(b"") => Ok(b"/".to_vec()),
            Some(below) if below.first() == Some(&b'/') => Ok(below.to_vec()),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

/// `struct file_handle` of a kernfs file (include/linux/exportfs.h: FILEID_KERNFS), of which the id is all there is.
#[repr(C)]
struct Handle {
    bytes: u32,
    kind: i32,
    id: [u8; 8],
}

const FILEID_KERNFS: i32 = 0xfe;

fn open(mount: &impl AsFd, id: u64) -> io::Result<OwnedFd> {
    let mut handle = Handle {
        bytes: 8,
        kind: FILEID_KERNFS,
        id: id.to_ne_bytes(),
    };
    let mount = mount.as_fd().as_raw_fd();
    let flags = libc::O_PATH | libc::O_CLOEXEC;
    // SAFETY: `handle` is laid out as the kernel's structure with as many bytes as it says, and lives until the call returns.
    let fd = unsafe { libc::syscall(libc::SYS_open_by_handle_at, mount, &raw mut handle, flags) };
    match i32::try_from(fd) {
        // SAFETY: the kernel has just made the descriptor for us.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Where the v2 hierarchy is mounted, or that of a v1 controller: `device path type options …` in `/proc/self/mounts`.
fn find<'a>(mounts: &'a [u8], controller: Option<&str>) -> Option<&'a [u8]> {
    mounts.split(|byte| *byte == b'\n').find_map(|line| {
        let mut words = line.split(|byte| *byte == b' ').skip(1);
        let (path, kind, options) = (words.next()?, words.next()?, words.next()?);
        let is_it = match controller {
            None => kind == b"cgroup2",
            Some(name) => {
                kind == b"cgroup"
                    && options
                        .split(|byte| *byte == b',')
                        .any(|option| option == name.as_bytes())
            }
        };
        is_it.then_some(path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_are_found_among_the_mounts() {
        let mounts = b"proc /proc proc rw 0 0\ncgroup /cg/cpu cgroup rw,cpu 0 0\ncgroup2 /cg/unified cgroup2 rw 0 0\n";
        assert_eq!(find(mounts, None), Some(&b"/cg/unified"[..]));
        assert_eq!(find(mounts, Some("cpu")), Some(&b"/cg/cpu"[..]));
        assert_eq!(find(mounts, Some("memory")), None);
        assert_eq!(
            find(b"cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n", None),
            Some(&b"/sys/fs/cgroup"[..])
        );
    }

    #[test]
    fn a_group_that_is_gone_is_known_by_what_was_said_of_it() {
        let mut cgroups = Cgroups::default();
        cgroups.learn(70, b"/brief");
        let group = |id| Group { id, is_v1: false };
        assert_eq!(cgroups.path(group(70)), b"/brief");
        assert_eq!(cgroups.path(group(71)), b"");
        assert_eq!(cgroups.path(group(1)), b"/");
        let v1 = Group { id: 70, is_v1: true };
        assert_eq!(cgroups.path(v1), b"", "ids of another hierarchy are others");
    }

    #[test]
    fn a_hundred_thousand_groups_take_bounded_room_and_one_that_is_asked_for_stays() {
        let mut cgroups = Cgroups::default();
        cgroups.learn(2, b"/kept");
        for id in 3..100_003 {
            cgroups.learn(id, b"/brief");
            if id % 1_000 == 0 {
                assert_eq!(cgroups.path(Group { id: 2, is_v1: false }), b"/kept");
            }
        }
        assert!(cgroups.recent.len() + cgroups.older.len() <= 2 * MOST);
    }

    #[test]
    fn the_own_group_is_found_by_its_id() {
        use std::os::unix::fs::MetadataExt;
        let mut cgroups = Cgroups::of_node();
        let Some(mount) = cgroups.mounts.iter().flatten().next() else {
            eprintln!("SKIPPED: no control groups are mounted here");
            return;
        };
        let folder = Path::new(str::from_utf8(&mount.path).expect("text")).to_owned();
        let is_v1 = cgroups.mounts[0].is_none();
        let made = folder.join(format!("vespid-test-{}", std::process::id()));
        if let Err(error) = fs::create_dir(&made) {
            eprintln!("SKIPPED: no control group can be made here: {error}");
            return;
        }
        let id = fs::metadata(&made).expect("it is there").ino();
        let path = cgroups.path(Group { id, is_v1 }).to_vec();
        fs::remove_dir(&made).expect("it is empty");
        assert_eq!(path, format!("/vespid-test-{}", std::process::id()).into_bytes());
        assert_eq!(
            cgroups.path(Group {
                id: id + 1_000_000,
                is_v1
            }),
            b""
        );
    }
}
