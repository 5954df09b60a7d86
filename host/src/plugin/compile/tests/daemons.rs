//! Daemons in processes of their own, which are this test again with a directory in their environment.
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::super::CacheLimits;
use super::super::cache::Cache;
use super::{Compiler, component, load};

const DIRECTORY: &str = "VESPID_TEST_CACHE";

/// The directory, in a process that plays a daemon.
fn role() -> Option<PathBuf> {
    std::env::var_os(DIRECTORY).map(PathBuf::from)
}

/// A daemon that plays `test`, once a line of shell has prepared its process.
fn daemon(test: &str, directory: &Path, prepare: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", &format!(r#"{prepare} exec "$0" --exact "$1""#)])
        .arg(std::env::current_exe().expect("this program"))
        .arg(format!("plugin::compile::tests::daemons::{test}"))
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

#[track_caller]
fn passes(daemon: std::process::Child) {
    let output = daemon.wait_with_output().expect("it ends");
    let said = String::from_utf8(output.stdout.clone()).expect("text");
    assert!(output.status.success() && said.contains("1 passed"), "{output:?}");
}

#[test]
fn daemons_that_share_a_directory_do_not_harm_each_other() {
    if let Some(directory) = role() {
        // Room for fewer files than there are components, so that each removes what another is about to read.
        let limits = CacheLimits {
            files: 2,
            ..CacheLimits::default()
        };
        for round in 0..40 {
            let cache = Cache::open(&directory, limits.clone()).expect("a cache");
            let bytes = component((std::process::id() + round) % 4);
            load(Some(Compiler::InProcess), Some(cache), &bytes).expect("it compiles, or is there");
        }
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let start = || {
        daemon(
            "daemons_that_share_a_directory_do_not_harm_each_other",
            directory.path(),
            "",
        )
        .spawn()
    };
    let daemons = [start(), start(), start()];
    for daemon in daemons {
        passes(daemon.expect("it starts"));
    }
    let names: Vec<_> = std::fs::read_dir(directory.path())
        .expect("a directory")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    let is_whole = names.iter().all(|name| name.as_encoded_bytes().ends_with(b".code"));
    assert!((1..=3).contains(&names.len()) && is_whole, "{names:?}");
}

#[test]
fn a_disk_that_is_full_costs_only_the_cache() {
    if let Some(directory) = role() {
        let cache = Cache::open(&directory, CacheLimits::default()).expect("a cache");
        load(Some(Compiler::InProcess), Some(cache), &component(1)).expect("it compiles");
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    // Writing fails in the middle of the file.
    let prepare = "trap '' XFSZ; ulimit -f 1;";
    let daemon = daemon("a_disk_that_is_full_costs_only_the_cache", directory.path(), prepare).spawn();
    passes(daemon.expect("it starts"));
    let left = std::fs::read_dir(directory.path()).expect("a directory").count();
    assert_eq!(left, 0, "half a file stays behind");
}
