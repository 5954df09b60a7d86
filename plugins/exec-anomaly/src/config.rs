//! What can be set.
use vespid_plugin::prelude::*;

use crate::lists;

/// Configuration of exec-anomaly. A pattern is matched against the whole path if there is a `/` in it, else against the
/// file name; `*` and `?` do not match `/`, `**` does.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Executables that no verdict is about, save for bursts: patterns.
    pub except: Vec<String>,
    /// The same finding (rule, executable, script, parent and container) is reported once in so many seconds, and then
    /// once more with the number of repetitions.
    pub repeat_after_seconds: u32,
    /// Many executions in a short time.
    pub burst: Burst,
    /// Executables in places where programs do not belong.
    pub places: Places,
    /// Shells below servers.
    pub servers: Servers,
    /// Shells on a connection.
    pub reverse_shells: ReverseShells,
    /// Processes that take hold of others.
    pub tracing: Tracing,
    /// Ways out of a container.
    pub namespaces: Namespaces,
    /// Programs that a parent did not run before.
    pub novelty: Novelty,
}

/// When executions are a burst. They are counted by the container and the parent of the process.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Burst {
    /// Executions that the children of one process may do within the window; 0 turns the rule off.
    pub limit: usize,
    /// Length of the window, in seconds.
    pub window_seconds: u32,
    /// A burst is over when the limit has not been passed for so many seconds.
    pub calm_seconds: u32,
}

/// Where programs do not belong.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Places {
    /// Folders: neither an executable nor a script given to a shell or interpreter may lie below them.
    pub temporary: Vec<String>,
    /// What runs a script that is its argument, besides the shells: patterns.
    pub interpreters: Vec<String>,
    /// Executables in memory that are none of a stranger: patterns.
    pub except_memfd: Vec<String>,
}

/// What a server is, and what a shell.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Servers {
    /// Shells: patterns.
    pub shells: Vec<String>,
    /// Servers that the network reaches: patterns over the executable.
    pub servers: Vec<String>,
    /// An interpreter is a server as well if one of its arguments contains one of these texts.
    pub arguments: Vec<String>,
    /// A process is no server if one of its arguments contains one of these texts: build tools run shells for a living.
    pub except_arguments: Vec<String>,
    /// Commands of shells that no verdict is about: patterns over the whole command line, with one space between
    /// arguments (`/` and `*` as in paths; use `**` to skip over a `/`).
    pub except_commands: Vec<String>,
}

/// Who may put a connection in place of standard input and output. What a shell is, `servers.shells` says.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ReverseShells {
    /// Servers that start a program for each connection: patterns.
    pub except: Vec<String>,
}

/// Who may take hold of other processes.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tracing {
    /// Debuggers and the like: patterns.
    pub debuggers: Vec<String>,
}

/// Who may enter and make namespaces in a container.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Namespaces {
    /// Container runtimes and sandboxes: patterns.
    pub except: Vec<String>,
}

/// When a (parent, executable) pair is new.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Novelty {
    /// Whether to look for new pairs.
    pub enabled: bool,
    /// Pairs seen within so many seconds of event time after the first event are learned without a verdict. What has been
    /// learned survives a reload of the plugin.
    pub learning_seconds: u32,
    /// Pairs that are remembered. When there is no more room, the one that was not seen for longest is forgotten.
    pub max_pairs: usize,
    /// Verdicts a minute; a package upgrade or a deployment brings many new pairs at once. What is beyond is counted.
    pub max_per_minute: u32,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            except: Vec::new(),
            repeat_after_seconds: 60,
            burst: Burst::default(),
            places: Places::default(),
            servers: Servers::default(),
            reverse_shells: ReverseShells::default(),
            tracing: Tracing::default(),
            namespaces: Namespaces::default(),
            novelty: Novelty::default(),
        }
    }
}

impl Default for Burst {
    fn default() -> Self {
        Burst {
            limit: 50,
            window_seconds: 1,
            calm_seconds: 5,
        }
    }
}

impl Default for Places {
    fn default() -> Self {
        Places {
            temporary: lists::owned(lists::TEMPORARY),
            interpreters: lists::owned(lists::INTERPRETERS),
            except_memfd: lists::owned(lists::MEMFD_EXCEPTIONS),
        }
    }
}

impl Default for Servers {
    fn default() -> Self {
        Servers {
            shells: lists::owned(lists::SHELLS),
            servers: lists::owned(lists::SERVERS),
            arguments: lists::owned(lists::SERVER_ARGUMENTS),
            except_arguments: lists::owned(lists::TOOL_ARGUMENTS),
            except_commands: Vec::new(),
        }
    }
}

impl Default for ReverseShells {
    fn default() -> Self {
        ReverseShells {
            except: lists::owned(lists::SUPER_SERVERS),
        }
    }
}

impl Default for Tracing {
    fn default() -> Self {
        Tracing {
            debuggers: lists::owned(lists::DEBUGGERS),
        }
    }
}

impl Default for Namespaces {
    fn default() -> Self {
        Namespaces {
            except: lists::owned(lists::RUNTIMES),
        }
    }
}

impl Default for Novelty {
    fn default() -> Self {
        Novelty {
            enabled: true,
            learning_seconds: 3600,
            max_pairs: 10_000,
            max_per_minute: 10,
        }
    }
}

impl Config {
    /// What the types do not say.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.burst.window_seconds == 0 {
            return Err("`burst.window_seconds` must be at least 1; `burst.limit = 0` turns the rule off".to_owned());
        }
        if self.burst.limit > 10_000 {
            return Err(format!("`burst.limit`: {} is more than 10000", self.burst.limit));
        }
        if self.novelty.max_pairs > 100_000 {
            return Err(format!(
                "`novelty.max_pairs`: {} is more than 100000",
                self.novelty.max_pairs
            ));
        }
        match self.places.temporary.iter().position(|folder| !folder.starts_with('/')) {
            Some(at) => Err(format!("`places.temporary[{at}]` is no absolute path")),
            None => Ok(()),
        }
    }
}
