//! The standard library for WebAssembly, compiled once where no one delivers it compiled.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::home::{Home, publish};
use super::machine::Compiler;
use super::version;
use crate::child;
use crate::progress::Progress;

const LIMIT: Duration = Duration::from_secs(3600);

/// What makes cargo build the standard library is some package to build it for.
const MANIFEST: &str = "\
[package]
name = \"std-for-plugins\"
version = \"0.0.0\"
edition = \"2024\"

[lib]
path = \"lib.rs\"

[profile.release]
opt-level = 3
panic = \"abort\"

[workspace]
";

/// Compiles it with `compiler`, into a sysroot of its own.
pub(crate) fn build(compiler: &Compiler, cargo: &Path, home: &Home, progress: &Progress) -> anyhow::Result<()> {
    let task = progress.task("wasm32 std");
    let package = home.build_dir(&format!("wasm-std-{}", compiler.release));
    fs::create_dir_all(&package)?;
    fs::write(package.join("Cargo.toml"), MANIFEST)?;
    fs::write(package.join("lib.rs"), "")?;
    let mut command = child::cross(cargo);
    command
        .args([
            "build",
            "--release",
            "--target",
            version::WASM_TARGET,
            "-Zbuild-std=std,panic_abort",
        ])
        .arg("--target-dir")
        .arg(package.join("target"))
        .env("RUSTC", &compiler.rustc)
        .env("RUSTC_BOOTSTRAP", "1")
        .current_dir(&package);
    task.run(&mut command, LIMIT)
        .context("the standard library for plugins could not be built")?;

    let sysroot = home.fresh_dir("wasm-sysroot")?;
    let lib = sysroot.join("lib/rustlib").join(version::WASM_TARGET).join("lib");
    fs::create_dir_all(&lib)?;
    let mut copied = 0;
    for file in fs::read_dir(package.join("target").join(version::WASM_TARGET).join("release/deps"))? {
        let file = file?;
        let name = file.file_name();
        let is_library = Path::new(&name)
            .extension()
            .is_some_and(|extension| extension == "rlib");
        if is_library && !name.to_string_lossy().starts_with("libstd_for_plugins") {
            fs::copy(file.path(), lib.join(&name))?;
            copied += 1;
        }
    }
    ensure!(copied > 0, "cargo built no library in {}", package.display());
    publish(&sysroot, &home.wasm_sysroot(&compiler.release))?;
    fs::remove_dir_all(&package)?;
    // Half of what was unpacked, and of no further use.
    let source = home.debian_usr().join("src");
    if compiler.sysroot == home.debian_usr() && source.exists() {
        fs::remove_dir_all(&source)?;
    }
    task.done(&format!("compiled for rustc {}", compiler.release));
    Ok(())
}
