//! The daemon's side of a compiler process: start it, feed it, read from it, and be rid of it in bounded time.
use std::ffi::OsString;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use super::error::CompileError;
use super::pulse::{EVERY, Pulse};
use super::serve::INVALID;
use crate::bytes::Bytes;
use crate::plugin::refusal::Why;

/// What is kept of a compiler's last words.
const SAID_BYTES: usize = 4 << 10;
/// Compiling small components gains little from more, and a node has other things to do.
const MAX_THREADS: u32 = 4;

/// A program that is started for each component: component on standard input, code on standard output.
#[derive(Clone, Debug)]
pub struct Child {
    /// The program, by its absolute path. What it writes runs in this process, so it must be one to trust as oneself.
    pub program: PathBuf,
    /// Its arguments; `--memory-bytes` and `--cpu-seconds` with its [`super::Allowance`] follow them.
    pub arguments: Vec<OsString>,
    /// What it may use.
    pub limits: ChildLimits,
}

/// What one compilation may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChildLimits {
    /// Processor time, by each of its threads. By the clock it may take any time, as it yields to others.
    pub time: Duration,
    /// How long it may neither compute nor read nor write.
    pub idle: Duration,
    /// Address space.
    pub memory_bytes: u64,
    /// Code that a component may compile to.
    pub code_bytes: usize,
}

impl Default for ChildLimits {
    fn default() -> ChildLimits {
        ChildLimits {
            time: Duration::from_mins(2),
            // On the busiest node somebody who wants to compute gets to, within seconds.
            idle: Duration::from_mins(5),
            memory_bytes: 4 << 30,
            code_bytes: 256 << 20,
        }
    }
}

impl Child {
    /// This program, as `vespid compile`: whatever file it was started from, and whatever became of that file since.
    /// So only for `vespid` itself; another program would find itself started with an argument that it does not know.
    #[must_use]
    pub fn this_program() -> Child {
        Child {
            program: "/proc/self/exe".into(),
            arguments: vec!["compile".into()],
            limits: ChildLimits::default(),
        }
    }

    /// Compiles a component.
    pub(super) fn compile(&self, component: &[u8]) -> Result<Vec<u8>, Why> {
        let mut talk = self.start(component).map_err(|error| CompileError::Start {
            program: self.program.clone(),
            error,
        })?;
        talk.converse(self)?;
        let said = in_one_line(&talk.said);
        let code = std::mem::take(&mut talk.code);
        let status = talk.end().map_err(CompileError::Pipe)?;
        if status.success() {
            Ok(code)
        } else {
            Err(self.explain(status, said))
        }
    }

    fn start<'a>(&self, component: &'a [u8]) -> io::Result<Talk<'a>> {
        let threads = threads();
        // The compiler's own limit, should nobody look after it any more; in whole seconds, and not below that of
        // whoever does.
        let cpu_seconds = self.allowed().as_secs() + 1;
        let mut process = Command::new(&self.program)
            .args(&self.arguments)
            .arg(format!("--memory-bytes={}", self.limits.memory_bytes))
            .arg(format!("--cpu-seconds={cpu_seconds}"))
            .env_clear()
            // How wasmtime's thread pool is told.
            .env("RAYON_NUM_THREADS", threads.to_string())
            .current_dir("/")
            // So that whatever it starts can be ended with it, and a terminal's Ctrl-C is the daemon's alone.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let (stdin, stdout, stderr) = (process.stdin.take(), process.stdout.take(), process.stderr.take());
        let process = Process {
            child: process,
            has_ended: false,
        };
        let exit = pidfd_open(process.pid(), PidfdFlags::empty())?;
        for pipe in [
            stdin.as_ref().map(AsFd::as_fd),
            stdout.as_ref().map(AsFd::as_fd),
            stderr.as_ref().map(AsFd::as_fd),
        ] {
            let pipe = pipe.ok_or_else(|| io::Error::other("no pipe"))?;
            fcntl_setfl(pipe, fcntl_getfl(pipe)? | OFlags::NONBLOCK)?;
        }
        Ok(Talk {
            process,
            exit,
            stdin,
            component,
            stdout,
            code: Vec::new(),
            stderr,
            said: Vec::new(),
        })
    }

    /// Processor time of all its threads together.
    fn allowed(&self) -> Duration {
        self.limits.time * threads()
    }

    fn explain(&self, status: ExitStatus, said: String) -> Why {
        let is_memory = ["memory allocation of", "Cannot allocate memory", "out of memory"]
            .iter()
            .any(|words| said.contains(words));
        let signal = status.signal().and_then(Signal::from_named_raw);
        match signal {
            _ if is_memory => Why::Compile(CompileError::OutOfMemory {
                max_bytes: self.limits.memory_bytes,
            }),
            _ if status.code() == Some(INVALID.into()) => {
                Why::Invalid(said.strip_prefix("vespid: ").unwrap_or(&said).to_owned())
            }
            Some(Signal::XCPU) => Why::Compile(self.too_slow()),
            Some(Signal::KILL) => Why::Compile(CompileError::Killed),
            _ => Why::Compile(CompileError::Crashed { status, said }),
        }
    }

    fn too_slow(&self) -> CompileError {
        CompileError::TooSlow { max: self.limits.time }
    }
}

fn threads() -> u32 {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    u32::try_from(threads).map_or(MAX_THREADS, |threads| threads.min(MAX_THREADS))
}

/// A process that does not outlive its owner's interest in it.
struct Process {
    child: std::process::Child,
    has_ended: bool,
}

impl Process {
    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Kills it, with whatever it started, and collects how it ended.
    fn end(&mut self) -> io::Result<ExitStatus> {
        // Until it is waited for its number is its own, even if it has ended; afterwards it may be somebody else's.
        if !self.has_ended {
            match kill_process_group(self.pid(), Signal::KILL) {
                Ok(()) | Err(Errno::SRCH | Errno::PERM) => self.has_ended = true,
                Err(error) => return Err(error.into()),
            }
        }
        self.child.wait()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            tracing::warn!("a compiler process cannot be ended: {error}");
        }
    }
}

/// A running compiler and what goes to and from it. Nothing here blocks, whatever the other side does.
struct Talk<'a> {
    process: Process,
    exit: OwnedFd,
    stdin: Option<ChildStdin>,
    /// What it has yet to read.
    component: &'a [u8],
    stdout: Option<ChildStdout>,
    code: Vec<u8>,
    stderr: Option<ChildStderr>,
    said: Vec<u8>,
}

impl Talk<'_> {
    /// Goes on until the process has ended and its output was read.
    fn converse(&mut self, child: &Child) -> Result<(), CompileError> {
        let mut pulse = Pulse::of(self.process.pid());
        loop {
            let has_ended = self.wait().map_err(CompileError::Pipe)?;
            let has_moved = self.step().map_err(CompileError::Pipe)?;
            if self.code.len() > child.limits.code_bytes {
                return Err(CompileError::TooMuchCode {
                    max_bytes: child.limits.code_bytes,
                });
            }
            if has_ended && !has_moved {
                return Ok(());
            }
            if has_moved {
                pulse.beat();
            }
            let Some((used, idle)) = pulse.look() else { continue };
            if used > child.allowed() {
                return Err(child.too_slow());
            }
            if idle > child.limits.idle {
                return Err(CompileError::Stuck {
                    idle: child.limits.idle,
                });
            }
        }
    }

    /// Waits for something to do, or to look after; whether the process has ended.
    fn wait(&self) -> io::Result<bool> {
        let some = Timespec::try_from(EVERY).map_err(io::Error::other)?;
        let mut waits = vec![PollFd::new(&self.exit, PollFlags::IN)];
        waits.extend(self.stdin.iter().map(|pipe| PollFd::new(pipe, PollFlags::OUT)));
        waits.extend(self.stdout.iter().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        waits.extend(self.stderr.iter().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        match poll(&mut waits, Some(&some)) {
            Ok(_) => Ok(waits.first().is_some_and(|exit| !exit.revents().is_empty())),
            Err(Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Moves at most one piece each way; whether any moved.
    fn step(&mut self) -> io::Result<bool> {
        let mut piece = [0; 64 << 10];
        let mut moved = 0;
        if let Some(stdin) = &mut self.stdin {
            match piece_of(stdin.write(self.component)) {
                Ok(sent) => {
                    self.component = self.component.get(sent..).unwrap_or_default();
                    moved += sent;
                }
                // It needs no more, or has ended; its exit status says which.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => self.component = &[],
                Err(error) => return Err(error),
            }
            if self.component.is_empty() {
                self.stdin = None;
            }
        }
        if let Some(got) = receive(&mut self.stdout, &mut piece)? {
            self.code.extend_from_slice(got);
            moved += got.len();
        }
        if let Some(got) = receive(&mut self.stderr, &mut piece)? {
            let room = SAID_BYTES.saturating_sub(self.said.len());
            self.said.extend(got.iter().take(room));
            moved += got.len();
        }
        Ok(moved > 0)
    }

    fn end(mut self) -> io::Result<ExitStatus> {
        self.process.end()
    }
}

/// What a pipe has; its end closes it.
fn receive<'a>(pipe: &mut Option<impl Read>, piece: &'a mut [u8]) -> io::Result<Option<&'a [u8]>> {
    let Some(reader) = pipe else { return Ok(None) };
    match reader.read(piece) {
        Ok(0) => {
            *pipe = None;
            Ok(None)
        }
        got => piece_of(got).map(|len| piece.get(..len)),
    }
}

/// Words that may be shaped by the component, for a message: its lines joined, and nothing in it that a terminal obeys.
fn in_one_line(said: &[u8]) -> String {
    let lines = said.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let lines = lines.filter(|line| !line.is_empty());
    lines
        .map(|line| Bytes::from(line).to_string())
        .collect::<Vec<_>>()
        .join("; ")
}

fn piece_of(result: io::Result<usize>) -> io::Result<usize> {
    match result {
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(0),
        result => result,
    }
}
