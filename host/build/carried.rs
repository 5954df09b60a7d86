//! What the program carries for authors of plugins: the SDK's sources, the interface, and the templates of projects.
use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Files and folders of the work tree. Of a package, its manifest and its sources: tests of its own may need more.
const CARRIED: [&str; 10] = [
    "Cargo.lock",
    "Cargo.toml",
    "cases/Cargo.toml",
    "cases/src",
    "fixtures/web-shell.jsonl.zst",
    "host/templates",
    "sdk/Cargo.toml",
    "sdk/c",
    "sdk/src",
    "wit",
];

/// Writes `carried.rs`: an array of paths and contents, sorted by path.
pub(crate) fn write(out: &Path) -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo did not set CARGO_MANIFEST_DIR")?);
    let root = root.parent().ok_or("the package has no work tree around it")?;
    let mut files = Vec::new();
    for carried in CARRIED.map(|path| root.join(path)) {
        if carried.exists() {
            println!("cargo::rerun-if-changed={}", carried.display());
            collect(&carried, &mut files)?;
        }
    }
    files.sort();
    let mut text = String::from("&[\n");
    for file in files {
        let path = file.strip_prefix(root)?.to_str().ok_or("a path is not UTF-8")?;
        let file = file.to_str().ok_or("a path is not UTF-8")?;
        writeln!(text, "    ({path:?}, include_bytes!({file:?})),")?;
    }
    text.push_str("]\n");
    fs::write(out.join("carried.rs"), text)?;
    Ok(())
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        collect(&entry?.path(), files)?;
    }
    Ok(())
}
