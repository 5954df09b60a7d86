//! What the kernel reports about the directory, reduced to: somebody is at it, or somebody is done.
//!
//! The watch is on the directory's inode. It ends when that is removed, and goes with it when it is moved; so what is watched
//! is compared with what the path names at every look. While there is nothing at the path, or a link, its parent is watched.
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::Sender;
use notify::event::{AccessKind, AccessMode, Event, EventKind, ModifyKind, RenameMode};
use notify::{Config, RecommendedWatcher, RecursiveMode, Watcher};

use super::window::Hint;

/// How often the directory may be exchanged while a watch is put on it.
const TRIES: usize = 3;

type Handler = Box<dyn FnMut(notify::Result<Event>) + Send>;
/// Makes a watcher; another one only in tests.
pub(super) type NewWatcher = fn(Handler) -> notify::Result<RecommendedWatcher>;

pub(super) fn inotify(handler: Handler) -> notify::Result<RecommendedWatcher> {
    RecommendedWatcher::new(handler, Config::default())
}

/// A directory's device and inode.
type Identity = (u64, u64);

pub(super) struct Listener {
    directory: PathBuf,
    hints: Sender<Hint>,
    new_watcher: NewWatcher,
    watcher: Option<RecommendedWatcher>,
    watched: Option<Identity>,
    watches_parent: bool,
    /// The directory was moved or removed, or the parent was. Its inode number may already be another directory's.
    lost: Arc<AtomicBool>,
}

impl Listener {
    pub(super) fn new(directory: PathBuf, hints: Sender<Hint>, new_watcher: NewWatcher) -> Listener {
        Listener {
            directory,
            hints,
            new_watcher,
            watcher: None,
            watched: None,
            watches_parent: false,
            lost: Arc::default(),
        }
    }

    /// Makes sure that the directory which the path names is being watched, or else its parent.
    pub(super) fn listen(&mut self) -> notify::Result<()> {
        let lost = self.lost.swap(false, Ordering::AcqRel);
        if !lost && self.watched.is_some() && self.watched == identity(&self.directory) {
            return Ok(());
        }
        let mut watcher = match self.watcher.take() {
            Some(watcher) => watcher,
            None => (self.new_watcher)(self.handler())?,
        };
        let listening = self.watch(&mut watcher);
        // A watcher that failed may be in any state, and is dropped; so is one thread and one inotify instance.
        if listening.is_ok() {
            self.watcher = Some(watcher);
        } else {
            (self.watched, self.watches_parent) = (None, false);
        }
        listening
    }

    fn watch(&mut self, watcher: &mut RecommendedWatcher) -> notify::Result<()> {
        if self.watched.take().is_some() {
            // Fails if the directory is gone, and then there is nothing to do.
            watcher.unwatch(&self.directory).unwrap_or_default();
        }
        let parent = self.directory.parent().map(Path::to_owned);
        if let Some(parent) = &parent {
            if std::mem::take(&mut self.watches_parent) {
                watcher.unwatch(parent).unwrap_or_default();
            }
            // Before the directory is looked for, so that its coming into being is not missed.
            self.watches_parent = unless_missing(watcher.watch(parent, RecursiveMode::NonRecursive))?;
        }
        for _ in 0..TRIES {
            let Some(before) = identity(&self.directory) else { break };
            if unless_missing(watcher.watch(&self.directory, RecursiveMode::NonRecursive))? {
                if identity(&self.directory) == Some(before) {
                    self.watched = Some(before);
                    break;
                }
                watcher.unwatch(&self.directory).unwrap_or_default();
            }
        }
        let is_link = self.directory.is_symlink();
        if let Some(parent) = parent
            && self.watched.is_some()
            && !is_link
            && std::mem::take(&mut self.watches_parent)
        {
            watcher.unwatch(&parent).unwrap_or_default();
        }
        Ok(())
    }

    fn handler(&self) -> Handler {
        let (hints, lost, directory) = (self.hints.clone(), self.lost.clone(), self.directory.clone());
        Box::new(move |event| {
            if let Ok(event) = &event
                && is_loss(event, &directory)
            {
                lost.store(true, Ordering::Release);
            }
            if let Some(hint) = hint(&event, &directory) {
                hints.try_send(hint).unwrap_or_default();
            }
        })
    }
}

fn identity(directory: &Path) -> Option<Identity> {
    let metadata = std::fs::metadata(directory).ok().filter(std::fs::Metadata::is_dir)?;
    Some((metadata.dev(), metadata.ino()))
}

/// Whether there is a watch now. That there is nothing to watch is no failure.
fn unless_missing(watched: notify::Result<()>) -> notify::Result<bool> {
    match watched {
        Ok(()) => Ok(true),
        Err(notify::Error {
            kind: notify::ErrorKind::PathNotFound,
            ..
        }) => Ok(false),
        Err(error) => Err(error),
    }
}

fn is_loss(event: &Event, directory: &Path) -> bool {
    let is_about_place = event.paths.iter().any(|path| directory.starts_with(path));
    is_about_place
        && !matches!(
            event.kind,
            EventKind::Access(_) | EventKind::Modify(ModifyKind::Metadata(_))
        )
}

fn hint(event: &notify::Result<Event>, directory: &Path) -> Option<Hint> {
    let Ok(event) = event else { return Some(Hint::Begun) };
    if event.need_rescan() {
        return Some(Hint::Begun);
    }
    if !event.paths.iter().any(|path| matters(path, directory)) {
        return None;
    }
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write))
        | EventKind::Modify(ModifyKind::Name(RenameMode::To | RenameMode::Both)) => Some(Hint::Done),
        // The daemon's own looks among them.
        EventKind::Access(_) => None,
        _ => Some(Hint::Begun),
    }
}

/// The directory itself, what is above it, and in it all that is not some other program's business.
fn matters(path: &Path, directory: &Path) -> bool {
    if directory.starts_with(path) {
        return true;
    }
    let Some(name) = path.file_name().filter(|_| path.parent() == Some(directory)) else {
        return false;
    };
    let is_ours = [Some("wasm".as_ref()), Some("toml".as_ref())].contains(&Path::new(name).extension());
    name == "..data" || is_ours && !name.as_encoded_bytes().starts_with(b".")
}
