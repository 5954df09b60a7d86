//! What a look led to, for the log.
use std::fmt;
use std::path::PathBuf;

use super::candidate::{Reason, Role};

/// What a look led to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// In the order in which it happened; empty if nothing did.
    pub list: Vec<Change>,
    /// Something was not complete, or changed meanwhile: look again soon.
    pub look_again: bool,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A plugin was started.
    Started(Which),
    /// A plugin took over from the one of its name.
    Swapped(Which),
    /// A plugin is now served from another file.
    Moved(Which),
    /// A plugin was stopped, because its file is gone or became another plugin.
    Stopped {
        /// Its role.
        role: Role,
        /// Its name.
        name: String,
    },
    /// A file is not used, or its newest contents are not.
    Refused {
        /// The file.
        file: PathBuf,
        /// Why.
        reason: Reason,
    },
    /// The directory cannot be looked at, and everything stays as it is.
    Away(String),
    /// The directory can be looked at again.
    Back,
}

/// A plugin, and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Which {
    /// Its role.
    pub role: Role,
    /// Its name.
    pub name: String,
    /// Its file.
    pub file: PathBuf,
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Which { role, name, file } = self;
        write!(f, "{role} plugin {name} from {}", file.display())
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Started(which) => write!(f, "{which} started"),
            Change::Swapped(which) => write!(f, "{which} took over"),
            Change::Moved(which) => write!(f, "{which} goes on under this file name"),
            Change::Stopped { role, name } => write!(f, "{role} plugin {name} stopped"),
            Change::Refused { file, reason } => write!(f, "{} is refused: {reason}", file.display()),
            Change::Away(why) => write!(f, "{why}; the plugins stay as they are until it is back"),
            Change::Back => f.write_str("the plugin directory can be read again"),
        }
    }
}
