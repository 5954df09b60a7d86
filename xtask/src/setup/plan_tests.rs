//! Machines, and what is to be done on each.

use super::*;

const TOOLCHAIN: &str = "stable-x86_64-unknown-linux-gnu";

/// rustup's stable toolchain as it comes, with rustup itself and apt at hand.
fn fresh() -> Machine {
    Machine {
        compilers: vec![rustups()],
        cargo: "/home/u/.cargo/bin/cargo".into(),
        bpf_linker: None,
        component_linker: Some("/rustup/bin/wasm-component-ld".into()),
        rustup_toolchain: Some(TOOLCHAIN.into()),
        apt: true,
    }
}

fn rustups() -> Compiler {
    Compiler {
        rustc: "/rustup/bin/rustc".into(),
        release: "1.95.0".into(),
        llvm: 22,
        libllvm: Some("/rustup/lib/libLLVM.so.22.1-rust".into()),
        ..Compiler::default()
    }
}

fn debians() -> Compiler {
    Compiler {
        rustc: "/debian/bin/rustc".into(),
        release: "1.96.0".into(),
        llvm: 22,
        libllvm: Some("/debian/lib/libLLVM.so.22.1".into()),
        bpf_core: true,
        std_source: true,
        ..Compiler::default()
    }
}

#[test]
fn rustup_is_asked_first_and_for_all_it_can_bring() {
    let rustup = Step::Rustup {
        toolchain: TOOLCHAIN.into(),
        rust_src: true,
        wasm_target: true,
    };
    assert_eq!(plan(&fresh()), Ok(vec![Step::BpfLinker(rustups()), rustup]));
}

#[test]
fn rustup_is_asked_only_for_what_is_missing() {
    let has_wasm = Compiler {
        wasm_sysroot: Some("/rustup".into()),
        ..rustups()
    };
    let machine = Machine {
        compilers: vec![has_wasm],
        bpf_linker: Some(22),
        ..fresh()
    };
    let rustup = Step::Rustup {
        toolchain: TOOLCHAIN.into(),
        rust_src: true,
        wasm_target: false,
    };
    assert_eq!(plan(&machine), Ok(vec![rustup]));
}

#[test]
fn without_rustup_debians_compiler_is_unpacked_while_bpf_linker_compiles() {
    let machine = Machine {
        rustup_toolchain: None,
        ..fresh()
    };
    assert_eq!(
        plan(&machine),
        Ok(vec![Step::BpfLinker(rustups()), Step::Debian { std_source: true }])
    );
}

#[test]
fn once_debians_compiler_is_there_the_standard_library_is_built_with_it() {
    let machine = Machine {
        compilers: vec![rustups(), debians()],
        bpf_linker: Some(22),
        rustup_toolchain: None,
        ..fresh()
    };
    assert_eq!(plan(&machine), Ok(vec![Step::WasmStd(debians())]));
}

#[test]
fn the_source_that_rustup_left_is_enough_without_a_network() {
    let with_source = Compiler {
        std_source: true,
        ..rustups()
    };
    let machine = Machine {
        compilers: vec![with_source.clone()],
        rustup_toolchain: None,
        apt: false,
        ..fresh()
    };
    assert_eq!(
        plan(&machine),
        Ok(vec![Step::BpfLinker(with_source.clone()), Step::WasmStd(with_source)])
    );
}

#[test]
fn with_neither_rustup_nor_apt_the_user_is_told_what_to_install() {
    let machine = Machine {
        rustup_toolchain: None,
        apt: false,
        ..fresh()
    };
    let missing = plan(&machine).unwrap_err().0;
    assert_eq!(missing.len(), 2);
    assert!(
        missing[0].contains("rust-src") && missing[0].contains("bpfel-unknown-none"),
        "{}",
        missing[0]
    );
    assert!(
        missing[1].contains("rustup target add wasm32-unknown-unknown"),
        "{}",
        missing[1]
    );
}

#[test]
fn a_machine_without_a_component_linker_is_told_so_before_anything_is_installed() {
    let missing = plan(&Machine {
        component_linker: None,
        ..fresh()
    })
    .unwrap_err()
    .0;
    assert!(missing[0].contains("wasm-component-ld"), "{}", missing[0]);
}

#[test]
fn nothing_is_to_be_done_when_nothing_is_missing() {
    let complete = Compiler {
        wasm_sysroot: Some("/cache/wasm-std".into()),
        ..debians()
    };
    let machine = Machine {
        compilers: vec![rustups(), complete],
        bpf_linker: Some(22),
        ..fresh()
    };
    assert_eq!(plan(&machine), Ok(vec![]));
}

#[test]
fn a_compiler_older_than_the_workspace_is_not_used() {
    let old = Compiler {
        release: "1.85.0".into(),
        wasm_sysroot: Some("/usr".into()),
        ..debians()
    };
    let machine = Machine {
        compilers: vec![rustups(), old],
        rustup_toolchain: None,
        ..fresh()
    };
    assert_eq!(
        plan(&machine),
        Ok(vec![Step::BpfLinker(rustups()), Step::Debian { std_source: true }])
    );
}

#[test]
fn bpf_linker_is_built_again_when_the_compiler_has_outgrown_its_llvm() {
    let newer = Compiler {
        llvm: 23,
        std_source: true,
        wasm_sysroot: Some("/rustup".into()),
        ..rustups()
    };
    let machine = Machine {
        compilers: vec![newer.clone()],
        bpf_linker: Some(22),
        ..fresh()
    };
    assert_eq!(plan(&machine), Ok(vec![Step::BpfLinker(newer)]));
}

#[test]
fn an_llvm_that_bpf_linker_cannot_use_is_named() {
    let newest = Compiler {
        llvm: 99,
        std_source: true,
        wasm_sysroot: Some("/rustup".into()),
        ..rustups()
    };
    let missing = plan(&Machine {
        compilers: vec![newest],
        ..fresh()
    })
    .unwrap_err()
    .0;
    assert!(missing[0].contains("LLVM [21, 22, 23]"), "{}", missing[0]);
}
