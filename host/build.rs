//! Builds the BPF programs of `host-ebpf`, which the daemon carries inside, and packs what authors of plugins need.
//!
//! They need a compiler with a BPF `core` and `bpf-linker`; `cargo xtask setup` finds or installs both and notes where
//! they are in `toolchain.env`.
use std::collections::HashMap;
use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

#[path = "build/carried.rs"]
mod carried;
#[path = "build/strip.rs"]
mod strip;

const TARGET: &str = "bpfel-unknown-none";

fn main() -> ExitCode {
    build().unwrap_or_else(|error| {
        for line in error.to_string().lines() {
            println!("cargo::error={line}");
        }
        ExitCode::SUCCESS
    })
}

/// Fails if the compiler did: cargo shows what was said on the way only then.
fn build() -> Result<ExitCode, Box<dyn Error>> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo did not set CARGO_MANIFEST_DIR")?);
    let sources = root.with_file_name("host-ebpf");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo did not set OUT_DIR")?);
    carried::write(&out)?;
    let toolchain = toolchain_file()?;
    println!("cargo::rerun-if-changed={}", sources.join("src").display());
    println!("cargo::rerun-if-changed={}", sources.join("Cargo.toml").display());
    println!("cargo::rerun-if-changed={}", toolchain.display());
    println!("cargo::rerun-if-env-changed=VESPID_TOOLCHAIN");
    println!("cargo::rerun-if-env-changed=XDG_CACHE_HOME");

    let tools = Tools::read(&toolchain)?;
    let target_dir = out.join("bpf");
    let status = tools.cargo(&sources, &target_dir)?.status();
    let status =
        status.map_err(|error| format!("cannot run {}: {error}", tools.get("BPF_CARGO").unwrap_or("cargo")))?;
    if !status.success() {
        println!(
            "cargo::error=the BPF programs in {} were not built ({status}); the compiler's messages are below. \
             If it is the tools that fail, `cargo xtask setup` checks them.",
            sources.display()
        );
        return Ok(ExitCode::FAILURE);
    }
    let object = target_dir.join(TARGET).join("release/vespid-programs");
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", object.display());
    let programs = fs::read(&object).map_err(|error| failed(&error))?;
    let programs = strip::debug_information(&programs).map_err(|error| failed(&error))?;
    fs::write(out.join("vespid-programs.o"), programs)?;
    Ok(ExitCode::SUCCESS)
}

/// Where `cargo xtask setup` notes the tools.
fn toolchain_file() -> Result<PathBuf, Box<dyn Error>> {
    let folder = if let Some(folder) = env::var_os("VESPID_TOOLCHAIN") {
        PathBuf::from(folder)
    } else {
        let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let cache = cache.or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".cache")));
        cache
            .ok_or("neither VESPID_TOOLCHAIN nor HOME is set")?
            .join("vespid/toolchain")
    };
    Ok(folder.join("toolchain.env"))
}

/// The tools, as `toolchain.env` names them.
struct Tools(HashMap<String, String>);

impl Tools {
    fn read(file: &Path) -> Result<Tools, Box<dyn Error>> {
        let text = fs::read_to_string(file).map_err(|error| {
            format!(
                "the tools for the BPF programs are not set up ({}: {error}); run `cargo xtask setup`",
                file.display()
            )
        })?;
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        Ok(Tools(
            pairs
                .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
                .collect(),
        ))
    }

    /// A value that is set.
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn need(&self, key: &str) -> Result<&str, String> {
        self.get(key)
            .ok_or_else(|| format!("toolchain.env has no {key}; run `cargo xtask setup`"))
    }

    /// The command that builds the programs. Its target directory is its own: this build holds the lock of the other.
    fn cargo(&self, sources: &Path, target_dir: &Path) -> Result<Command, Box<dyn Error>> {
        let mut cargo = Command::new(self.need("BPF_CARGO")?);
        for (name, _) in env::vars_os().filter(|(name, _)| is_of_outer_build(name)) {
            cargo.env_remove(name);
        }
        cargo
            .args([
                "build",
                "--release",
                "--package",
                "vespid-ebpf",
                "--bin",
                "vespid-programs",
                "--target",
                TARGET,
            ])
            .arg("--target-dir")
            .arg(target_dir)
            .current_dir(sources)
            .env("RUSTC", self.need("BPF_RUSTC")?)
            .env("CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER", self.need("BPF_LINKER")?)
            // bpf-linker links everything into one module and optimises that; rustc must not do it before.
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1")
            .env("CARGO_PROFILE_RELEASE_PANIC", "abort")
            .env("CARGO_ENCODED_RUSTFLAGS", rustflags());
        if let Some(crates) = self.get("BPF_BUILD_STD") {
            cargo.arg(format!("-Zbuild-std={crates}"));
        }
        if self.get("BPF_BOOTSTRAP") == Some("1") {
            cargo.env("RUSTC_BOOTSTRAP", "1");
        }
        Ok(cargo)
    }
}

/// Debug information becomes the object's BTF; the architecture is that of the kernel's registers.
fn rustflags() -> OsString {
    let arch = env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_else(|_| "x86_64".to_owned());
    let bpf_target_arch = format!("bpf_target_arch=\"{arch}\"");
    ["-Cdebuginfo=2", "-Clink-arg=--btf", "--cfg", &bpf_target_arch]
        .join("\x1f")
        .into()
}

/// Whether a variable belongs to the build that runs this script and would mislead the one it starts.
fn is_of_outer_build(name: &std::ffi::OsStr) -> bool {
    const NAMES: [&str; 9] = [
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "RUSTC",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_LINKER",
        "RUSTUP_TOOLCHAIN",
        "TARGET",
        "HOST",
    ];
    const PREFIXES: [&str; 4] = ["CARGO_CFG_", "CARGO_PKG_", "CARGO_FEATURE_", "CARGO_MANIFEST_"];
    name.to_str()
        .is_some_and(|name| NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
}
