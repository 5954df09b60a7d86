//! `cargo xtask run`: from a fresh clone to metrics.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};

use crate::{child, components, workspace};

/// The recording that is replayed where live events may not be had.
const RECORDING: &str = "fixtures/demo.jsonl.zst";

const CAP_SYS_ADMIN: u32 = 21;
const CAP_PERFMON: u32 = 38;
const CAP_BPF: u32 = 39;

/// Builds everything and becomes the daemon.
pub(crate) fn run(args: Vec<String>) -> anyhow::Result<ExitCode> {
    components::build_all()?;
    let daemon = workspace::target_dir().join("debug/vespid");
    let plugins = workspace::plugins_dir();

    let status = std::fs::read_to_string("/proc/self/status").context("cannot read /proc/self/status")?;
    let mut command = child::native(&daemon);
    if may_load_bpf(&status) {
        command.arg("run");
    } else {
        let recording = workspace::root().join(RECORDING);
        eprintln!(
            "Live kernel events need root, or CAP_BPF and CAP_PERFMON. For them:\n\n    sudo {} run --plugins {}\n",
            daemon.display(),
            plugins.display()
        );
        if !recording.exists() {
            bail!("there is no recording {} to replay instead", recording.display());
        }
        eprintln!("Replaying {RECORDING} instead.\n");
        command.arg("replay").arg(recording);
    }
    // What the daemon keeps stays below the target folder, unless its user has other plans.
    if std::env::var_os("VESPID_CONFIG").is_none() {
        command.env("VESPID_CONFIG", own_config()?);
    }
    let failed = command.arg("--plugins").arg(plugins).args(args).exec();
    Err(failed).with_context(|| format!("cannot start {}", daemon.display()))
}

/// A configuration file that keeps compiled code and states below the target folder.
fn own_config() -> anyhow::Result<PathBuf> {
    let folder = workspace::target_dir().join("run");
    let file = folder.join("vespid.toml");
    let text = format!(
        "[plugins]\ncache = {:?}\n\n[state]\ndirectory = {:?}\n",
        folder.join("code"),
        folder.join("state")
    );
    std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::write(&file, text))
        .with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}

/// Whether the effective capabilities in the text of `/proc/self/status` allow loading and attaching BPF programs.
fn may_load_bpf(status: &str) -> bool {
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let Some(set) = effective.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()) else {
        return false;
    };
    let has = |capability: u32| set & (1 << capability) != 0;
    has(CAP_SYS_ADMIN) || (has(CAP_BPF) && has(CAP_PERFMON))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_word_on_capabilities_decides() {
        assert!(may_load_bpf("Name:\tsh\nCapEff:\t000001ffffffffff\n"), "root");
        assert!(may_load_bpf("CapEff:\t000000c000000000\n"), "CAP_BPF and CAP_PERFMON");
        assert!(!may_load_bpf("CapEff:\t0000008000000000\n"), "CAP_BPF alone");
        assert!(!may_load_bpf("CapEff:\t0000000000000000\n"), "nobody");
        assert!(!may_load_bpf("Name:\tsh\n"), "not said");
    }
}
