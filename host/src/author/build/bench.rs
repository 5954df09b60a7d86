//! Where a recipe works: it looks for tools here, and runs them.
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use super::toolchain;
use crate::author::project::Project;

/// Why there is no component.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A tool is not there.
    #[error("`{tool}` is missing: {why}. To install it: {remedy}")]
    Missing {
        /// What it is called.
        tool: String,
        /// What it would be needed for, and where it was looked for.
        why: String,
        /// The command that installs it.
        remedy: String,
    },
    /// A tool was run and was not content.
    #[error("{step} failed ({status}); its messages are above")]
    Failed {
        /// What was to be done.
        step: String,
        /// How the tool ended.
        status: ExitStatus,
    },
    /// A tool could not be run at all.
    #[error("cannot run `{}`: {cause}", program.display())]
    NotRun {
        /// The program.
        program: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// There is nothing to compile.
    #[error("cannot read the sources in {}: {cause}", folder.display())]
    NoSources {
        /// Where they should be.
        folder: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The tools were content, but made nothing.
    #[error("the build ended well, but left no component: {}: {cause}", file.display())]
    NoComponent {
        /// Where it should be.
        file: PathBuf,
        /// What is there instead.
        cause: io::Error,
    },
    /// A file or folder of the build could not be written.
    #[error("cannot write {}: {cause}", file.display())]
    NotWritten {
        /// Which.
        file: PathBuf,
        /// Why.
        cause: io::Error,
    },
}

/// A project on the bench.
pub(super) struct Bench<'a> {
    pub(super) project: &'a Project,
    /// The project's folder, absolute: recipes run tools in other folders too.
    pub(super) folder: PathBuf,
}

impl<'a> Bench<'a> {
    pub(super) fn new(project: &'a Project) -> Result<Bench<'a>, BuildError> {
        let folder = std::path::absolute(&project.folder).map_err(|cause| BuildError::NotRun {
            program: project.folder.clone(),
            cause,
        })?;
        Ok(Bench { project, folder })
    }

    /// A file or folder for what the build makes on its way. The folder that it is in exists afterwards.
    pub(super) fn scratch(&self, path: &str) -> Result<PathBuf, BuildError> {
        let file = self.folder.join("target").join(path);
        let parent = file.parent().unwrap_or(&self.folder);
        match std::fs::create_dir_all(parent) {
            Ok(()) => Ok(file),
            Err(cause) => Err(BuildError::NotWritten {
                file: parent.to_owned(),
                cause,
            }),
        }
    }

    /// A tool on the PATH.
    pub(super) fn tool(&self, tool: &str, why: &str, remedy: &str) -> Result<PathBuf, BuildError> {
        on_path(tool).ok_or_else(|| BuildError::Missing {
            tool: tool.to_owned(),
            why: format!("{why}, and it is not on the PATH"),
            remedy: remedy.to_owned(),
        })
    }

    /// A tool on the PATH, or the one that `cargo xtask test` has installed below the toolchains' folder.
    pub(super) fn tool_set_up(&self, tool: &str, own: &str, why: &str, remedy: &str) -> Result<PathBuf, BuildError> {
        let own = toolchain::home().map(|home| home.join(own));
        match own.filter(|own| on_path(tool).is_none() && is_program(own)) {
            Some(own) => Ok(own),
            None => self.tool(tool, why, remedy),
        }
    }

    /// A command that runs in the project's folder, without what this program's own build may have put into its
    /// environment.
    pub(super) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.folder);
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(is_of_another_build) {
                command.env_remove(name);
            }
        }
        command
    }

    /// Does one step. What the tool says goes to standard error, since standard output is for the result.
    #[expect(clippy::print_stderr, reason = "says what the messages that follow belong to")]
    pub(super) fn step(&self, what: &str, command: &mut Command) -> Result<(), BuildError> {
        eprintln!("{}: {what}", self.project.name);
        let status = command.stdin(Stdio::null()).stdout(io::stderr()).status();
        let status = status.map_err(|cause| BuildError::NotRun {
            program: command.get_program().into(),
            cause,
        })?;
        if status.success() {
            return Ok(());
        }
        Err(BuildError::Failed {
            step: what.to_owned(),
            status,
        })
    }
}

/// Flags that are meant for the host's compiler, and what cargo tells the programs that it runs.
fn is_of_another_build(name: &str) -> bool {
    const NAMES: [&str; 8] = [
        "CARGO",
        "CARGO_BUILD_TARGET",
        "CARGO_ENCODED_RUSTFLAGS",
        "RUSTC",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_WRAPPER",
        "RUSTFLAGS",
        "RUST_RECURSION_COUNT",
    ];
    const PREFIXES: [&str; 3] = ["CARGO_CFG_", "CARGO_MANIFEST_", "CARGO_PKG_"];
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Where the shell would find a program.
pub(super) fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| is_program(file))
}

fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata()
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}
