//! One door for tests that need a whole daemon on a live kernel.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "each test binary uses a part"
)]
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The built components.
pub fn plugins() -> PathBuf {
    let directory = std::env::var_os("VESPID_PLUGINS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/plugins"),
        PathBuf::from,
    );
    assert!(
        directory.join("tcp-stats.wasm").exists(),
        "no plugins in {directory:?}: run `cargo xtask build` first"
    );
    directory
}

/// Whether live events can be had here; says aloud if not, and fails if they must be had.
pub fn is_live() -> bool {
    let done = vespid().args(["doctor", "--quiet"]).status().expect("vespid runs");
    if done.success() {
        return true;
    }
    assert!(
        std::env::var_os("VESPID_REQUIRE_BPF").is_none(),
        "BPF is required here, but `vespid doctor` fails"
    );
    eprintln!("SKIPPED: no BPF here; `vespid doctor` says why");
    false
}

/// The program under test.
pub fn vespid() -> Command {
    Command::new(env!("CARGO_BIN_EXE_vespid"))
}

/// An address that nobody listens on.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
}

/// A running daemon; killed when dropped.
pub struct Daemon {
    child: Child,
    pub address: SocketAddr,
    pub directory: tempfile::TempDir,
}

impl Daemon {
    /// Starts a daemon with the shipped plugins and waits until it is ready.
    pub fn start(extra: &[&str]) -> Daemon {
        Daemon::start_with(&plugins(), extra)
    }

    /// Like [`Daemon::start`], with the plugins of a directory.
    pub fn start_with(plugins: &Path, extra: &[&str]) -> Daemon {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let address = free_address();
        let child = vespid()
            .args(["run", "--no-screen", "--listen", &address.to_string()])
            .arg("--plugins")
            .arg(plugins)
            .arg("--verdicts")
            .arg(directory.path().join("verdicts.jsonl"))
            .args(extra)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(directory.path().join("log")).expect("a log file"))
            .spawn()
            .expect("vespid starts");
        let mut daemon = Daemon {
            child,
            address,
            directory,
        };
        daemon.wait_for("the daemon to be ready", |daemon| {
            if let Some(status) = daemon.child.try_wait().expect("a child") {
                panic!("vespid ended with {status}:\n{}", daemon.log());
            }
            daemon
                .get("/readyz", "*/*")
                .is_some_and(|(status, _)| status == 200)
                .then_some(())
        });
        daemon
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// Status and body of a GET.
    pub fn get(&self, path: &str, accept: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect_timeout(&self.address, Duration::from_secs(1)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: vespid\r\nAccept: {accept}\r\nConnection: close\r\n\r\n"
        )
        .ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let answer = String::from_utf8(answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, body.to_owned()))
    }

    pub fn metrics(&self) -> Metrics {
        Metrics(self.get("/metrics", "text/plain").expect("metrics").1)
    }

    /// All verdicts so far.
    pub fn verdicts(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.directory.path().join("verdicts.jsonl")).unwrap_or_default();
        let complete = text.rfind('\n').map_or("", |end| &text[..end]);
        complete
            .lines()
            .map(|line| serde_json::from_str(line).expect(line))
            .collect()
    }

    /// The first verdict that fits, waited for.
    pub fn verdict(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        self.wait_for(what, |daemon| {
            daemon.verdicts().into_iter().find(|verdict| fits(verdict))
        })
    }

    /// Polls until `found` finds something; fails with the daemon's log after 20 seconds.
    pub fn wait_for<T>(&mut self, what: &str, mut found: impl FnMut(&mut Daemon) -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(found) = found(self) {
                return found;
            }
            if start.elapsed() > Duration::from_secs(20) {
                let verdicts: Vec<String> = self.verdicts().iter().map(ToString::to_string).collect();
                panic!(
                    "waited in vain for {what}\nlog:\n{}\nverdicts:\n{}",
                    self.log(),
                    verdicts.join("\n")
                );
            }
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }

    /// Ends the daemon as systemd would, and returns its exit code and what it said.
    pub fn stop(mut self) -> (i32, String, Vec<Value>) {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.child.id()).expect("a pid")).expect("a pid");
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("a running daemon");
        let status = self.child.wait().expect("a child");
        (status.code().unwrap_or(-1), self.log(), self.verdicts())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A scrape in the classic text format.
pub struct Metrics(pub String);

impl Metrics {
    /// The sum over all series of a family whose labels contain each of `labels` (as `name="value"`).
    pub fn sum(&self, family: &str, labels: &[&str]) -> f64 {
        self.0
            .lines()
            .filter(|line| {
                line.strip_prefix(family)
                    .is_some_and(|rest| rest.starts_with(['{', ' ']))
            })
            .filter(|line| labels.iter().all(|label| line.contains(label)))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }
}
