//! Bundles for runc: a root folder with busybox, and a specification.
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::tools::busybox;

/// Makes a root folder with these tools in it; gives a specification of a container there. `None`, out loud, without
/// runc.
pub(crate) fn specify(folder: &Path, path: &str, tools: &[&str]) -> Option<Value> {
    let rootfs = folder.join("rootfs");
    for name in ["bin", "proc", "dev", "sys"] {
        fs::create_dir_all(rootfs.join(name)).expect("a folder");
    }
    fs::copy(busybox(path), rootfs.join("bin/busybox")).expect("a copy");
    for tool in tools {
        std::os::unix::fs::symlink("busybox", rootfs.join("bin").join(tool)).expect("a link");
    }
    let made = Command::new("runc")
        .env("PATH", path)
        .arg("spec")
        .current_dir(folder)
        .status();
    if !made.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: runc is not installed");
        return None;
    }
    let text = fs::read(folder.join("config.json")).expect("a file");
    let mut spec: Value = serde_json::from_slice(&text).expect("JSON");
    spec["process"]["terminal"] = false.into();
    spec["root"]["path"] = rootfs.to_str().expect("a name").into();
    Some(spec)
}
