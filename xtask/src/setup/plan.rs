//! What to do about what is missing: a pure function of the machine, so that machines unlike this one can be tested.
//!
//! After each step the machine is looked at again and the plan made anew. A step that could not deliver, like rustup
//! without a network, thereby only changes the facts.

use super::machine::{Compiler, Machine};
use super::version;

/// One thing to install.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Compile bpf-linker against the LLVM of this compiler. Needs nothing that the other steps bring, and so runs
    /// beside them, unless its LLVM is one of them.
    BpfLinker(Compiler),
    /// Add to the toolchain that is in use what rustup has for it.
    Rustup {
        toolchain: String,
        rust_src: bool,
        wasm_target: bool,
    },
    /// Download Debian's compiler, which has a compiled BPF core, and unpack it: no root, nothing outside our folder.
    Debian { std_source: bool },
    /// Compile the standard library for WebAssembly with this compiler.
    WasmStd(Compiler),
}

/// What only the user can provide, in whole sentences.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Missing(pub(crate) Vec<String>);

/// The steps that complete `machine`, in order; none when nothing is missing.
///
/// # Errors
/// Neither rustup nor the distribution has what is missing.
pub(crate) fn plan(machine: &Machine) -> Result<Vec<Step>, Missing> {
    let mut steps = Vec::new();
    let mut missing = Vec::new();
    let no_bpf = machine.bpf_compiler().is_none();
    let no_wasm = machine.wasm_compiler().is_none();

    let linker_llvm = linker_llvm(machine);
    let linker_works = match (machine.bpf_linker, machine.bpf_compiler()) {
        (Some(linker), Some(compiler)) => linker >= compiler.llvm,
        (Some(_), None) => true,
        (None, _) => false,
    };
    if !linker_works && let Some(compiler) = linker_llvm {
        steps.push(Step::BpfLinker(compiler.clone()));
    }
    if let Some(toolchain) = machine.rustup_toolchain.clone().filter(|_| no_bpf || no_wasm) {
        steps.push(Step::Rustup {
            toolchain,
            rust_src: no_bpf,
            wasm_target: no_wasm,
        });
    } else {
        let source = machine
            .compilers
            .iter()
            .find(|compiler| compiler.std_source && compiler.is_recent());
        let debian = no_bpf || (no_wasm && source.is_none());
        if debian && machine.apt {
            steps.push(Step::Debian { std_source: no_wasm });
        } else if debian {
            if no_bpf {
                missing.push(format!(
                    "a compiler for BPF: `rustup component add rust-src` where rustup can download, or a rustc of at least \
                     {} with the core library for bpfel-unknown-none, such as Debian's packages rustc-web and \
                     libstd-rust-web-dev-bpf",
                    env!("CARGO_PKG_RUST_VERSION"),
                ));
            }
            if no_wasm {
                missing.push(format!(
                    "the standard library for {0}: `rustup target add {0}` where rustup can download, or Debian's packages \
                     rustc-web and rust-web-src",
                    version::WASM_TARGET
                ));
            }
        } else if let Some(source) = source.filter(|_| no_wasm) {
            steps.push(Step::WasmStd(source.clone()));
        }
    }
    let brings_llvm = |step: &Step| matches!(step, Step::Rustup { .. } | Step::Debian { .. });
    if !linker_works && linker_llvm.is_none() && !steps.iter().any(brings_llvm) && missing.is_empty() {
        missing.push(format!(
            "LLVM {:?} as a shared library, which bpf-linker {} is built on",
            version::BPF_LINKER_LLVMS,
            version::BPF_LINKER
        ));
    }
    if machine.component_linker.is_none() {
        missing.push(
            "wasm-component-ld, which rustup's toolchains contain: `cargo install --locked wasm-component-ld`, and \
             wasm-ld from your distribution's lld"
                .to_owned(),
        );
    }
    if missing.is_empty() {
        Ok(steps)
    } else {
        Err(Missing(missing))
    }
}

/// The compiler whose LLVM bpf-linker is to use: the linker must be able to read what the BPF compiler writes.
fn linker_llvm(machine: &Machine) -> Option<&Compiler> {
    let needed = machine
        .bpf_compiler()
        .map_or(version::DEBIAN_LLVM, |compiler| compiler.llvm);
    machine.compilers.iter().find(|compiler| {
        compiler.llvm >= needed && version::BPF_LINKER_LLVMS.contains(&compiler.llvm) && compiler.libllvm.is_some()
    })
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
