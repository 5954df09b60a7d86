//! What this machine has: found by looking at files and asking each compiler for its version, never by changing
//! anything.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::home::Home;
use super::version;

/// The facts that a plan is made of.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    /// Candidates to compile for other targets, the best first. The first is the one that compiles the daemon.
    pub(crate) compilers: Vec<Compiler>,
    /// The cargo that runs this program.
    pub(crate) cargo: PathBuf,
    /// LLVM's major version of the bpf-linker that is installed, or being installed.
    pub(crate) bpf_linker: Option<u32>,
    /// `wasm-component-ld`.
    pub(crate) component_linker: Option<PathBuf>,
    /// The toolchain that rustup could add something to, unless it failed to just now.
    pub(crate) rustup_toolchain: Option<String>,
    /// Whether Debian's packages can be downloaded.
    pub(crate) apt: bool,
}

/// A rustc and what lies beside it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Compiler {
    pub(crate) rustc: PathBuf,
    pub(crate) sysroot: PathBuf,
    /// Like `1.96.0`.
    pub(crate) release: String,
    /// The major version of its LLVM.
    pub(crate) llvm: u32,
    /// The shared library of that LLVM.
    pub(crate) libllvm: Option<PathBuf>,
    /// Whether it brings a compiled `core` for BPF.
    pub(crate) bpf_core: bool,
    /// Whether it brings the standard library's source.
    pub(crate) std_source: bool,
    /// The sysroot with a standard library for WebAssembly: its own, or the one built by a former set-up.
    pub(crate) wasm_sysroot: Option<PathBuf>,
}

impl Machine {
    /// Looks at the machine, and at what former set-ups left in `home`.
    pub(crate) fn look(home: &Home) -> Self {
        let cargo = std::env::var_os("CARGO").map_or_else(|| on_path("cargo").unwrap_or_default(), PathBuf::from);
        let active = cargo.with_file_name("rustc");
        let active = if active.exists() {
            Some(active)
        } else {
            on_path("rustc")
        };
        let mut rustcs: Vec<PathBuf> = active.into_iter().collect();
        rustcs.extend([PathBuf::from("/usr/bin/rustc"), home.debian_rustc()]);
        rustcs.dedup();

        let compilers: Vec<_> = std::thread::scope(|scope| {
            let asked: Vec<_> = rustcs
                .iter()
                .map(|rustc| scope.spawn(|| Compiler::ask(rustc, home)))
                .collect();
            asked
                .into_iter()
                .filter_map(|asked| asked.join().ok().flatten())
                .collect()
        });
        let component_linker = compilers.first().and_then(Compiler::component_linker);
        Self {
            component_linker: component_linker.or_else(|| on_path("wasm-component-ld")),
            bpf_linker: version::BPF_LINKER_LLVMS
                .into_iter()
                .rev()
                .find(|llvm| home.bpf_linker(*llvm).exists()),
            rustup_toolchain: compilers.first().and_then(|active| rustup_toolchain(&active.sysroot)),
            apt: on_path("apt-get").is_some() && on_path("dpkg-deb").is_some(),
            compilers,
            cargo,
        }
    }

    /// The compiler for BPF: one that brings a compiled `core` saves half a minute in each fresh work tree.
    pub(crate) fn bpf_compiler(&self) -> Option<&Compiler> {
        let fit = || self.compilers.iter().filter(|compiler| compiler.is_recent());
        fit()
            .find(|compiler| compiler.bpf_core)
            .or_else(|| fit().find(|compiler| compiler.std_source))
    }

    /// The compiler for plugins.
    pub(crate) fn wasm_compiler(&self) -> Option<&Compiler> {
        self.compilers
            .iter()
            .find(|compiler| compiler.is_recent() && compiler.wasm_sysroot.is_some())
    }
}

impl Compiler {
    fn ask(rustc: &Path, home: &Home) -> Option<Self> {
        let real = if rustc == home.debian_rustc() {
            home.debian_usr().join("bin/rustc")
        } else {
            rustc.canonicalize().ok()?
        };
        let output = Command::new(rustc)
            .arg("-vV")
            .output()
            .ok()
            .filter(|output| output.status.success())?;
        let (release, llvm) = parse_version(std::str::from_utf8(&output.stdout).ok()?)?;
        let sysroot = real.parent()?.parent()?.to_path_buf();
        let has = |target: &str, library: &str| {
            let folder = sysroot.join("lib/rustlib").join(target).join("lib");
            first_file(&folder, |name| name.starts_with(library) && name.ends_with(".rlib")).is_some()
        };
        let private = home.wasm_sysroot(&release);
        Some(Self {
            bpf_core: has("bpfel-unknown-none", "libcore-"),
            std_source: sysroot.join("lib/rustlib/src/rust/library/std/Cargo.toml").exists(),
            wasm_sysroot: if has(version::WASM_TARGET, "libstd-") {
                Some(sysroot.clone())
            } else {
                private.exists().then_some(private)
            },
            libllvm: find_libllvm(&sysroot.join("lib"), llvm),
            rustc: rustc.to_path_buf(),
            sysroot,
            release,
            llvm,
        })
    }

    /// Whether it is recent enough for our code.
    pub(crate) fn is_recent(&self) -> bool {
        release_numbers(&self.release) >= release_numbers(env!("CARGO_PKG_RUST_VERSION"))
    }

    fn component_linker(&self) -> Option<PathBuf> {
        let targets = std::fs::read_dir(self.sysroot.join("lib/rustlib")).ok()?;
        targets
            .flatten()
            .map(|target| target.path().join("bin/wasm-component-ld"))
            .find(|linker| linker.exists())
    }
}

/// The name of the toolchain below rustup's home that `sysroot` is, where rustup itself is at hand.
fn rustup_toolchain(sysroot: &Path) -> Option<String> {
    on_path("rustup")?;
    let parent = sysroot.parent()?.file_name()?;
    (parent == "toolchains").then(|| sysroot.file_name()?.to_str().map(str::to_owned))?
}

fn parse_version(text: &str) -> Option<(String, u32)> {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
    let llvm = field("LLVM version: ")?.split('.').next()?.parse().ok()?;
    Some((field("release: ")?.to_owned(), llvm))
}

fn release_numbers(release: &str) -> Vec<u32> {
    release.split(['.', '-']).map_while(|part| part.parse().ok()).collect()
}

/// `libLLVM.so.22.1…` in `lib` or, as Debian has it, in a folder named after the machine's architecture.
fn find_libllvm(lib: &Path, llvm: u32) -> Option<PathBuf> {
    let prefix = format!("libLLVM.so.{llvm}.");
    let in_folder = |folder: &Path| first_file(folder, |name| name.starts_with(&prefix));
    in_folder(lib).or_else(|| {
        let triplet = format!("{}-linux-gnu", std::env::consts::ARCH);
        in_folder(&lib.join(triplet))
    })
}

fn first_file(folder: &Path, wanted: impl Fn(&str) -> bool) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?;
    entries
        .flatten()
        .find(|entry| entry.file_name().to_str().is_some_and(&wanted))
        .map(|entry| entry.path())
}

/// The first executable of this name on the search path.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join(program))
        .find(|file| {
            file.metadata()
                .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compilers_version_is_read_from_its_own_words() {
        let text = "rustc 1.97.0-nightly (abc 2026-05-01)\nrelease: 1.97.0-nightly\nLLVM version: 22.1.4\n";
        assert_eq!(parse_version(text), Some(("1.97.0-nightly".into(), 22)));
        assert_eq!(parse_version("rustc 1.97.0\n"), None);
    }

    #[test]
    fn releases_compare_as_numbers() {
        assert!(release_numbers("1.100.0") > release_numbers("1.95"));
        assert!(release_numbers("1.97.0-nightly") > release_numbers("1.95.1"));
        assert!(release_numbers("1.85.0") < release_numbers("1.95"));
    }
}
