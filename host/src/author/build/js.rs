//! JavaScript.
use std::path::PathBuf;

use super::bench::{Bench, BuildError};

pub(super) fn build(bench: &Bench<'_>) -> Result<PathBuf, BuildError> {
    bench.tool("jco", "it builds JavaScript", "see the project's README.md")
}
