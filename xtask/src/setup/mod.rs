//! Set-up: finds what this machine lacks for building Vespid, and installs it once, outside the work tree.

mod bpf_linker;
pub(crate) mod debian;
mod env_file;
mod home;
mod machine;
mod plan;
mod rustup;
mod test_tools;
mod version;
mod vm_tools;
mod wasm_std;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, bail};

use crate::exit::NeedsUser;
use crate::progress::Progress;

pub(crate) use bpf_linker::cargo_install;
pub(crate) use env_file::Toolchain;
pub(crate) use home::{Home, publish};
pub(crate) use test_tools::{TestTools, install as install_test_tools};
pub(crate) use version::{CARGO_DENY, WASM_TARGET};
pub(crate) use vm_tools::{VmTools, install as install_vm_tools};

use machine::Machine;
use plan::{Step, plan};

/// More steps than any machine needs: reached only if a step succeeds and yet brings nothing.
const MOST_STEPS: usize = 8;

/// Installs what is missing, and says where the cross toolchains are.
///
/// # Errors
/// A step failed, or the user has to provide something ([`NeedsUser`]).
pub(crate) fn install() -> anyhow::Result<Toolchain> {
    let home = Home::find()?;
    let machine = Machine::look(&home);
    if let (Ok([]), Some(toolchain)) = (plan(&machine).as_deref(), Toolchain::of(&machine, &home)) {
        toolchain.write(&home.env_file())?;
        return Ok(toolchain);
    }

    let _lock = home.lock()?;
    let start = Instant::now();
    let progress = Progress::new(&home.logs());
    let toolchain = complete(&home, &progress)?;
    toolchain.write(&home.env_file())?;
    progress.say(&format!(
        "The toolchain is complete: {} ({} s).",
        home.path().display(),
        start.elapsed().as_secs()
    ));
    Ok(toolchain)
}

fn complete(home: &Home, progress: &Progress) -> anyhow::Result<Toolchain> {
    announce(home, progress)?;
    std::thread::scope(|scope| {
        let mut linker = None;
        // Once is enough: what it did not bring then, it does not bring in this run.
        let mut asked_rustup = false;
        for _ in 0..MOST_STEPS {
            let mut machine = Machine::look(home);
            if asked_rustup {
                machine.rustup_toolchain = None;
            }
            if let Some((llvm, _)) = linker {
                machine.bpf_linker = Some(llvm);
            }
            let next = plan(&machine).map_err(needs_user)?.into_iter().next();
            match next {
                Some(Step::BpfLinker(compiler)) => {
                    let cargo = machine.cargo.clone();
                    let llvm = compiler.llvm;
                    let work = move || bpf_linker::install(&compiler, &cargo, home, progress);
                    linker = Some((llvm, scope.spawn(work)));
                }
                Some(Step::Rustup {
                    toolchain,
                    rust_src,
                    wasm_target,
                }) => {
                    asked_rustup = true;
                    rustup::add(&toolchain, rust_src, wasm_target, progress);
                }
                Some(Step::Debian { std_source }) => debian::unpack(std_source, home, progress)?,
                Some(Step::WasmStd(compiler)) => wasm_std::build(&compiler, &machine.cargo, home, progress)?,
                None => {
                    if let Some((_, building)) = linker {
                        building
                            .join()
                            .map_err(|_| anyhow::anyhow!("building bpf-linker panicked"))??;
                    }
                    return Toolchain::of(&machine, home)
                        .context("nothing is missing, and yet the toolchain is not complete");
                }
            }
        }
        bail!(
            "the steps of set-up succeeded, and yet something is missing: see {}",
            home.logs().display()
        )
    })
}

/// Says what will be installed before it is.
fn announce(home: &Home, progress: &Progress) -> anyhow::Result<()> {
    let steps = plan(&Machine::look(home)).map_err(needs_user)?;
    if steps.is_empty() {
        return Ok(());
    }
    progress.say(&format!(
        "Vespid needs what this machine lacks; it goes to {}:",
        home.path().display()
    ));
    for step in &steps {
        progress.say(&format!("  - {}", describe(step)));
    }
    Ok(())
}

fn describe(step: &Step) -> String {
    match step {
        Step::BpfLinker(compiler) => format!(
            "bpf-linker {} from crates.io, compiled against the LLVM {} of {} (about a minute on two cores)",
            version::BPF_LINKER,
            compiler.llvm,
            compiler.rustc.display()
        ),
        Step::Rustup {
            toolchain,
            rust_src,
            wasm_target,
        } => {
            let parts = [
                (*rust_src, "rust-src (3 MB)"),
                (*wasm_target, "the target wasm32-unknown-unknown (20 MB)"),
            ];
            let parts: Vec<_> = parts
                .iter()
                .filter(|(wanted, _)| *wanted)
                .map(|(_, part)| *part)
                .collect();
            format!(
                "{} through rustup, added to {toolchain} (seconds; if rustup cannot, Debian's compiler, 160 MB)",
                parts.join(" and ")
            )
        }
        Step::Debian { .. } => "Debian's compiler with a BPF core (160 MB from the distribution, half a minute)".into(),
        Step::WasmStd(compiler) => format!(
            "the standard library for {}, compiled with {} (about a minute)",
            WASM_TARGET,
            compiler.rustc.display()
        ),
    }
}

fn needs_user(missing: plan::Missing) -> anyhow::Error {
    let list: String = missing.0.iter().map(|item| ["\n  - ", item].concat()).collect();
    NeedsUser(format!(
        "neither rustup nor the distribution can provide what is missing; please install{list}"
    ))
    .into()
}

/// Reports what is there and what is missing, changing nothing.
pub(crate) fn check() -> anyhow::Result<ExitCode> {
    let home = Home::find()?;
    let machine = Machine::look(&home);
    let rows = rows(&machine, &home);
    let width = |column: fn(&Row) -> &str| rows.iter().map(|row| column(row).chars().count()).max().unwrap_or(0);
    let (items, states) = (width(|row| row.item), width(|row| row.state));
    for Row { item, state, remark } in &rows {
        println!("{item:items$}  {state:states$}  {remark}");
    }
    println!();
    match plan(&machine) {
        Ok(steps) if steps.is_empty() => {
            println!("Complete: {}", home.path().display());
            Ok(ExitCode::SUCCESS)
        }
        Ok(steps) => {
            println!("`cargo xtask setup` would install into {}:", home.path().display());
            for step in &steps {
                println!("  - {}", describe(step));
            }
            Ok(ExitCode::FAILURE)
        }
        Err(missing) => {
            println!("{}", needs_user(missing));
            Ok(ExitCode::FAILURE)
        }
    }
}

struct Row {
    item: &'static str,
    state: &'static str,
    remark: String,
}

fn rows(machine: &Machine, home: &Home) -> Vec<Row> {
    let row = |item, found: Option<String>, otherwise: &str| match found {
        Some(remark) => Row {
            item,
            state: "found",
            remark,
        },
        None => Row {
            item,
            state: "missing",
            remark: otherwise.to_owned(),
        },
    };
    let mut rows = vec![
        row(
            "core library for bpfel-unknown-none",
            machine.bpf_compiler().map(|compiler| {
                let how = if compiler.bpf_core { "compiled" } else { "as source" };
                format!("{how}, with rustc {} ({})", compiler.release, compiler.rustc.display())
            }),
            "through rustup, else from Debian's packages",
        ),
        row(
            "bpf-linker",
            machine
                .bpf_linker
                .map(|llvm| home.bpf_linker(llvm).display().to_string()),
            "compiled from crates.io",
        ),
        row(
            "standard library for wasm32-unknown-unknown",
            machine.wasm_compiler().map(|compiler| {
                let sysroot = compiler.wasm_sysroot.as_deref().unwrap_or(&compiler.sysroot);
                format!(
                    "{}, with rustc {} ({})",
                    sysroot.display(),
                    compiler.release,
                    compiler.rustc.display()
                )
            }),
            "through rustup, else compiled from Debian's source package",
        ),
        row(
            "component linker (wasm-component-ld)",
            machine
                .component_linker
                .as_ref()
                .map(|linker| linker.display().to_string()),
            "part of rustup's toolchains",
        ),
    ];
    rows.extend(TestTools::find(home).rows().into_iter().map(|(item, found, source)| {
        let otherwise = format!("only for tests; from {source}, by `cargo xtask test`");
        row(item, found.map(|path| path.display().to_string()), &otherwise)
    }));
    rows
}

/// Removes what set-up installed.
pub(crate) fn clean() -> anyhow::Result<()> {
    let home = Home::find()?;
    let lock = home.lock()?;
    std::fs::remove_dir_all(home.path()).with_context(|| format!("cannot remove {}", home.path().display()))?;
    drop(lock);
    println!("removed {}", home.path().display());
    Ok(())
}
