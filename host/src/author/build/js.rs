//! JavaScript: componentize-js, which puts an engine and the module into the component.
use std::path::PathBuf;

use super::bench::{Bench, BuildError};

pub(super) fn build(bench: &Bench<'_>) -> Result<PathBuf, BuildError> {
    let tool = bench.tool_set_up(
        "componentize-js",
        "javascript/node_modules/.bin/componentize-js",
        "it makes a component of a JavaScript module",
        "npm install -g @bytecodealliance/componentize-js@0.23.0",
    )?;
    let component = bench.scratch("component.wasm")?;
    // With any of these the component would import WASI, which the daemon refuses.
    let without = ["-d", "stdio", "random", "clocks", "http", "fetch-event"];
    bench.step(
        "making a component with componentize-js",
        bench
            .command(tool)
            .args(["plugin.js", "-n", "plugin", "--wit"])
            .arg(bench.project.wit())
            .args(without)
            .arg("-o")
            .arg(&component),
    )?;
    Ok(component)
}
