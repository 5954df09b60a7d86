//! Builds the daemon, and the plugins as WebAssembly components.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::setup::{self, Toolchain, WASM_TARGET};
use crate::{child, workspace};

/// The cargo profile of everything that runs as a plugin.
const PROFILE: &str = "plugin";

/// Everything: set-up, components, daemon.
pub(crate) fn build_all() -> anyhow::Result<()> {
    build_components(&setup::install()?)?;
    run(cargo().args(["build", "--package", "vespid"]))
}

/// The shipped plugins into `plugins/` below the target folder, the runtime's test guest into `zoo/`.
pub(crate) fn build_components(toolchain: &Toolchain) -> anyhow::Result<()> {
    let plugins = packages(&workspace::root().join("plugins"))?;
    let guests = packages(&workspace::root().join("host/tests/guests"))?;
    let target_dir = workspace::target_dir().join("wasm");

    let mut cargo = child::cross(toolchain.get("WASM_CARGO"));
    cargo
        .args([
            "build",
            "--quiet",
            "--lib",
            "--profile",
            PROFILE,
            "--target",
            WASM_TARGET,
            "--target-dir",
        ])
        .arg(&target_dir)
        .args(
            plugins
                .iter()
                .chain(&guests)
                .flat_map(|package| ["--package", package.as_str()]),
        )
        .env("RUSTC", toolchain.get("WASM_RUSTC"))
        .env(
            "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER",
            toolchain.get("WASM_LINKER"),
        )
        .current_dir(workspace::root());
    let sysroot = toolchain.get("WASM_SYSROOT");
    if !sysroot.is_empty() {
        cargo.env("CARGO_ENCODED_RUSTFLAGS", format!("--sysroot={sysroot}"));
    }
    if toolchain.get("WASM_BOOTSTRAP") == "1" {
        cargo.env("RUSTC_BOOTSTRAP", "1");
    }
    if let Some(path) = search_path_with_wasm_ld(Path::new(toolchain.get("WASM_LINKER"))) {
        cargo.env("PATH", path);
    }
    run(&mut cargo).context("the plugins could not be built")?;

    let built = target_dir.join(WASM_TARGET).join(PROFILE);
    let component = |package: &str| built.join(package.replace('-', "_")).with_extension("wasm");
    for package in &plugins {
        let to = workspace::plugins_dir();
        copy_changed(&component(package), &to.join(package).with_extension("wasm"))?;
        let config = Path::new(package).with_extension("toml");
        let source = workspace::root().join("plugins").join(package).join(&config);
        if source.exists() {
            copy_changed(&source, &to.join(config))?;
        }
    }
    for guest in &guests {
        let to = workspace::target_dir().join(guest).join(guest).with_extension("wasm");
        copy_changed(&component(guest), &to)?;
    }
    Ok(())
}

/// The packages below `folder`, which bear their folders' names.
pub(crate) fn packages(folder: &Path) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    if folder.exists() {
        for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
            let entry = entry?;
            if entry.path().join("Cargo.toml").exists() {
                names.extend(entry.file_name().into_string());
            }
        }
    }
    names.sort();
    Ok(names)
}

/// rustup's `wasm-ld` beside its component linker, for compilers that do not have it themselves.
fn search_path_with_wasm_ld(component_linker: &Path) -> Option<std::ffi::OsString> {
    let folder = component_linker.with_file_name("gcc-ld");
    if !folder.join("wasm-ld").exists() {
        return None;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(std::iter::once(folder).chain(std::env::split_paths(&path))).ok()
}

/// Copies what differs, by renaming, so that a daemon that watches the folder sees neither half a file nor a change
/// that is none.
fn copy_changed(from: &Path, to: &Path) -> anyhow::Result<()> {
    let new = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    if fs::read(to).is_ok_and(|old| old == new) {
        return Ok(());
    }
    let temporary = PathBuf::from(format!("{}.{}.tmp", to.display(), std::process::id()));
    let write = || {
        fs::create_dir_all(to.parent().unwrap_or(to))?;
        fs::write(&temporary, &new)?;
        fs::rename(&temporary, to)
    };
    write().with_context(|| format!("cannot write {}", to.display()))
}

/// The cargo of the work tree, for the host.
pub(crate) fn cargo() -> Command {
    let mut cargo = child::native(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace::root());
    cargo
}

/// Runs `command` with its output going where ours goes.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    if !status.success() {
        bail!("{} failed ({status})", command.get_program().display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unchanged_component_is_left_alone_and_a_changed_one_replaced() {
        let folder = std::env::temp_dir().join(format!("vespid-xtask-copy-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (from, to) = (folder.join("built.wasm"), folder.join("plugins/shipped.wasm"));
        fs::write(&from, "one").unwrap();
        copy_changed(&from, &to).unwrap();
        let written = to.metadata().unwrap().modified().unwrap();
        copy_changed(&from, &to).unwrap();
        assert_eq!(to.metadata().unwrap().modified().unwrap(), written);
        fs::write(&from, "two").unwrap();
        copy_changed(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(&to).unwrap(), "two");
        assert_eq!(
            fs::read_dir(folder.join("plugins")).unwrap().count(),
            1,
            "no temporary file stays"
        );
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn the_shipped_plugins_are_found() {
        let plugins = packages(&workspace::root().join("plugins")).unwrap();
        assert!(
            ["exec-anomaly", "file-audit", "tcp-stats"]
                .iter()
                .all(|name| plugins.iter().any(|found| found == name))
        );
        assert_eq!(packages(Path::new("/no/such/folder")).unwrap(), Vec::<String>::new());
    }
}
