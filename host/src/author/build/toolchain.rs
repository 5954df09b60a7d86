//! Where the Rust compiler for WebAssembly comes from: rustup's target if it is installed, else what `cargo xtask setup`
//! noted in `toolchain.env`.
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::bench::{Bench, BuildError, on_path};

/// What plugins are compiled for.
pub(super) const TARGET: &str = "wasm32-unknown-unknown";
const LINKER: &str = "wasm-component-ld";

/// Programs and settings that compile Rust for [`TARGET`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Toolchain {
    cargo: PathBuf,
    linker: PathBuf,
    /// For cargo's environment.
    env: Vec<(&'static str, String)>,
}

impl Toolchain {
    /// Finds one.
    ///
    /// # Errors
    /// The first tool that is missing, with the command that installs it.
    pub(super) fn find(bench: &Bench<'_>) -> Result<Toolchain, BuildError> {
        match Toolchain::installed(bench) {
            Ok(toolchain) => Ok(toolchain),
            Err(missing) => Toolchain::set_up().ok_or(missing),
        }
    }

    /// A command of cargo's, for the project.
    pub(super) fn cargo(&self, bench: &Bench<'_>) -> Command {
        let mut cargo = bench.command(&self.cargo);
        cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", &self.linker);
        cargo.envs(self.env.iter().map(|(name, value)| (*name, value)));
        if let Some(path) = path_with_wasm_ld(&self.linker) {
            cargo.env("PATH", path);
        }
        cargo
    }

    /// The compiler that the project would get anyway, if it has the target.
    fn installed(bench: &Bench<'_>) -> Result<Toolchain, BuildError> {
        let rustup = "https://rustup.rs has the one command";
        let cargo = bench.tool("cargo", "it builds Rust", rustup)?;
        bench.tool("rustc", "it compiles Rust", rustup)?;
        let (Some(sysroot), Some(host)) = (
            answer(bench, &["--print", "sysroot"]),
            answer(bench, &["--print", "host-tuple"]),
        ) else {
            return Err(BuildError::Missing {
                tool: "rustc".into(),
                why: "`rustc --print sysroot` fails, so there is a compiler but no toolchain for this folder".into(),
                remedy: "rustup default stable".into(),
            });
        };
        let targets = Path::new(&sysroot).join("lib/rustlib");
        if !targets.join(TARGET).join("lib").is_dir() {
            let remedy = if on_path("rustup").is_some() {
                format!("rustup target add {TARGET}")
            } else {
                format!(
                    "rustup target add {TARGET} (with the Rust of https://rustup.rs; a distribution's has the target in \
                     a package of its own, such as Debian's libstd-rust-dev-wasm)"
                )
            };
            return Err(BuildError::Missing {
                tool: TARGET.into(),
                why: format!(
                    "plugins are compiled for this target, and the compiler in {sysroot} has no library for it"
                ),
                remedy,
            });
        }
        let linker = linker_in(&targets.join(host)).ok_or_else(|| BuildError::Missing {
            tool: LINKER.into(),
            why: format!(
                "it makes a component of what the compiler makes, and is neither in {} nor on the PATH",
                targets.display()
            ),
            remedy: format!("rustup update (its toolchains bring it), or cargo install {LINKER}"),
        })?;
        Ok(Toolchain {
            cargo,
            linker,
            env: Vec::new(),
        })
    }

    /// What `cargo xtask setup` found or installed.
    fn set_up() -> Option<Toolchain> {
        Toolchain::noted(&std::fs::read_to_string(home()?.join("toolchain.env")).ok()?)
    }

    fn noted(text: &str) -> Option<Toolchain> {
        let noted: HashMap<_, _> = text.lines().filter_map(|line| line.split_once('=')).collect();
        let get = |key| noted.get(key).copied().filter(|value| !value.is_empty());
        let mut env = vec![("RUSTC", get("WASM_RUSTC")?.to_owned())];
        if let Some(sysroot) = get("WASM_SYSROOT") {
            env.push(("CARGO_ENCODED_RUSTFLAGS", format!("--sysroot={sysroot}")));
        }
        if get("WASM_BOOTSTRAP") == Some("1") {
            env.push(("RUSTC_BOOTSTRAP", "1".to_owned()));
        }
        let toolchain = Toolchain {
            cargo: get("WASM_CARGO")?.into(),
            linker: get("WASM_LINKER")?.into(),
            env,
        };
        (toolchain.cargo.is_file() && toolchain.linker.is_file()).then_some(toolchain)
    }
}

/// Where `cargo xtask setup` installs.
pub(super) fn home() -> Option<PathBuf> {
    let set = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    set("VESPID_TOOLCHAIN")
        .or_else(|| Some(set("XDG_CACHE_HOME")?.join("vespid/toolchain")))
        .or_else(|| Some(set("HOME")?.join(".cache/vespid/toolchain")))
}

/// The component linker for compilers that are not Rust's: rustc's if there is one, one on the PATH, or what
/// `cargo xtask setup` noted.
pub(super) fn component_linker(bench: &Bench<'_>) -> Option<PathBuf> {
    let sysroot = answer(bench, &["--print", "sysroot"]);
    let host = answer(bench, &["--print", "host-tuple"]);
    let rusts = sysroot
        .zip(host)
        .and_then(|(sysroot, host)| linker_in(&Path::new(&sysroot).join("lib/rustlib").join(host)));
    rusts
        .or_else(|| on_path(LINKER))
        .or_else(|| Some(Toolchain::set_up()?.linker))
}

fn linker_in(target: &Path) -> Option<PathBuf> {
    let own = target.join("bin").join(LINKER);
    if own.is_file() { Some(own) } else { on_path(LINKER) }
}

/// What the project's compiler says about itself.
fn answer(bench: &Bench<'_>, question: &[&str]) -> Option<String> {
    let output = bench.command("rustc").args(question).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// rustup's `wasm-ld` beside its component linker, for compilers that do not have it themselves.
pub(super) fn path_with_wasm_ld(linker: &Path) -> Option<std::ffi::OsString> {
    let folder = linker.with_file_name("gcc-ld");
    if !folder.join("wasm-ld").exists() {
        return None;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(std::iter::once(folder).chain(std::env::split_paths(&path))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_toolchain_that_was_noted_counts_only_while_it_is_there() {
        let note = |cargo: &str| {
            format!(
                "# Written by `cargo xtask setup`.\nWASM_CARGO={cargo}\nWASM_RUSTC=/t/rustc\nWASM_SYSROOT=/t/std\n\
                 WASM_LINKER={cargo}\nWASM_BOOTSTRAP=\n"
            )
        };
        let here = std::env::current_exe().expect("a program");
        let found = Toolchain::noted(&note(&here.display().to_string())).expect("a toolchain");
        assert_eq!(
            found.env,
            [
                ("RUSTC", "/t/rustc".to_owned()),
                ("CARGO_ENCODED_RUSTFLAGS", "--sysroot=/t/std".to_owned())
            ]
        );
        assert_eq!(Toolchain::noted(&note("/no/such/cargo")), None);
        assert_eq!(Toolchain::noted("WASM_CARGO=\n"), None);
    }
}
