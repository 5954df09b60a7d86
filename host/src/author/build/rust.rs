//! Rust: cargo, with `wasm-component-ld` as its linker.
use std::path::PathBuf;
use std::process::Command;

use super::bench::{Bench, BuildError};
use super::toolchain::{TARGET, Toolchain};

pub(super) fn build(bench: &Bench<'_>) -> Result<PathBuf, BuildError> {
    let toolchain = Toolchain::find(bench)?;
    bench.step(
        "compiling with cargo",
        toolchain
            .cargo(bench)
            .args(["build", "--release", "--lib", "--target", TARGET]),
    )?;
    let file = format!("{}.wasm", bench.project.name.replace('-', "_"));
    Ok(target_folder(bench, toolchain.cargo(bench))?
        .join(TARGET)
        .join("release")
        .join(file))
}

/// Where cargo puts things for this project: its settings may come from files and variables that only it reads.
fn target_folder(bench: &Bench<'_>, mut cargo: Command) -> Result<PathBuf, BuildError> {
    let output = cargo
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .output();
    let metadata = output
        .ok()
        .and_then(|output| serde_json::from_slice::<serde_json::Value>(&output.stdout).ok());
    match metadata.as_ref().and_then(|found| found["target_directory"].as_str()) {
        Some(folder) => Ok(folder.into()),
        None => bench.scratch(""),
    }
}
