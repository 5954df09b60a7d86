//! bpf-linker, compiled against the LLVM that a compiler brings as a shared library.
//!
//! rustup's compilers ship theirs, and it has the BPF backend: so neither LLVM's development packages nor a download
//! of LLVM is needed, and the linker reads exactly what the compiler writes.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use super::home::{Home, publish};
use super::machine::Compiler;
use super::version;
use crate::child;
use crate::progress::{Progress, Task};

/// Generous: an hour on a machine where two cores take one minute.
const LIMIT: Duration = Duration::from_secs(3600);

/// Installs bpf-linker on the LLVM of `compiler`.
pub(crate) fn install(compiler: &Compiler, cargo: &Path, home: &Home, progress: &Progress) -> anyhow::Result<()> {
    let task = progress.task("bpf-linker");
    let llvm = home.llvm(compiler.llvm);
    if !llvm.exists() {
        keep_llvm(compiler, &llvm, home)?;
    }
    let feature = format!("llvm-{}", compiler.llvm);
    let args = [
        "bpf-linker",
        "--version",
        version::BPF_LINKER,
        "--no-default-features",
        "--features",
        &feature,
    ];
    let environment = [("LLVM_PREFIX", llvm.as_path())];
    cargo_install(
        &task,
        cargo,
        &args,
        &environment,
        home,
        &home.bpf_linker_root(compiler.llvm),
    )
    .context("bpf-linker could not be installed")?;
    task.done(&format!("{} on LLVM {}", version::BPF_LINKER, compiler.llvm));
    Ok(())
}

/// Puts the shared library where the linker will look for it, as a hard link where that is possible.
fn keep_llvm(compiler: &Compiler, to: &Path, home: &Home) -> anyhow::Result<()> {
    let library = compiler
        .libllvm
        .as_deref()
        .context("the compiler has no LLVM of its own")?;
    let library = library.canonicalize()?;
    let name = library.file_name().context("LLVM's library has no name")?;
    let temporary = home.fresh_dir("llvm")?;
    let lib = temporary.join("lib");
    fs::create_dir(&lib)?;
    if fs::hard_link(&library, lib.join(name)).is_err() {
        fs::copy(&library, lib.join(name)).with_context(|| format!("cannot copy {}", library.display()))?;
    }
    std::os::unix::fs::symlink(name, lib.join("libLLVM.so"))?;
    publish(&temporary, to)
}

/// `cargo install` of a tool into the folder `to`. Compiled for a short wait, not for speed: what these tools spend is in
/// LLVM or in reading files.
pub(crate) fn cargo_install(
    task: &Task<'_>,
    cargo: &Path,
    args: &[&str],
    environment: &[(&str, &Path)],
    home: &Home,
    to: &Path,
) -> anyhow::Result<()> {
    let name = to.file_name().and_then(|name| name.to_str()).unwrap_or("tool");
    let temporary = home.fresh_dir(&format!("{name}-root"))?;
    let build_dir = home.build_dir(&format!("{name}-build"));
    let mut command = child::cross(cargo);
    command
        .args(["install", "--locked"])
        .args(args)
        .arg("--root")
        .arg(&temporary)
        .arg("--target-dir")
        .arg(&build_dir)
        .envs([
            ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
            ("CARGO_PROFILE_RELEASE_DEBUG", "false"),
            ("CARGO_PROFILE_RELEASE_LTO", "off"),
            ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0"),
        ])
        .envs(environment.iter().copied())
        .current_dir(&temporary);
    let rustc = cargo.with_file_name("rustc");
    if rustc.exists() {
        command.env("RUSTC", rustc);
    }
    task.run(&mut command, LIMIT)?;
    publish(&temporary, to)?;
    fs::remove_dir_all(&build_dir).with_context(|| format!("cannot remove {}", build_dir.display()))
}
