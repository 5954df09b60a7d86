//! `cargo xtask vm`: the live tests on Debian's kernels, in virtual machines without privileges of the host's.
//!
//! A machine is a kernel and an initramfs of busybox, the daemon and the test program. What happens in it is told on its
//! serial line, line by line, and kept in `target/vm/SERIES.log`.
mod boot;
mod image;
mod kernel;
mod matrix;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, ensure};

use crate::progress::Progress;
use crate::setup::{self, Home, VmTools};
use crate::{components, exit, workspace};

use boot::Told;

/// Kernel series that are tried, oldest first.
const SERIES: [&str; 2] = ["6.1", "6.12"];

/// A test or two of each kind of events, for when there is not the time for all.
const SHORT: [&str; 9] = [
    "connections::both_ends_of_a_v4",
    "changes::both_names_of_a_rename",
    "files::a_deep_path_is_whole",
    "files::a_failed_open",
    "filters::paths_are_those",
    "privileged::a_tracee_is_known",
    "processes::a_failed_exec",
    "processes::an_exec_is_seen",
    "sockets::names_that_sockets_take",
];

/// What a machine is started with.
struct Programs {
    busybox: PathBuf,
    vespid: PathBuf,
    tests: PathBuf,
}

/// Boots kernels, runs the live tests whose names contain one of the filters there, and says what came of it.
pub(crate) fn run(args: Vec<String>) -> anyhow::Result<ExitCode> {
    let (mut series, mut filters, mut is_matrix, mut args) = (Vec::new(), Vec::new(), false, args.into_iter());
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--kernel" => match args.next().as_deref() {
                Some("all") => series.extend(SERIES),
                Some(wanted) => series.push(known(wanted)?),
                None => return Err(exit::usage("`--kernel` needs a series: 6.1, 6.12 or all".into())),
            },
            "--matrix" => is_matrix = true,
            "--short" => filters.extend(SHORT.map(str::to_owned)),
            filter if !filter.starts_with('-') => filters.push(arg),
            option => return Err(exit::usage(format!("`vm` has no option `{option}`"))),
        }
    }
    if series.is_empty() {
        series.extend(SERIES);
    }
    setup::install()?;
    let VmTools { qemu, busybox } = setup::install_vm_tools()?;
    let programs = Programs {
        busybox,
        vespid: workspace::target_dir().join("debug/vespid"),
        tests: live_tests()?,
    };
    let folder = workspace::target_dir().join("vm");
    let home = Home::find()?;
    let progress = Progress::new(&home.logs());
    let mut all = Vec::new();
    for series in series {
        let kernel = kernel::fetch(series, &home, &progress)?;
        let image = image::make(&programs, &kernel, &filters, &folder)?;
        let told = boot::boot(
            &qemu,
            &kernel.image,
            &image,
            &folder.join(format!("{series}.log")),
            &progress,
        )?;
        all.push((series, told));
    }
    if is_matrix {
        let is_part = !filters.is_empty();
        matrix::write(
            &programs.vespid,
            &all,
            is_part,
            &workspace::root().join("docs/kernels.md"),
        )?;
    }
    Ok(verdict(&all))
}

fn known(wanted: &str) -> anyhow::Result<&'static str> {
    let series = SERIES.into_iter().find(|series| *series == wanted);
    series.ok_or_else(|| exit::usage(format!("no kernel `{wanted}`: 6.1, 6.12 or all")))
}

/// Says what came of each kernel.
fn verdict(all: &[(&str, Told)]) -> ExitCode {
    let mut is_well = true;
    for (series, told) in all {
        println!("\n{series}: {}", told.release.as_deref().unwrap_or("did not come up"));
        for check in told.doctor.checks.iter().filter(|check| !check.lost.is_empty()) {
            println!("  {}: {}; lost: {}", check.name, check.found, check.lost);
        }
        for name in &told.failed {
            println!("  FAILED {name}");
        }
        let ended = if told.has_ended {
            ""
        } else {
            "; it was stopped before its end"
        };
        println!("  {} tests passed, {} failed{ended}", told.passed, told.failed.len());
        is_well &= told.has_ended && told.failed.is_empty();
    }
    if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Builds the daemon and the live tests; the path of the latter.
fn live_tests() -> anyhow::Result<PathBuf> {
    let mut cargo = components::cargo();
    cargo.args([
        "test",
        "--no-run",
        "--package",
        "vespid",
        "--bin",
        "vespid",
        "--test",
        "kernel_live",
    ]);
    let output = cargo
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    ensure!(output.status.success(), "the live tests cannot be built");
    let mut messages = output.stdout.split(|&byte| byte == b'\n').filter_map(|line| {
        let message: serde_json::Value = serde_json::from_slice(line).ok()?;
        (message["target"]["name"] == "kernel_live").then_some(())?;
        Some(PathBuf::from(message["executable"].as_str()?))
    });
    messages
        .next_back()
        .context("cargo does not say where the live tests are")
}

/// Output of a command that must succeed.
fn output(command: &mut Command) -> anyhow::Result<Vec<u8>> {
    let program = Path::new(command.get_program()).to_owned();
    let output = command
        .output()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let said = output.stderr.trim_ascii().escape_ascii();
    ensure!(output.status.success(), "{} failed: {said}", program.display());
    Ok(output.stdout)
}
