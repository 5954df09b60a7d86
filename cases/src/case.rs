//! A case, as its file says it.
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::pattern::Pattern;

/// A test case.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its file.
    pub file: PathBuf,
    /// The file's stem.
    pub name: String,
    /// What it is about.
    pub about: Option<String>,
    /// The recording, from the caller's directory.
    pub recording: PathBuf,
    /// Line of the recording.
    pub recording_line: usize,
    /// How many times as fast event time runs; 1 for as recorded.
    pub compress: f64,
    /// The part of the recording that is used.
    pub slice: Slice,
    /// Line of the slice.
    pub slice_line: usize,
    /// The plugin's configuration.
    pub config: Option<Json>,
    /// Line of the configuration.
    pub config_line: usize,
    /// Another version that takes over.
    pub swap: Option<Swap>,
    /// All verdicts that must come, in order.
    pub verdicts: Vec<ExpectedVerdict>,
    /// What metrics must be.
    pub metrics: Vec<ExpectedMetric>,
}

/// The part of a recording that is used, in the words of the command line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slice {
    /// Beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// End.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Kinds of events.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<String>,
    /// A process and its descendants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid_tree: Option<u32>,
    /// A container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
}

impl Slice {
    /// The same as flags of the command line.
    #[must_use]
    pub fn flags(&self) -> Vec<String> {
        let mut flags = Vec::new();
        let mut flag = |name: &str, value: Option<String>| {
            flags.extend(value.map(|value| format!("--{name}={value}")));
        };
        flag("from", self.from.clone());
        flag("to", self.to.clone());
        flag("kinds", (!self.kinds.is_empty()).then(|| self.kinds.join(",")));
        flag("pid-tree", self.pid_tree.map(|pid| pid.to_string()));
        flag("container", self.container.clone());
        flags
    }
}

/// Another version takes over in the middle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swap {
    /// After so many events.
    pub after: u64,
    /// Its component, from the caller's directory; without one, the same component again.
    pub to: Option<PathBuf>,
}

/// A verdict that must come.
#[derive(Clone, Debug)]
pub struct ExpectedVerdict {
    /// Line of the file.
    pub line: usize,
    /// What is expected of it.
    pub pattern: Pattern,
}

/// What a metric must be.
#[derive(Clone, Debug)]
pub struct ExpectedMetric {
    /// Line of the file.
    pub line: usize,
    /// Its name, without the plugin's prefix.
    pub name: String,
    /// Labels that the series must have; those that have them are added up.
    pub labels: Vec<(String, String)>,
    /// What is expected of the sum.
    pub value: Pattern,
}

impl Case {
    /// The cases of a folder, in the order of their names.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
        let mut files: Vec<PathBuf> = std::fs::read_dir(folder)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()?;
        files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
        files.sort();
        Ok(files)
    }
}
