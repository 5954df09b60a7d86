//! What the nest needs from whoever runs plugins.
use std::path::Path;

use super::candidate::{Candidate, Reason, Role, Stale};

/// Runs plugins. [`Nest`](super::Nest) calls `start` only for what does not run, and `swap`, `moved` and `stop` only for what
/// does.
pub trait Runtime {
    /// A plugin that could be started.
    type Loaded;

    /// Inspects, compiles and describes a file, and checks its configuration. Far from the hot path; may take its time.
    ///
    /// # Errors
    /// If the file changed meanwhile, or what is wrong with it.
    fn load(&mut self, candidate: &Candidate) -> Result<Self::Loaded, LoadError>;

    /// The name that it declares.
    fn name(loaded: &Self::Loaded) -> &str;

    /// What it is for: by its configuration, or else [`Contents::role`](super::Contents).
    fn role(loaded: &Self::Loaded) -> Role;

    /// Starts a plugin of a role and name that nobody has. Several may be on their way at a time: see [`Runtime::settle`].
    ///
    /// # Errors
    /// Why it does not start. Nothing of it runs then.
    fn start(&mut self, loaded: Self::Loaded) -> Result<(), Reason>;

    /// Exchanges the plugin of its role and name for it.
    ///
    /// # Errors
    /// Why it does not. The one that ran still runs then.
    fn swap(&mut self, loaded: Self::Loaded) -> Result<(), Reason>;

    /// A plugin is now served from another file, with the same contents.
    fn moved(&mut self, role: Role, name: &str, file: &Path);

    /// Ends a plugin.
    fn stop(&mut self, role: Role, name: &str);

    /// All that one look at the directory asked for has been asked for. What was started runs when this returns.
    fn settle(&mut self);
}

/// Why a file was not loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// Nobody's fault: look again.
    #[error(transparent)]
    Stale(#[from] Stale),
    /// It is no good.
    #[error(transparent)]
    Refused(#[from] Reason),
}
