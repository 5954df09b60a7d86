//! The folder outside the work tree where set-up installs: what is where in it, and how it stays whole.
//!
//! Invariant: a path that this type names is complete if it exists. Everything is made below `tmp/` and renamed; so
//! an interruption at any point leaves what the next call completes.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::version;

/// The root of what set-up installs.
#[derive(Debug, Clone)]
pub(crate) struct Home(PathBuf);

impl Home {
    /// `$VESPID_TOOLCHAIN`, or a folder in the user's cache.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let set = |name: &str| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let path = set("VESPID_TOOLCHAIN")
            .or_else(|| Some(set("XDG_CACHE_HOME")?.join("vespid/toolchain")))
            .or_else(|| Some(set("HOME")?.join(".cache/vespid/toolchain")))
            .context("neither VESPID_TOOLCHAIN, XDG_CACHE_HOME nor HOME is set: where should the toolchain go?")?;
        Ok(Self(std::path::absolute(path)?))
    }

    #[cfg(test)]
    pub(crate) fn at(path: &Path) -> Self {
        Self(path.to_path_buf())
    }

    /// The folder itself.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// What build scripts read.
    pub(crate) fn env_file(&self) -> PathBuf {
        self.0.join("toolchain.env")
    }

    /// The full output of what was installed.
    pub(crate) fn logs(&self) -> PathBuf {
        self.0.join("log")
    }

    /// LLVM's shared library, kept here so that an update of the compiler does not take it from bpf-linker.
    pub(crate) fn llvm(&self, llvm: u32) -> PathBuf {
        self.0.join(format!("llvm-{llvm}"))
    }

    /// The root folder of bpf-linker's installation.
    pub(crate) fn bpf_linker_root(&self, llvm: u32) -> PathBuf {
        self.0.join(format!("bpf-linker-{}-llvm-{llvm}", version::BPF_LINKER))
    }

    /// The program.
    pub(crate) fn bpf_linker(&self, llvm: u32) -> PathBuf {
        self.bpf_linker_root(llvm).join("bin/bpf-linker")
    }

    /// Where Debian's compiler is unpacked.
    pub(crate) fn debian(&self) -> PathBuf {
        self.0.join("debian")
    }

    /// The `/usr` of what is unpacked.
    pub(crate) fn debian_usr(&self) -> PathBuf {
        self.debian().join("usr")
    }

    /// The script that starts Debian's compiler with its libraries.
    pub(crate) fn debian_rustc(&self) -> PathBuf {
        self.debian().join("bin/rustc")
    }

    /// The standard library for WebAssembly, built for the compiler of this release.
    pub(crate) fn wasm_sysroot(&self, release: &str) -> PathBuf {
        self.0.join(format!("wasm-std-{release}"))
    }

    /// Prometheus' own checker, unpacked.
    pub(crate) fn prometheus(&self) -> PathBuf {
        self.0.join("prometheus")
    }

    /// A kernel for virtual machines, unpacked.
    pub(crate) fn kernel(&self, series: &str) -> PathBuf {
        self.0.join(format!("linux-{series}"))
    }

    /// containerd with runc and busybox, unpacked.
    pub(crate) fn containerd(&self) -> PathBuf {
        self.0.join("containerd")
    }

    /// qemu with the libraries that the system lacks, unpacked.
    pub(crate) fn qemu(&self) -> PathBuf {
        self.0.join("qemu")
    }

    /// libbpf's tools, unpacked.
    pub(crate) fn snoops(&self) -> PathBuf {
        self.0.join("libbpf-tools")
    }

    /// clang, unpacked. `vespid plugin build` looks for it here.
    pub(crate) fn clang(&self) -> PathBuf {
        self.0.join("clang")
    }

    /// componentize-py. `vespid plugin build` looks for it here.
    pub(crate) fn componentize_py(&self) -> PathBuf {
        self.0.join("python")
    }

    /// componentize-js. `vespid plugin build` looks for it here.
    pub(crate) fn componentize_js(&self) -> PathBuf {
        self.0.join("javascript")
    }

    /// Python with the parser of OpenMetrics and the readers of tables.
    pub(crate) fn python(&self) -> PathBuf {
        let versions = [version::PROMETHEUS_CLIENT, version::DUCKDB, version::POLARS].join("-");
        self.0.join(format!("python-{versions}"))
    }

    /// The root folder of cargo-deny's installation.
    pub(crate) fn cargo_deny(&self) -> PathBuf {
        self.0.join(format!("cargo-deny-{}", version::CARGO_DENY))
    }

    /// A build folder that outlives an interruption, so that the next call goes on in it.
    pub(crate) fn build_dir(&self, name: &str) -> PathBuf {
        self.0.join("tmp").join(name)
    }

    /// An empty folder for what will be renamed into its place. The caller holds the lock.
    pub(crate) fn fresh_dir(&self, name: &str) -> anyhow::Result<PathBuf> {
        let parent = self.0.join("tmp");
        fs::create_dir_all(&parent).with_context(|| format!("cannot create {}", parent.display()))?;
        let ours = |entry: &fs::DirEntry| {
            entry
                .file_name()
                .to_str()
                .is_some_and(|found| found.starts_with(&format!("{name}.")))
        };
        for stale in fs::read_dir(&parent)?.flatten().filter(ours) {
            // What an interrupted set-up started may still write there; then the next call removes it.
            drop(fs::remove_dir_all(stale.path()));
        }
        let mut attempt = 0;
        loop {
            let path = parent.join(format!("{name}.{attempt}"));
            match fs::create_dir(&path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => attempt += 1,
                made => {
                    return made
                        .map(|()| path)
                        .with_context(|| format!("cannot create a folder in {}", parent.display()));
                }
            }
        }
    }

    /// Waits until no other set-up works in this folder; the lock ends with the file, or with the process.
    pub(crate) fn lock(&self) -> anyhow::Result<File> {
        fs::create_dir_all(&self.0).with_context(|| format!("cannot create {}", self.0.display()))?;
        let path = self.0.join("lock");
        let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
        if file.try_lock().is_err() {
            eprintln!("waiting for another set-up to finish");
            file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
        }
        Ok(file)
    }
}

/// Moves what is complete into its place.
pub(crate) fn publish(from: &Path, to: &Path) -> anyhow::Result<()> {
    if to.exists() {
        fs::remove_dir_all(to).with_context(|| format!("cannot remove {}", to.display()))?;
    }
    fs::rename(from, to).with_context(|| format!("cannot rename {} to {}", from.display(), to.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_interrupted_set_up_left_is_neither_used_nor_kept() {
        let root = std::env::temp_dir().join(format!("vespid-xtask-home-{}", std::process::id()));
        let home = Home::at(&root);
        let first = home.fresh_dir("debian").unwrap();
        fs::write(first.join("half"), "").unwrap();
        let second = home.fresh_dir("debian").unwrap();
        assert_eq!(fs::read_dir(&second).unwrap().count(), 0);
        assert_eq!(fs::read_dir(root.join("tmp")).unwrap().count(), 1);

        fs::create_dir(root.join("placed")).unwrap();
        fs::write(second.join("new"), "").unwrap();
        publish(&second, &root.join("placed")).unwrap();
        assert!(root.join("placed/new").exists(), "what was there before is replaced");
        fs::remove_dir_all(&root).unwrap();
    }
}
