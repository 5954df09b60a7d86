//! The plugin directory: what is in it is what runs.
//!
//! Three parts, none of which trusts the others' timing. [`Watch`] says *when* to look, from file events and every now and
//! then without any. [`Scanner`] says *what is there*: whole files only, of one version of the directory. [`Nest`] brings
//! what runs in line with that. A look depends on no event before it, so a missed one costs time and nothing else.
//!
//! # What a user may expect
//!
//! - `NAME.wasm` is a plugin, and `NAME.toml` beside it its configuration. `NAME.shadow.wasm` is a shadow, and so is a plugin
//!   whose configuration says so; a shadow without a configuration file has that of `NAME.wasm`. Hidden files and directories are skipped; links are followed.
//! - A new file is started. One with other contents, or with another configuration, is swapped: the new version takes over the
//!   old one's state. A file that was only touched is left alone.
//! - A file that is being written is left alone until its writer is done; what ran from it before goes on meanwhile.
//! - **A refusal stops nothing.** If the new contents or the new configuration are no good, the old version stays. The reason
//!   is kept by file until its contents change, and no refused file is tried again before, except by request
//!   (`retry`), when another file had its name, when it could not be read, or when the daemon lacked something.
//! - Removing a file stops its plugin. A link that leads nowhere, or a file that cannot be read, is not a removal.
//! - A file that was only renamed goes on undisturbed, under its new file name.
//! - Of two files that declare one name, the one that runs stays, and of two new ones the first by file name. The other
//!   is refused. When the first goes the other takes over: with its state, if it was there at that look.
//! - A file that now declares another name stops the plugin of the old name, once that of the new name has started.
//! - Files that take over each other's names at one look do so with state, also in a circle.
//! - An active plugin and a shadow may have one name. A shadow without an active plugin runs, and is noted
//!   ([`Nest::lonely_shadows`]).
//! - While the directory is missing or cannot be read, everything stays as it is: a mount that is away does not disarm
//!   the node. When it is back, what is in it counts. An empty directory means no plugins.
//! - All files of a Kubernetes volume change together (`..data`), so a look never mixes two versions of it.
//!
//! # What it cannot know
//!
//! A copy that was cut off, and one that goes on after the file was closed, look complete: they are refused when they are
//! loaded, until the rest is there. Where the kernel has no leases (see `lease.rs`) a file counts as complete when it
//! did not change for [`LookSettings::settle`].
mod candidate;
mod changes;
mod events;
mod lease;
mod listing;
mod read;
mod reconcile;
mod runtime;
mod watch;
mod window;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use candidate::{Candidate, Contents, Digest, Kind, Reason, Role, Stale};
pub use changes::{Change, Changes, Which};
pub use listing::{Listing, LookError, LookSettings, Scanner};
pub use runtime::{LoadError, Runtime};
pub use watch::Watch;
pub use window::WatchSettings;

use reconcile::Reconciling;

/// What runs, from which files, and what does not, and why.
#[derive(Debug, Default)]
pub struct Nest {
    running: BTreeMap<Slot, Running>,
    refused: BTreeMap<PathBuf, Refused>,
    refusals: [u64; Kind::ALL.len()],
    unsettled: Vec<PathBuf>,
    ignored: usize,
    away: Option<String>,
}

/// What only one plugin can be.
type Slot = (Role, String);

#[derive(Debug)]
struct Running {
    /// Always there between two looks. During one, a plugin without a file can be taken over, or is stopped in the end.
    file: Option<PathBuf>,
    contents: Contents,
}

#[derive(Debug, PartialEq, Eq)]
struct Refused {
    reason: Reason,
    /// Those that were refused; nothing if they could not be read.
    contents: Option<Contents>,
    /// What it wanted to be, if that was taken.
    wanted: Option<Slot>,
}

impl Nest {
    /// Nothing runs yet.
    #[must_use]
    pub fn new() -> Nest {
        Nest::default()
    }

    /// Brings what runs in line with what is there. With `retry`, what was refused before is tried again.
    ///
    /// Nothing is loaded, started, swapped or stopped if nothing changed.
    pub fn reconcile<R: Runtime>(
        &mut self,
        look: &Result<Listing, LookError>,
        runtime: &mut R,
        retry: bool,
    ) -> Changes {
        match look {
            Ok(listing) => {
                let mut changes = Changes::default();
                if self.away.take().is_some() {
                    changes.list.push(Change::Back);
                }
                self.unsettled.clone_from(&listing.unsettled);
                self.ignored = listing.ignored;
                Reconciling::new(self, listing, runtime, retry, changes).run()
            }
            Err(error) => {
                let away = error.to_string();
                let list = if self.away.as_ref() == Some(&away) {
                    Vec::new()
                } else {
                    vec![Change::Away(away.clone())]
                };
                self.away = Some(away);
                Changes {
                    list,
                    look_again: matches!(error, LookError::Restless(_)),
                }
            }
        }
    }

    /// What runs: role, name and file, in this order.
    pub fn running(&self) -> impl Iterator<Item = (Role, &str, &Path)> {
        self.running
            .iter()
            .filter_map(|((role, name), running)| Some((*role, name.as_str(), running.file.as_deref()?)))
    }

    /// Shadows that have no active plugin to be compared with.
    pub fn lonely_shadows(&self) -> impl Iterator<Item = &str> {
        self.running
            .keys()
            .filter(|(role, name)| *role == Role::Shadow && !self.running.contains_key(&(Role::Active, name.clone())))
            .map(|(_, name)| name.as_str())
    }

    /// Files that are not used, or whose newest contents are not, in the order of their names, and why.
    pub fn refused(&self) -> impl Iterator<Item = (&Path, &Reason)> {
        self.refused
            .iter()
            .map(|(file, refused)| (file.as_path(), &refused.reason))
    }

    /// How often something was refused, by kind. A refusal that merely lasts counts once.
    pub fn refusals(&self) -> impl Iterator<Item = (Kind, u64)> {
        Kind::ALL.into_iter().zip(self.refusals)
    }

    /// Files that were being written at the last look.
    #[must_use]
    pub fn unsettled(&self) -> &[PathBuf] {
        &self.unsettled
    }

    /// Component files that were not looked at because there are too many.
    #[must_use]
    pub fn ignored(&self) -> usize {
        self.ignored
    }

    /// Why the directory could not be looked at, if it could not at the last look.
    #[must_use]
    pub fn away(&self) -> Option<&str> {
        self.away.as_deref()
    }
}
