//! `cargo xtask test`: every test of the workspace, with what the tests need beside it.

use std::process::{Command, ExitCode};

use crate::setup::{self, TestTools};
use crate::{components, workspace};

/// Packages with a library, and so perhaps with examples in their documentation.
const LIBRARIES: [&str; 3] = ["vespid", "vespid-ebpf", "vespid-plugin"];

/// Runs all tests, or those whose names contain one of `filters`.
pub(crate) fn run(filters: &[String]) -> anyhow::Result<ExitCode> {
    let toolchain = setup::install()?;
    let tools = setup::install_test_tools()?;
    components::build_components(&toolchain)?;

    let plugins = components::packages(&workspace::root().join("plugins"))?;
    let libraries: Vec<&str> = LIBRARIES
        .into_iter()
        .chain(plugins.iter().map(String::as_str))
        .collect();
    // The documentation's examples come first: the totals that close the output are then those of the tests.
    let documented = components::run(test(&libraries, &tools).arg("--doc").arg("--").args(filters));
    let all: Vec<&str> = libraries.iter().copied().chain(["vespid-bench", "xtask"]).collect();
    let tested = components::run(
        test(&all, &tools)
            .args(["--no-fail-fast", "--lib", "--bins", "--tests"])
            .arg("--")
            .args(filters),
    );
    documented.and(tested).map(|()| ExitCode::SUCCESS)
}

fn test(packages: &[&str], tools: &TestTools) -> Command {
    let mut cargo = components::cargo();
    cargo
        .arg("test")
        .args(packages.iter().flat_map(|package| ["--package", package]));
    cargo
        .env("VESPID_PLUGINS", workspace::plugins_dir())
        .env("VESPID_ZOO", workspace::zoo_component())
        // Built by the same command, before the first test runs.
        .env("VESPID", workspace::target_dir().join("debug/vespid"));
    for (key, tool) in [
        ("VESPID_PROMTOOL", &tools.promtool),
        ("VESPID_PYTHON", &tools.python),
        ("VESPID_CONTAINERD", &tools.containerd),
    ] {
        if let Some(tool) = tool {
            cargo.env(key, tool);
        }
    }
    if let Some(snoops) = tools.opensnoop.as_ref().and_then(|opensnoop| opensnoop.parent()) {
        cargo.env("VESPID_SNOOPS", snoops);
    }
    cargo
}
