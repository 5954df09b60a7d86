//! Where and when figures came about: without this they mean nothing.
use std::process::Command;

use serde_json::{Value, json};

/// Processor, kernel, and how busy the machine is now.
#[must_use]
pub fn described() -> Value {
    let processors = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let named = |key: &str| {
        let line = processors.lines().find_map(|line| line.strip_prefix(key));
        line.map(|rest| rest.trim_start_matches([' ', '\t', ':']).to_owned())
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    json!({
        "processor": named("model name"),
        "cores": cores,
        "kernel": rustix::system::uname().release().to_str().unwrap_or_default(),
        "build": if cfg!(debug_assertions) { "development" } else { "release" },
    })
}

/// The load averages (proc(5)).
#[must_use]
pub fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// The commit of the work tree, if git says so.
#[must_use]
pub fn commit() -> Option<String> {
    let output = Command::new("git")
        .args(["rev-parse", "--short=12", "HEAD"])
        .output()
        .ok()?;
    let commit = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| commit.trim().to_owned())
}
