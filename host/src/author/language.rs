//! The languages that a project can be written in.
use std::fmt;

use serde::{Deserialize, Serialize};

/// What a plugin is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Rust, on Vespid's SDK.
    Rust,
    /// C, on bindings generated from the interface.
    C,
    /// Python, with its interpreter inside the component.
    Python,
    /// JavaScript, with its engine inside the component.
    Js,
}

impl Language {
    /// All of them.
    pub const ALL: [Language; 4] = [Language::Rust, Language::C, Language::Python, Language::Js];

    /// As `--lang` and `vespid-plugin.toml` have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Language::Rust => "rust",
            Language::C => "c",
            Language::Python => "python",
            Language::Js => "js",
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
