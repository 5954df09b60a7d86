//! `toolchain.env`: where the cross toolchains are, for build scripts and for people, as `KEY=VALUE` lines.

use std::fs;
use std::path::Path;

use anyhow::Context as _;

use super::home::Home;
use super::machine::Machine;

/// The compilers and linkers for what does not run on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Toolchain(Vec<(&'static str, String)>);

impl Toolchain {
    /// What a complete machine has; `None` while something is missing.
    pub(crate) fn of(machine: &Machine, home: &Home) -> Option<Self> {
        let text = |path: &Path| path.to_str().map(str::to_owned);
        let cargo = text(&machine.cargo)?;
        let bpf = machine.bpf_compiler()?;
        let wasm = machine.wasm_compiler()?;
        let sysroot = wasm.wasm_sysroot.as_deref().filter(|sysroot| *sysroot != wasm.sysroot);
        Some(Self(vec![
            ("BPF_CARGO", cargo.clone()),
            ("BPF_RUSTC", text(&bpf.rustc)?),
            ("BPF_LINKER", text(&home.bpf_linker(machine.bpf_linker?))?),
            (
                "BPF_BUILD_STD",
                if bpf.bpf_core { String::new() } else { "core".into() },
            ),
            // Inline assembly for BPF, which aya-ebpf uses, is unstable.
            ("BPF_BOOTSTRAP", "1".into()),
            ("WASM_CARGO", cargo),
            ("WASM_RUSTC", text(&wasm.rustc)?),
            ("WASM_SYSROOT", sysroot.map_or(Some(String::new()), text)?),
            ("WASM_LINKER", text(machine.component_linker.as_deref()?)?),
            ("WASM_BOOTSTRAP", String::new()),
        ]))
    }

    /// The value of `key`; empty when there is none.
    pub(crate) fn get(&self, key: &str) -> &str {
        self.0
            .iter()
            .find(|(name, _)| *name == key)
            .map_or("", |(_, value)| value)
    }

    /// Writes the file, unless it says just this: a build script that watches it is not run again for nothing.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let text = self.to_string();
        if fs::read_to_string(path).is_ok_and(|old| old == text) {
            return Ok(());
        }
        let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
        let write = || {
            fs::create_dir_all(path.parent().unwrap_or(path))?;
            fs::write(&temporary, &text)?;
            fs::rename(&temporary, path)
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }
}

impl std::fmt::Display for Toolchain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("# Written by `cargo xtask setup`.\n")?;
        self.0.iter().try_for_each(|(key, value)| writeln!(f, "{key}={value}"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::machine::Compiler;
    use super::*;

    fn machine(bpf_core: bool, wasm_sysroot: &str) -> Machine {
        let compiler = Compiler {
            rustc: "/t/bin/rustc".into(),
            sysroot: "/t".into(),
            release: "1.96.0".into(),
            llvm: 22,
            bpf_core,
            std_source: true,
            wasm_sysroot: Some(wasm_sysroot.into()),
            ..Compiler::default()
        };
        Machine {
            compilers: vec![compiler],
            cargo: "/t/bin/cargo".into(),
            bpf_linker: Some(22),
            component_linker: Some("/t/bin/wasm-component-ld".into()),
            rustup_toolchain: None,
            apt: false,
        }
    }

    #[test]
    fn a_compiled_core_and_a_private_sysroot_are_named() {
        let home = Home::at(Path::new("/cache"));
        let toolchain = Toolchain::of(&machine(true, "/cache/wasm-std-1.96.0"), &home).unwrap();
        assert_eq!(
            toolchain.to_string(),
            "# Written by `cargo xtask setup`.\n\
             BPF_CARGO=/t/bin/cargo\n\
             BPF_RUSTC=/t/bin/rustc\n\
             BPF_LINKER=/cache/bpf-linker-0.13.0-llvm-22/bin/bpf-linker\n\
             BPF_BUILD_STD=\n\
             BPF_BOOTSTRAP=1\n\
             WASM_CARGO=/t/bin/cargo\n\
             WASM_RUSTC=/t/bin/rustc\n\
             WASM_SYSROOT=/cache/wasm-std-1.96.0\n\
             WASM_LINKER=/t/bin/wasm-component-ld\n\
             WASM_BOOTSTRAP=\n"
        );
    }

    #[test]
    fn the_compilers_own_sysroot_needs_no_name_and_a_core_as_source_is_built() {
        let toolchain = Toolchain::of(&machine(false, "/t"), &Home::at(Path::new("/cache"))).unwrap();
        assert_eq!(toolchain.get("WASM_SYSROOT"), "");
        assert_eq!(toolchain.get("BPF_BUILD_STD"), "core");
        assert_eq!(toolchain.get("NO_SUCH_KEY"), "");
    }

    #[test]
    fn an_incomplete_machine_has_no_toolchain() {
        let home = Home::at(Path::new("/cache"));
        assert_eq!(
            Toolchain::of(
                &Machine {
                    bpf_linker: None,
                    ..machine(true, "/t")
                },
                &home
            ),
            None
        );
    }

    #[test]
    fn writing_the_same_again_leaves_the_file_alone() {
        let folder = std::env::temp_dir().join(format!("vespid-xtask-env-{}", std::process::id()));
        let path = folder.join("toolchain.env");
        let toolchain = Toolchain::of(&machine(true, "/t"), &Home::at(Path::new("/cache"))).unwrap();
        toolchain.write(&path).unwrap();
        let written = path.metadata().unwrap().modified().unwrap();
        toolchain.write(&path).unwrap();
        assert_eq!(path.metadata().unwrap().modified().unwrap(), written);
        assert_eq!(fs::read_to_string(&path).unwrap(), toolchain.to_string());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "no temporary file stays");
        fs::remove_dir_all(&folder).unwrap();
    }
}
