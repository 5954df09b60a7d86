//! `cargo xtask bench`: what the daemon costs, as tables and as JSON.

use std::path::Path;
use std::process::ExitCode;

use crate::{components, exit, setup, workspace};

/// Builds the daemon, the plugins and the benchmark, and runs it.
pub(crate) fn run(args: Vec<String>) -> anyhow::Result<ExitCode> {
    let (mut profile, mut short, mut record, mut auditd) = ("release", false, false, false);
    let mut sections = Vec::new();
    for arg in args {
        match arg.as_str() {
            "--dev" => profile = "dev",
            "--short" => short = true,
            "--record" => record = true,
            "--auditd" => auditd = true,
            section if !section.starts_with('-') => sections.push(arg),
            option => return Err(exit::usage(format!("`bench` has no option `{option}`"))),
        }
    }
    // Counts are the same in a build that everybody has already.
    if short {
        profile = "dev";
    }
    components::build_components(&setup::install()?)?;
    components::run(components::cargo().args(["build", "--profile", profile]).args([
        "--package",
        "vespid",
        "--package",
        "vespid-bench",
    ]))?;
    let target = workspace::target_dir();
    let built = target.join(if profile == "dev" { "debug" } else { profile });
    let kept = workspace::root().join("bench");
    let mut bench = crate::child::native(built.join("vespid-bench"));
    let mut file = |name: &str, file: &Path| {
        bench.arg(name).arg(file);
    };
    file("--plugins", &workspace::plugins_dir());
    file("--idle", &workspace::zoo_component());
    file("--vespid", &built.join("vespid"));
    file("--json", &target.join("bench/bench.json"));
    file("--baseline", &kept.join("baseline.json"));
    if record {
        file("--trend", &kept.join("trend.jsonl"));
        file("--plot", &workspace::root().join("docs/growth.svg"));
    }
    for (option, is_set) in [("--short", short), ("--auditd", auditd)] {
        if is_set {
            bench.arg(option);
        }
    }
    components::run(bench.args(sections)).map(|()| ExitCode::SUCCESS)
}
