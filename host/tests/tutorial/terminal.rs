//! The shell that a reader would sit at: variables, background jobs and the working directory last from block to block.
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use crate::support;

/// An open shell. What runs in it ends with it.
pub(crate) struct Terminal {
    shell: Child,
    typed: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// The folder that the reader begins in.
    home: TempDir,
    /// The harness's own files.
    desk: TempDir,
}

impl Terminal {
    /// A shell in an empty folder, with `vespid` on the search path and nothing of the machine's own daemon.
    pub(crate) fn open() -> Terminal {
        let (home, desk) = (folder(), folder());
        let at = |name: &str| desk.path().join(name);
        let config = format!(
            "plugins.cache = {cache:?}\nstate.directory = {state:?}\ncontrol.socket = {socket:?}\n\
             http.listen = \"{address}\"\n",
            cache = support::code(),
            state = at("state"),
            socket = at("control.sock"),
            address = support::free_address(),
        );
        fs::write(at("vespid.toml"), config).expect("a configuration");
        let vespid = Path::new(env!("CARGO_BIN_EXE_vespid"));
        let mut search = vec![vespid.parent().expect("a folder").to_owned()];
        search.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
        let mut shell = Command::new("bash")
            .args(["--noprofile", "--norc"])
            .current_dir(home.path())
            .env("PATH", std::env::join_paths(search).expect("a search path"))
            .env("VESPID_CONFIG", at("vespid.toml"))
            .env("VESPID_SOCKET", at("control.sock"))
            // Dependencies are compiled once, however often the test runs.
            .env(
                "CARGO_TARGET_DIR",
                Path::new(env!("CARGO_TARGET_TMPDIR")).join("tutorial"),
            )
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("bash starts");
        let typed = shell.stdin.take().expect("a pipe");
        let answers = BufReader::new(shell.stdout.take().expect("a pipe"));
        Terminal {
            shell,
            typed,
            answers,
            home,
            desk,
        }
    }

    /// Runs lines of shell. Returns the status of the first that failed, and what all of them printed.
    pub(crate) fn run(&mut self, lines: &str) -> (i32, String) {
        let (block, said) = (self.desk.path().join("block"), self.desk.path().join("said"));
        let (cwd, done) = (self.desk.path().join("cwd"), "set +E; trap - ERR");
        fs::write(&block, lines).expect("a file");
        let first = "code=$?; [ $first -ne 0 ] || first=$code";
        writeln!(
            self.typed,
            "first=0; set -E; trap '{first}' ERR; . {block:?} >{said:?} 2>&1 </dev/null; {done}; pwd >{cwd:?}; echo $first"
        )
        .expect("the shell listens");
        let mut status = String::new();
        self.answers.read_line(&mut status).expect("the shell answers");
        let said = fs::read_to_string(&said).unwrap_or_default();
        match status.trim().parse() {
            Ok(status) => (status, said),
            Err(_) => panic!("the shell ended in\n{lines}\nit printed\n{said}"),
        }
    }

    /// Writes a file, named as from where the reader is.
    pub(crate) fn write(&self, path: &Path, text: &str) {
        let path = self.cwd().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        fs::write(path, text).expect("a file");
    }

    fn cwd(&self) -> PathBuf {
        let cwd = fs::read_to_string(self.desk.path().join("cwd")).unwrap_or_default();
        if cwd.is_empty() {
            self.home.path().to_owned()
        } else {
            PathBuf::from(cwd.trim_end_matches('\n'))
        }
    }
}

/// Not in `/tmp`: there the tutorial's own plugin looks for programs.
fn folder() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder")
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(group) = i32::try_from(self.shell.id()).ok().and_then(Pid::from_raw) {
            kill_process_group(group, Signal::KILL).unwrap_or_default();
        }
        drop(self.shell.wait());
    }
}
