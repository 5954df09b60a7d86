//! One look at the directory: which plugins are there, as whole files of one version of it.
use std::collections::{BTreeSet, HashSet};
use std::ffi::OsString;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::candidate::{Candidate, Contents, Digest, Kind, Reason, Role};
use super::read::{Now, Outcome, Rules, Shelf};

/// Looks at a directory whose names change meanwhile.
const TRIES: usize = 5;
/// What a Kubernetes volume replaces to replace all its files at once.
const VERSION_LINK: &str = "..data";
const BUFFER_BYTES: usize = 64 << 10;

/// How a directory is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookSettings {
    /// Largest component file, in bytes.
    pub component_bytes: u64,
    /// Largest configuration file, in bytes.
    pub config_bytes: u64,
    /// Most component files. Of more, those known already come first, then the first by name.
    pub files: usize,
    /// How long a file must not have changed before it is read, where the kernel does not tell whether it is being written.
    pub settle: Duration,
}

impl Default for LookSettings {
    fn default() -> LookSettings {
        LookSettings {
            component_bytes: 64 << 20,
            config_bytes: 1 << 20,
            files: 256,
            settle: Duration::from_millis(500),
        }
    }
}

/// What a look found. Every list is in the order of file names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Complete files.
    pub candidates: Vec<Candidate>,
    /// Files that are there and cannot be used as they are.
    pub faulty: Vec<(PathBuf, Reason)>,
    /// Files of which somebody is writing the component or the configuration. Another look is due after
    /// [`LookSettings::settle`], or when the watch reports that the writer is done.
    pub unsettled: Vec<PathBuf>,
    /// Component files over [`LookSettings::files`].
    pub ignored: usize,
}

/// The directory as a whole cannot be used at the moment.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// It is not there.
    #[error("plugin directory {} does not exist; create it, or name another one", .0.display())]
    Missing(PathBuf),
    /// It cannot be read.
    #[error("cannot read plugin directory {}: {source}; the daemon's user must be able to", directory.display())]
    Unreadable {
        /// The directory.
        directory: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Files come and go faster than they can be read. Look again soon.
    #[error("the files of plugin directory {} changed at each of {TRIES} looks; let it rest", .0.display())]
    Restless(PathBuf),
}

/// Looks at a directory again and again, and reads only what may have changed.
#[derive(Debug)]
pub struct Scanner {
    directory: PathBuf,
    files: usize,
    components: Shelf<Digest>,
    configs: Shelf<Arc<str>>,
}

/// What must be the same before and after the files are read.
#[derive(PartialEq, Eq)]
struct Names {
    version: Option<PathBuf>,
    components: BTreeSet<OsString>,
    ignored: usize,
}

impl Scanner {
    /// A scanner that has seen nothing yet.
    #[must_use]
    pub fn new(directory: &Path, settings: &LookSettings) -> Scanner {
        Scanner::with_leases(directory, settings, true)
    }

    pub(super) fn with_leases(directory: &Path, settings: &LookSettings, leases: bool) -> Scanner {
        let rules = |max| Rules {
            max,
            settle: settings.settle,
            leases,
        };
        Scanner {
            directory: directory.to_owned(),
            files: settings.files,
            components: Shelf::new(rules(settings.component_bytes)),
            configs: Shelf::new(rules(settings.config_bytes)),
        }
    }

    /// Lists the directory, and reads what may have changed since the last look.
    ///
    /// # Errors
    /// If the directory itself is missing, cannot be read, or does not keep still.
    pub fn look(&mut self) -> Result<Listing, LookError> {
        self.look_at(Now::get())
    }

    pub(super) fn look_at(&mut self, now: Now) -> Result<Listing, LookError> {
        for _ in 0..TRIES {
            let names = self.names()?;
            let listing = self.read(&names, now);
            if self.names()? == names {
                self.forget_others(&names);
                return Ok(listing);
            }
        }
        Err(LookError::Restless(self.directory.clone()))
    }

    fn names(&self) -> Result<Names, LookError> {
        let failed = |source: io::Error| match source.kind() {
            ErrorKind::NotFound => LookError::Missing(self.directory.clone()),
            _ => LookError::Unreadable {
                directory: self.directory.clone(),
                source,
            },
        };
        // Never more names in memory than allowed, whatever is in the directory.
        let mut first = BTreeSet::new();
        let mut ignored = 0;
        for entry in std::fs::read_dir(&self.directory).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            if !is_component(&name) {
                continue;
            }
            let is_new = !self.components.knows(&self.directory.join(&name));
            first.insert((is_new, name));
            if first.len() > self.files {
                first.pop_last();
                ignored += 1;
            }
        }
        Ok(Names {
            version: std::fs::read_link(self.directory.join(VERSION_LINK)).ok(),
            components: first.into_iter().map(|(_, name)| name).collect(),
            ignored,
        })
    }

    fn read(&mut self, names: &Names, now: Now) -> Listing {
        let mut listing = Listing {
            ignored: names.ignored,
            ..Listing::default()
        };
        for name in &names.components {
            let file = self.directory.join(name);
            match self.candidate(&file, now) {
                Outcome::Complete { value, .. } => listing.candidates.push(value),
                Outcome::Unsettled => listing.unsettled.push(file),
                Outcome::Faulty(reason) => listing.faulty.push((file, reason)),
                Outcome::Absent => {}
            }
        }
        listing
    }

    fn candidate(&mut self, file: &Path, now: Now) -> Outcome<Candidate> {
        let (digest, len) = match self.components.get(file, now, digest) {
            Outcome::Complete { value, len } => (value, len),
            Outcome::Unsettled => return Outcome::Unsettled,
            Outcome::Absent => return Outcome::Absent,
            Outcome::Faulty(reason) => return Outcome::Faulty(reason),
        };
        let mut config = None;
        for config_file in config_files(file) {
            match self.configs.get(&config_file, now, text) {
                Outcome::Complete { value, .. } => {
                    config = Some(value);
                    break;
                }
                Outcome::Absent => {}
                Outcome::Unsettled => return Outcome::Unsettled,
                Outcome::Faulty(Reason { kind, text }) => {
                    let text = format!("{}: {text}", config_file.display());
                    return Outcome::Faulty(Reason { kind, text });
                }
            }
        }
        let role = Role::by_file_name(file);
        let value = Candidate {
            file: file.to_owned(),
            contents: Contents { digest, config, role },
            len,
        };
        Outcome::Complete { value, len }
    }

    fn forget_others(&mut self, names: &Names) {
        let files: HashSet<PathBuf> = names.components.iter().map(|name| self.directory.join(name)).collect();
        let configs: HashSet<PathBuf> = files.iter().flat_map(|file| config_files(file)).collect();
        self.components.retain(|file| files.contains(file));
        self.configs.retain(|file| configs.contains(file));
    }
}

/// The configuration files of a component, of which the first that is there counts. A shadow without one of its own has
/// that of the plugin that it is compared with.
fn config_files(file: &Path) -> impl Iterator<Item = PathBuf> {
    let own = file.with_extension("toml");
    let actives = (Role::by_file_name(file) == Role::Shadow).then(|| own.with_extension("").with_extension("toml"));
    std::iter::once(own).chain(actives)
}

/// Hidden files are other programs' half-made ones, and Kubernetes' own.
fn is_component(name: &OsString) -> bool {
    !name.as_encoded_bytes().starts_with(b".") && Path::new(name).extension() == Some("wasm".as_ref())
}

fn digest(file: &mut dyn Read) -> Result<Digest, Reason> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(Digest(hash.finalize().into())),
            Ok(len) => hash.update(&buffer[..len]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Reason::new(Kind::Unreadable, error)),
        }
    }
}

fn text(file: &mut dyn Read) -> Result<Arc<str>, Reason> {
    let mut text = String::new();
    match file.read_to_string(&mut text) {
        Ok(_) => Ok(text.into()),
        Err(error) => Err(Reason::new(Kind::Unreadable, error)),
    }
}
