//! What is found in the directory, and why something of it is not used.
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

/// What a plugin is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Its verdicts and metrics are exported.
    Active,
    /// They are compared with those of the active plugin of its name.
    Shadow,
}

impl Role {
    /// `NAME.shadow.wasm` is a shadow; its configuration may make one of any other file.
    #[must_use]
    pub fn by_file_name(file: &Path) -> Role {
        let is_shadow = file.file_stem().map(Path::new).and_then(Path::extension) == Some("shadow".as_ref());
        if is_shadow { Role::Shadow } else { Role::Active }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Active => "active",
            Role::Shadow => "shadow",
        })
    }
}

/// SHA-256; shown in hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Of what is in memory.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What decides how a file's plugin runs. As long as these are equal nothing is loaded again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Of the component.
    pub digest: Digest,
    /// Text of the configuration file, if there is one.
    pub config: Option<Arc<str>>,
    /// By the file's name.
    pub role: Role,
}

/// A file that may become a plugin. It was complete when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// `NAME.wasm`.
    pub file: PathBuf,
    /// What it held at the time of the look.
    pub contents: Contents,
    pub(super) len: u64,
}

impl Candidate {
    /// `NAME.toml`. A shadow without one has the active plugin's.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.file.with_extension("toml")
    }

    /// The component. It is read again, because most looks need none of the bytes, and is what the digest says or an error.
    ///
    /// # Errors
    /// If the file has changed since the look. Another look is due then, and nothing is to be held against the file.
    pub fn bytes(&self) -> Result<Arc<[u8]>, Stale> {
        let mut bytes = Vec::with_capacity(usize::try_from(self.len).map_err(|_| Stale)?);
        let file = File::open(&self.file).map_err(|_| Stale)?;
        file.take(self.len + 1).read_to_end(&mut bytes).map_err(|_| Stale)?;
        if Digest::of(&bytes) == self.contents.digest {
            Ok(bytes.into())
        } else {
            Err(Stale)
        }
    }
}

/// A file is not any more what it was when the directory was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it changed while it was being loaded; it is looked at again")]
pub struct Stale;

/// Why a file is not used, by who has to do something about it. Also the label of the counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The component file, or its configuration file, cannot be read. Tried again at every look.
    Unreadable,
    /// The component file or its configuration is larger than allowed.
    TooLarge,
    /// The component is not a plugin, or not one for this daemon.
    Component,
    /// The configuration is wrong.
    Config,
    /// Another file declares the same name and came first. Tried again at every look.
    Duplicate,
    /// It could not be started, or not take over from the one that runs.
    Start,
    /// The daemon lacks something that it may soon have again: memory, a process, disk. Tried again at every look.
    Passing,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 7] = [
        Kind::Unreadable,
        Kind::TooLarge,
        Kind::Component,
        Kind::Config,
        Kind::Duplicate,
        Kind::Start,
        Kind::Passing,
    ];

    /// As a label value.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Unreadable => "unreadable",
            Kind::TooLarge => "too_large",
            Kind::Component => "component",
            Kind::Config => "config",
            Kind::Duplicate => "duplicate",
            Kind::Start => "start",
            Kind::Passing => "passing",
        }
    }
}

/// Why a file is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Reason {
    /// Of which kind.
    pub kind: Kind,
    /// What is wrong, and what to do about it.
    pub text: String,
}

impl Reason {
    /// A reason.
    #[must_use]
    pub fn new(kind: Kind, text: impl fmt::Display) -> Reason {
        let text = text.to_string();
        Reason { kind, text }
    }
}
