//! One door for tests that need a whole daemon on a live kernel.
//!
//! Each daemon has a folder of its own for all that it keeps, so that many can run at the same time.
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
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

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

/// The guest that misbehaves on demand.
pub fn zoo() -> PathBuf {
    let file = std::env::var_os("VESPID_ZOO").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/zoo/zoo.wasm"),
        PathBuf::from,
    );
    assert!(file.exists(), "no zoo at {file:?}: run `cargo xtask build` first");
    file
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

/// Where all tests keep compiled code: each component is compiled once.
pub fn code() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("code")
}

/// The program under test, which leaves the machine's directories alone.
pub fn vespid() -> Command {
    static CONFIG: OnceLock<PathBuf> = OnceLock::new();
    let config = CONFIG.get_or_init(|| {
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("vespid-{}.toml", env!("CARGO_CRATE_NAME")));
        let code = code();
        let text = format!("[plugins]\ncache = {code:?}\n[state]\ndirectory = \"\"\n[control]\nsocket = \"\"\n");
        std::fs::write(&file, text).expect("a configuration");
        file
    });
    let mut vespid = Command::new(env!("CARGO_BIN_EXE_vespid"));
    vespid.env("VESPID_CONFIG", config);
    vespid
}

/// An address that nobody listens on.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
}

/// Status and body of a GET.
pub fn get(address: SocketAddr, path: &str, accept: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
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

/// A running daemon; killed when dropped.
pub struct Daemon {
    child: Child,
    pub address: SocketAddr,
    pub directory: Arc<TempDir>,
}

/// What a command came to.
#[derive(Debug)]
pub struct Done {
    pub code: i32,
    pub out: String,
    pub said: String,
}

impl Daemon {
    /// Starts a daemon with the shipped plugins and waits until it is ready.
    pub fn start(extra: &[&str]) -> Daemon {
        Daemon::start_with(&plugins(), extra)
    }

    /// Like [`Daemon::start`], with the plugins of a directory.
    pub fn start_with(plugins: &Path, extra: &[&str]) -> Daemon {
        let directory = Arc::new(tempfile::tempdir().expect("a temporary directory"));
        let mut args = vec!["--plugins", plugins.to_str().expect("a name")];
        args.extend(extra);
        Daemon::start_in(directory, "", &args)
    }

    /// Starts a daemon that keeps everything in `directory`, where one may have run before, and waits until it is ready.
    /// Its configuration is what takes it there, and `more`.
    pub fn start_in(directory: Arc<TempDir>, more: &str, extra: &[&str]) -> Daemon {
        Daemon::start_program(vespid(), directory, more, extra)
    }

    /// Like [`Daemon::start_in`], with the daemon under another name.
    pub fn start_program(mut program: Command, directory: Arc<TempDir>, more: &str, extra: &[&str]) -> Daemon {
        let address = free_address();
        let home = directory.path();
        let config = format!(
            "plugins.directory = {plugins:?}\nplugins.cache = {cache:?}\nstate.directory = {state:?}\n\
             control.socket = {socket:?}\nverdicts.file = {verdicts:?}\nhttp.listen = \"{address}\"\n{more}",
            plugins = home.join("plugins"),
            cache = code(),
            state = home.join("state"),
            socket = home.join("control.sock"),
            verdicts = home.join("verdicts.jsonl"),
        );
        std::fs::write(home.join("vespid.toml"), config).expect("a configuration");
        let child = program
            .args(["run", "--no-screen", "--config"])
            .arg(home.join("vespid.toml"))
            .args(extra)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(home.join("log")).expect("a log file"))
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
        get(self.address, path, accept)
    }

    /// What /plugins shows.
    pub fn plugins(&self) -> Value {
        let (_, body) = self.get("/plugins", "*/*").expect("an answer");
        serde_json::from_str(&body).expect("JSON")
    }

    /// `vespid ctl …`.
    pub fn ctl(&self, words: &[&str]) -> Done {
        let done = vespid()
            .args(["ctl", "--socket"])
            .arg(self.directory.path().join("control.sock"))
            .args(words)
            .output()
            .expect("vespid runs");
        Done {
            code: done.status.code().unwrap_or(-1),
            out: String::from_utf8(done.stdout).expect("text"),
            said: String::from_utf8(done.stderr).expect("text"),
        }
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

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("a pid")).expect("a pid");
        kill_process(pid, signal).expect("a running daemon");
    }

    /// Ends the daemon as systemd would, and returns its exit code and what it said.
    pub fn stop(mut self) -> (i32, String, Vec<Value>) {
        self.signal(Signal::TERM);
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
