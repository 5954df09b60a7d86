//! C: clang for WebAssembly, and the component linker. No C library: the SDK's C part has what is needed.
use std::path::{Path, PathBuf};

use super::bench::{Bench, BuildError, on_path};
use super::toolchain::{component_linker, home, path_with_wasm_ld};

/// Versions that compile what the SDK needs, the newest first.
const CLANGS: [&str; 11] = [
    "clang", "clang-22", "clang-21", "clang-20", "clang-19", "clang-18", "clang-17", "clang-16", "clang-15",
    "clang-14", "clang-13",
];

const FLAGS: [&str; 8] = [
    "--target=wasm32-unknown-unknown",
    "-std=c11",
    "-ffreestanding",
    "-O3",
    "-mbulk-memory",
    "-Wall",
    "-Wextra",
    "-g0",
];

pub(super) fn build(bench: &Bench<'_>) -> Result<PathBuf, BuildError> {
    let clang = clang()?;
    let linker = component_linker(bench).ok_or_else(|| BuildError::Missing {
        tool: "wasm-component-ld".into(),
        why: "it makes a component of what clang makes, and is neither on the PATH nor in a Rust toolchain".into(),
        remedy: "rustup update (its toolchains bring it), or cargo install wasm-component-ld".into(),
    })?;
    let path = path_with_wasm_ld(&linker);
    if path.is_none() && on_path("wasm-ld").is_none() {
        return Err(BuildError::Missing {
            tool: "wasm-ld".into(),
            why: "the component linker links with it, and it is not on the PATH".into(),
            remedy: "apt install lld (or your distribution's package of LLVM's linker)".into(),
        });
    }
    let sdk = bench
        .folder
        .join(bench.project.sdk.as_deref().unwrap_or(Path::new("sdk")));
    let mut objects = Vec::new();
    for folder in [&sdk, &bench.folder.join("src")] {
        for source in sources(folder)? {
            let name = source.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let place = if folder == &sdk { "sdk" } else { "src" };
            let object = bench.scratch(&format!("c/{place}/{name}.o"))?;
            let mut command = bench.command(&clang);
            command
                .args(FLAGS)
                .arg("-isystem")
                .arg(sdk.join("include"))
                .arg(if place == "sdk" { "-w" } else { "-Wno-unused-parameter" })
                .arg("-I")
                .arg(&sdk)
                .arg("-c")
                .arg(&source)
                .arg("-o")
                .arg(&object);
            bench.step(&format!("compiling {}", source.display()), &mut command)?;
            objects.push(object);
        }
    }
    let component = bench.scratch(&format!("c/{}.wasm", bench.project.name))?;
    let mut command = bench.command(linker);
    command
        .args(["--no-entry", "-o"])
        .arg(&component)
        .args(objects)
        .arg(sdk.join("plugin_component_type.o"));
    if let Some(path) = path {
        command.env("PATH", path);
    }
    bench.step("linking", &mut command)?;
    Ok(component)
}

/// One on the PATH, or the one that `cargo xtask test` has installed.
fn clang() -> Result<PathBuf, BuildError> {
    let set_up = || {
        home()
            .map(|home| home.join("clang/bin/clang"))
            .filter(|clang| clang.is_file())
    };
    CLANGS
        .into_iter()
        .find_map(on_path)
        .or_else(set_up)
        .ok_or_else(|| BuildError::Missing {
            tool: "clang".into(),
            why: "it compiles C for WebAssembly, and is not on the PATH".into(),
            remedy: "apt install clang lld (or your distribution's packages of LLVM)".into(),
        })
}

/// The C files in a folder, in the order of their names.
fn sources(folder: &Path) -> Result<Vec<PathBuf>, BuildError> {
    let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries = entries.map_err(|cause| BuildError::NoSources {
        folder: folder.to_owned(),
        cause,
    })?;
    let mut sources: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    sources.retain(|file| file.extension().is_some_and(|extension| extension == "c"));
    sources.sort();
    Ok(sources)
}
