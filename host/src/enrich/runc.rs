//! Containers of runc alone, which leaves the choice of an id to its caller: any name in a control group may be one.
//!
//! runc keeps a folder for each container, made before anything runs in it and removed when it ends. That may be sooner
//! than its first event is read, so the folders' coming and going is watched, and a container that is gone is still known
//! for a while.
use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};

use super::container::Runtime;
use crate::event::KnownContainer;

/// How long a container is known that is gone.
const GRACE: Duration = Duration::from_secs(30);
/// Most containers that are held; beyond, only those are known that still have a folder.
const MAX_IDS: usize = 4_096;

/// The containers of a folder such as `/run/runc`.
#[derive(Debug)]
pub(super) struct Runc {
    folder: PathBuf,
    /// None until there is a folder to watch.
    watch: Option<OwnedFd>,
    /// By id, when its folder was seen to be removed.
    ids: HashMap<Box<[u8]>, Option<Instant>>,
}

impl Runc {
    pub(super) fn new(folder: PathBuf) -> Runc {
        let mut runc = Runc {
            folder,
            watch: None,
            ids: HashMap::new(),
        };
        runc.look(Instant::now());
        runc
    }

    /// The container whose control group this is.
    pub(super) fn container_of(&mut self, cgroup: &[u8]) -> Option<KnownContainer<'static>> {
        self.look(Instant::now());
        let names = cgroup.rsplit(|&byte| byte == b'/');
        let ids = names.map(|name| {
            name.strip_prefix(b"runc-")
                .and_then(|name| name.strip_suffix(b".scope"))
                .unwrap_or(name)
        });
        let id = ids.into_iter().find(|id| self.is_id(id))?;
        Some(KnownContainer {
            cgroup: cgroup.to_vec().into(),
            id: id.to_vec().into(),
            runtime: Runtime::Runc.name().into(),
            ..KnownContainer::default()
        })
    }

    fn is_id(&self, id: &[u8]) -> bool {
        if self.ids.contains_key(id) {
            return true;
        }
        let Ok(name) = str::from_utf8(id) else { return false };
        !matches!(name, "" | "." | "..") && self.folder.join(name).join("state.json").exists()
    }

    /// Takes in which folders came and went since the last time.
    fn look(&mut self, now: Instant) {
        if self.watch.is_none() {
            self.watch = self.begin();
        }
        let Some(watch) = &self.watch else { return };
        let mut room = [MaybeUninit::uninit(); 4_096];
        let mut reader = Reader::new(watch, &mut room);
        let mut is_removed = false;
        // It ends with an error when there is no more to read.
        while let Ok(event) = reader.next() {
            is_removed |= event.events().contains(ReadFlags::IGNORED);
            let Some(name) = event.file_name() else { continue };
            let name = name.to_bytes();
            if event.events().contains(ReadFlags::DELETE) {
                if let Some(gone) = self.ids.get_mut(name) {
                    *gone = Some(now);
                }
            } else if self.ids.len() < MAX_IDS || self.ids.contains_key(name) {
                self.ids.insert(name.into(), None);
            }
        }
        if is_removed {
            self.watch = None;
        }
        self.ids
            .retain(|_, gone| gone.is_none_or(|gone| now.saturating_duration_since(gone) < GRACE));
    }

    fn begin(&self) -> Option<OwnedFd> {
        let watch = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).ok()?;
        let of = WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::ONLYDIR;
        inotify::add_watch(&watch, &self.folder, of).ok()?;
        Some(watch)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn make(folder: &std::path::Path, id: &str) {
        fs::create_dir(folder.join(id)).unwrap();
        fs::write(folder.join(id).join("state.json"), "{}").unwrap();
    }

    #[test]
    fn a_container_is_known_by_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        make(folder.path(), "demo1");
        let mut runc = Runc::new(folder.path().into());
        for cgroup in [
            "/demo1",
            "/process_api/demo1",
            "/demo1/init",
            "/system.slice/runc-demo1.scope",
        ] {
            let found = runc.container_of(cgroup.as_bytes()).unwrap();
            assert_eq!(
                (found.id.as_slice(), found.runtime.as_slice()),
                (&b"demo1"[..], &b"runc"[..]),
                "{cgroup}"
            );
        }
        assert_eq!(runc.container_of(b"/demo2/../x"), None);
        assert_eq!(runc.container_of(b"/"), None);
    }

    #[test]
    fn a_container_that_is_gone_before_it_is_asked_for_is_known_for_a_while() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("runc");
        let mut runc = Runc::new(folder.clone());
        assert_eq!(runc.container_of(b"/early"), None, "runc has never run");
        fs::create_dir(&folder).unwrap();
        make(&folder, "first");
        assert!(runc.container_of(b"/first").is_some());
        make(&folder, "brief");
        fs::remove_dir_all(folder.join("brief")).unwrap();
        assert!(runc.container_of(b"/brief").is_some());
        runc.look(Instant::now() + GRACE * 2);
        assert!(!runc.is_id(b"brief"), "the name may be used for something else");
        fs::remove_dir_all(&folder).unwrap();
        make_again(&folder);
        assert!(runc.container_of(b"/second").is_some(), "the folder was made anew");
    }

    fn make_again(folder: &std::path::Path) {
        fs::create_dir(folder).unwrap();
        make(folder, "second");
    }
}
