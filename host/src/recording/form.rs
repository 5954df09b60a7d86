//! The two forms of a recording: text for people, rows for programs.
use std::ffi::OsStr;
use std::path::Path;

use super::{ROWS_VERSION, VERSION};

/// How lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// JSON Lines.
    #[default]
    Text,
    /// Binary, and always compressed.
    Rows,
}

impl Form {
    /// Ends of names that a recording can have.
    pub const SUFFIXES: [&str; 3] = [".jsonl", ".jsonl.zst", ".vespid"];

    /// The form of a new recording with this name.
    #[must_use]
    pub fn of(file: &Path) -> Form {
        match file.extension() {
            Some(extension) if extension == "vespid" => Form::Rows,
            _ => Form::Text,
        }
    }

    /// The form that a header's version stands for.
    #[must_use]
    pub fn of_version(version: u32) -> Form {
        if version < ROWS_VERSION { Form::Text } else { Form::Rows }
    }

    /// The version in the header.
    #[must_use]
    pub fn version(self) -> u32 {
        match self {
            Form::Text => VERSION,
            Form::Rows => ROWS_VERSION,
        }
    }

    /// A recording's name without its end, and perhaps `.part`; none if it is no recording's.
    #[must_use]
    pub fn stem(file: &Path) -> Option<&str> {
        let name = file.file_name().and_then(OsStr::to_str)?;
        let name = name.strip_suffix(".part").unwrap_or(name);
        Form::SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix))
    }
}
