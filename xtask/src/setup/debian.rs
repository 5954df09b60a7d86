//! Debian's compiler, unpacked into our folder: it brings a compiled `core` for BPF and the standard library's source
//! of its own version.
//!
//! Unpacked rather than installed: that needs no root, waits for no package manager's lock, does not conflict with a
//! rustc or rustup that is installed, and is removed with the folder.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

use super::home::{Home, publish};
use crate::child;
use crate::progress::{Progress, Task};

const LIMIT: Duration = Duration::from_secs(1800);

/// Downloads and unpacks the compiler.
pub(crate) fn unpack(std_source: bool, home: &Home, progress: &Progress) -> anyhow::Result<()> {
    let task = progress.task("Debian rustc");
    let mut wanted = vec!["rustc-web", "libstd-rust-web-dev", "libstd-rust-web-dev-bpf"];
    if std_source {
        wanted.push("rust-web-src");
    }
    let temporary = home.fresh_dir("debian")?;
    let lists = Lists::find(&task, &wanted, home)?;
    let mut names: BTreeSet<String> = wanted.iter().map(|&name| name.to_owned()).collect();
    // The libraries whose names bear a version, even if the system has them: it may be about to replace them.
    let versioned = |name: &String| name.starts_with("libstd-rust-web-1") || name.starts_with("libllvm");
    names.extend(lists.dependencies(&wanted)?.into_iter().filter(versioned));
    names.extend(lists.not_installed(&names)?);
    fetch(&task, &lists, &names, home, &temporary)?;

    wrap(
        &temporary,
        &home.debian(),
        &home.debian_usr().join("bin/rustc"),
        "rustc",
    )?;
    publish(&temporary, &home.debian())?;
    task.done("unpacked");
    Ok(())
}

/// Writes `bin/NAME` into `unpacked`, which will be at `place`: it starts a program there with the libraries there.
pub(crate) fn wrap(unpacked: &Path, place: &Path, program: &Path, name: &str) -> anyhow::Result<()> {
    let libraries = fs::read_dir(unpacked.join("usr/lib"))?
        .flatten()
        .map(|entry| entry.file_name())
        .find(|name| name.to_str().is_some_and(|name| name.ends_with("-linux-gnu")))
        .context("the packages contain no library for this machine")?;
    let script = format!(
        "#!/bin/sh\n\
         # Debian's program outside of /usr: it finds what belongs to it by itself, and its libraries through this.\n\
         export LD_LIBRARY_PATH='{}'\"${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}\"\n\
         exec '{}' \"$@\"\n",
        place.join("usr/lib").join(libraries).display(),
        program.display()
    );
    let file = unpacked.join("bin").join(name);
    fs::create_dir_all(unpacked.join("bin"))?;
    fs::write(&file, script)?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// Downloads packages alone, without what they depend on, and unpacks them below `to`.
pub(crate) fn download(task: &Task<'_>, wanted: &[&str], home: &Home, to: &Path) -> anyhow::Result<()> {
    let lists = Lists::find(task, wanted, home)?;
    let names = wanted.iter().map(|&name| name.to_owned()).collect();
    fetch(task, &lists, &names, home, to)
}

/// Downloads packages with what they need and this system lacks, and unpacks all of it below `to`.
pub(crate) fn download_with_libraries(task: &Task<'_>, wanted: &[&str], home: &Home, to: &Path) -> anyhow::Result<()> {
    let lists = Lists::find(task, wanted, home)?;
    let mut names: BTreeSet<String> = wanted.iter().map(|&name| name.to_owned()).collect();
    names.extend(lists.not_installed(&names)?);
    fetch(task, &lists, &names, home, to)
}

/// Downloads the newest package whose name fits `pattern`, alone, and unpacks it below `to`; its name. The lists of packages
/// are those that know `known`.
pub(crate) fn download_newest(
    task: &Task<'_>,
    known: &str,
    pattern: &str,
    home: &Home,
    to: &Path,
) -> anyhow::Result<String> {
    let lists = Lists::find(task, &[known], home)?;
    let text = Lists::text(lists.apt("apt-cache").args(["search", "--names-only", pattern]))?;
    let numbers = |name: &str| -> Vec<u64> {
        let parts = name.split(|c: char| !c.is_ascii_digit());
        parts.filter_map(|part| part.parse().ok()).collect()
    };
    let names = text.lines().filter_map(|line| line.split(' ').next());
    let newest = names
        .max_by_key(|name| numbers(name))
        .with_context(|| format!("this distribution has no package like {pattern}"))?;
    fetch(task, &lists, &[newest.to_owned()].into(), home, to)?;
    Ok(newest.to_owned())
}

fn fetch(task: &Task<'_>, lists: &Lists, names: &BTreeSet<String>, home: &Home, to: &Path) -> anyhow::Result<()> {
    let downloads = home.fresh_dir("downloads")?;
    let mut download = lists.apt("apt-get");
    download
        .args(["download", "-o", "APT::Sandbox::User="])
        .args(names)
        .current_dir(&downloads);
    task.run(&mut download, LIMIT)?;
    for package in fs::read_dir(&downloads)? {
        let package = package?.path();
        task.show(&format!(
            "unpacking {}",
            package.file_name().map(OsStr::to_string_lossy).unwrap_or_default()
        ));
        task.run(child::cross("dpkg-deb").arg("-x").arg(&package).arg(to), LIMIT)?;
    }
    fs::remove_dir_all(&downloads)?;
    Ok(())
}

/// The lists of packages: the system's, or where they do not know what we need, our own, which need no root to update.
struct Lists {
    own: Option<PathBuf>,
}

impl Lists {
    fn find(task: &Task<'_>, wanted: &[&str], home: &Home) -> anyhow::Result<Self> {
        task.show("reading the package lists");
        let systems = Self { own: None };
        if systems.know(wanted) {
            return Ok(systems);
        }
        let root = home.build_dir("apt");
        for folder in ["state/lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(root.join(folder))?;
        }
        let own = Self { own: Some(root) };
        task.run(own.apt("apt-get").args(["update", "-o", "APT::Sandbox::User="]), LIMIT)?;
        ensure!(
            own.know(wanted),
            "this distribution has no package {} (Debian 12 and later do)",
            wanted.join(", ")
        );
        Ok(own)
    }

    /// Whether each can be downloaded: that it is installed is not enough.
    fn know(&self, wanted: &[&str]) -> bool {
        Self::text(
            self.apt("apt-get")
                .args(["download", "--print-uris", "--quiet"])
                .args(wanted),
        )
        .is_ok()
    }

    /// The packages that `wanted` name as needed, directly or through one another.
    fn dependencies(&self, wanted: &[&str]) -> anyhow::Result<BTreeSet<String>> {
        let important = [
            "depends",
            "--recurse",
            "--no-recommends",
            "--no-suggests",
            "--no-conflicts",
            "--no-breaks",
        ];
        let text = Self::text(
            self.apt("apt-cache")
                .args(important)
                .args(["--no-replaces", "--no-enhances"])
                .args(wanted),
        )?;
        Ok(text
            .lines()
            .filter(|line| !line.starts_with([' ', '|', '<']))
            .map(str::to_owned)
            .collect())
    }

    /// Which packages an installation of `names` would bring along.
    fn not_installed(&self, names: &BTreeSet<String>) -> anyhow::Result<Vec<String>> {
        let simulate = [
            "install",
            "--simulate",
            "--quiet",
            "--no-install-recommends",
            "--no-upgrade",
        ];
        let text = Self::text(self.apt("apt-get").args(simulate).args(names))?;
        Ok(text
            .lines()
            .filter_map(|line| Some(line.strip_prefix("Inst ")?.split(' ').next()?.to_owned()))
            .collect())
    }

    fn apt(&self, program: &str) -> Command {
        let mut command = child::cross(program);
        command.env("LC_ALL", "C").env("DEBIAN_FRONTEND", "noninteractive");
        if let Some(root) = &self.own {
            for (key, folder) in [("Dir::State=", "state"), ("Dir::Cache=", "cache")] {
                command.arg("-o").arg(format!("{key}{}", root.join(folder).display()));
            }
            command.args(["-o", "Dir::State::status=/var/lib/dpkg/status"]);
        }
        command
    }

    fn text(command: &mut Command) -> anyhow::Result<String> {
        let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
        if !output.status.success() {
            bail!("{command:?} failed: {}", output.stderr.trim_ascii().escape_ascii());
        }
        Ok(String::from_utf8(output.stdout)?)
    }
}
