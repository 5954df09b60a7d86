//! Python: componentize-py, which puts an interpreter and the imported modules into the component.
use std::path::PathBuf;

use super::bench::{Bench, BuildError};

pub(super) fn build(bench: &Bench<'_>) -> Result<PathBuf, BuildError> {
    let tool = bench.tool_set_up(
        "componentize-py",
        "python/bin/componentize-py",
        "it makes a component of Python modules",
        "pip install componentize-py==0.25.0",
    )?;
    let component = bench.scratch("component.wasm")?;
    // Without `--stub-wasi` the component would import WASI, which the daemon refuses.
    let arguments = ["--world", "plugin", "componentize", "--stub-wasi", "plugin"];
    bench.step(
        "making a component with componentize-py",
        bench
            .command(tool)
            .arg("--wit-path")
            .arg(bench.project.wit())
            .args(arguments)
            .arg("--output")
            .arg(&component),
    )?;
    Ok(component)
}
