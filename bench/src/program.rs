//! The built daemon as a program of its own, with everything that it keeps in a folder that goes with it.
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::page::Page;

/// Name of a configuration.
const LARGE_BATCHES: &str = "large-batches.toml";
/// How long a start may take: a machine without cached code compiles all plugins first.
const START: Duration = Duration::from_secs(120);

/// The program, and where it keeps compiled code from run to run.
pub struct Program {
    file: PathBuf,
    home: TempDir,
}

impl Program {
    /// The daemon in `file`.
    ///
    /// # Errors
    /// If it has not been built, or there is no room for temporary files.
    pub fn new(file: &Path) -> anyhow::Result<Program> {
        if !file.exists() {
            bail!("there is no {}: `cargo xtask bench` builds it", file.display());
        }
        let home = tempfile::tempdir()?;
        for filter in [true, false] {
            let config = format!(
                "plugins.cache = {:?}\nstate.directory = \"\"\ncontrol.socket = \"\"\nverdicts.file = \"/dev/null\"\n\
                 log.level = \"error\"\nkernel.filter = {filter}\nkernel.merge = {filter}\n",
                home.path().join("code")
            );
            std::fs::write(home.path().join(config_file(filter)), &config)?;
            std::fs::write(
                home.path().join(LARGE_BATCHES),
                format!("{config}batch.max_age_ms = 1000\n"),
            )?;
        }
        Ok(Program {
            file: file.to_owned(),
            home,
        })
    }

    /// A call of it that leaves the machine's directories alone.
    #[must_use]
    pub fn command(&self) -> Command {
        self.command_by(config_file(true))
    }

    /// The same, with batches that may span a second.
    #[must_use]
    pub fn command_with_large_batches(&self) -> Command {
        self.command_by(LARGE_BATCHES)
    }

    fn command_by(&self, config: &str) -> Command {
        let mut command = Command::new(&self.file);
        command.env("VESPID_CONFIG", self.home.path().join(config));
        command
    }

    /// Whether live events can be had here; if not, why.
    ///
    /// # Errors
    /// What is missing.
    pub fn is_live(&self) -> Result<(), String> {
        let done = self.command().args(["doctor", "--quiet"]).status();
        match done {
            Ok(status) if status.success() => Ok(()),
            Ok(_) => Err("no BPF here; `vespid doctor` says why".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Starts a daemon on an address of its own, and waits until it is ready. Without `filter`, the kernel leaves nothing
    /// out.
    ///
    /// # Errors
    /// If it does not become ready.
    pub fn start(&self, plugins: &Path, filter: bool) -> anyhow::Result<Daemon> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = self.command_by(config_file(filter));
        command.arg("run").arg("--plugins").arg(plugins);
        command.args(["--listen", &address.to_string()]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let daemon = Daemon {
            process: Process(command.spawn().context("the daemon does not start")?),
            address,
        };
        let deadline = Instant::now() + START;
        while get(address, "/readyz").is_none() {
            if Instant::now() > deadline {
                bail!("the daemon is not ready after {START:?}");
            }
            pause(Duration::from_millis(20));
        }
        Ok(daemon)
    }
}

fn config_file(filter: bool) -> &'static str {
    if filter { "vespid.toml" } else { "unfiltered.toml" }
}

/// A running daemon.
pub struct Daemon {
    /// Its process.
    pub process: Process,
    address: SocketAddr,
}

impl Daemon {
    /// Its metrics.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn page(&self) -> anyhow::Result<Page> {
        get(self.address, "/metrics")
            .map(|text| Page::parse(&text))
            .context("the daemon does not answer")
    }
}

/// A child that ends with its owner.
pub struct Process(pub Child);

impl Process {
    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// CPU seconds that it has used, in the kernel and outside, to a clock tick (proc(5)).
    #[must_use]
    pub fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        let fields = stat.rsplit(')').next().unwrap_or_default();
        let ticks = fields.split_ascii_whitespace().skip(11).take(2);
        let ticks: f64 = ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
        ticks / 100.0
    }

    /// Bytes of it in RAM.
    #[must_use]
    pub fn resident_bytes(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok());
        kib.unwrap_or(f64::NAN) * 1024.0
    }

    /// Asks it to end, and waits until it has; it is killed after a while.
    pub fn end(&mut self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        // Whoever has ended already needs no signal.
        pid.map_or(Ok(()), |pid| kill_process(pid, signal)).unwrap_or_default();
        let deadline = Instant::now() + Duration::from_secs(10);
        while matches!(self.0.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                drop(self.0.kill());
            }
            pause(Duration::from_millis(10));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end(Signal::TERM);
    }
}

/// Waits.
pub fn pause(time: Duration) {
    crossbeam_channel::after(time).into_iter().take(1).for_each(|_| {});
}

/// The body of an answer with status 200.
fn get(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: vespid\r\nConnection: close\r\n\r\n"
    )
    .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    (head.split(' ').nth(1) == Some("200")).then(|| body.to_owned())
}

/// Where a program of this name is, if it is installed.
#[must_use]
pub fn installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}
