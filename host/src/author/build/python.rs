//! Python.
use std::path::PathBuf;

use super::bench::{Bench, BuildError};

pub(super) fn build(bench: &Bench<'_>) -> Result<PathBuf, BuildError> {
    bench.tool("componentize-py", "it builds Python", "see the project's README.md")
}
