//! The container tools of a test: those that are installed, or those that the test set-up has unpacked.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "each test binary uses a part"
)]
use std::path::{Path, PathBuf};
use std::process::Command;

/// containerd, and where it finds its shim, and that finds runc: beside it where it was unpacked, or where they are
/// installed.
pub fn tools() -> (PathBuf, String) {
    let program = std::env::var_os("VESPID_CONTAINERD").map_or_else(|| "containerd".into(), PathBuf::from);
    let usr = program.parent().and_then(Path::parent).unwrap_or(Path::new("/usr"));
    let root = usr.parent().unwrap_or(Path::new("/"));
    let own = [usr.join("bin"), usr.join("sbin"), root.join("bin")];
    let system = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(own.into_iter().chain(std::env::split_paths(&system)));
    let path = path.expect("a search path").into_string().expect("UTF-8");
    (program, path)
}

/// A program on a search path.
pub fn find(name: &str, path: &str) -> Option<PathBuf> {
    let folders = std::env::split_paths(path);
    folders.map(|folder| folder.join(name)).find(|file| file.exists())
}

/// busybox, which needs no library.
pub fn busybox(path: &str) -> PathBuf {
    find("busybox", path).expect("busybox")
}

/// The search path on which runc and busybox are; none, said aloud, where they are not.
pub fn runc() -> Option<String> {
    let path = tools().1;
    let runs = Command::new("runc").arg("--version").env("PATH", &path).output();
    if runs.is_ok_and(|output| output.status.success()) && find("busybox", &path).is_some() {
        return Some(path);
    }
    is_missing("runc or busybox");
    None
}

/// Says aloud that a tool is missing; fails where tools are required.
pub fn is_missing(what: &str) {
    assert!(
        std::env::var_os("VESPID_REQUIRE_TOOLS").is_none(),
        "{what} is required here"
    );
    eprintln!("SKIPPED: {what} is not to be had here");
}
