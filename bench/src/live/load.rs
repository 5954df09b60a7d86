//! Loads: a process that does one thing again and again, as fast as it goes or at a fixed rate, and says how often.
use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rustix::fs::{CWD, Mode, OFlags};

use crate::program::{Process, pause};

/// How many files are opened in turn.
const FILES: usize = 64;
/// How many pages are fetched for each compilation.
const PAGES: usize = 20;
/// How long the web server may take to start.
const SERVER_START: Duration = Duration::from_secs(10);

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// A child that runs `/bin/true`.
    Exec,
    /// A file opened and closed.
    Open,
    /// A loopback connection, 64 bytes there and back.
    Tcp,
    /// A small compilation, a question to the package database, and pages of a web server.
    Work,
}

impl Load {
    /// Every load.
    pub const ALL: [Load; 4] = [Load::Exec, Load::Open, Load::Tcp, Load::Work];

    /// Its name, which is also that of the events that it makes.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Load::Exec => "exec",
            Load::Open => "open",
            Load::Tcp => "tcp",
            Load::Work => "work",
        }
    }

    /// The load of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Load> {
        Load::ALL.into_iter().find(|load| load.name() == name)
    }

    /// A rate, by the second, that a node may well have for long.
    #[must_use]
    pub fn usual_rate(self) -> Option<u32> {
        match self {
            Load::Exec => Some(500),
            Load::Open => Some(20_000),
            Load::Tcp => Some(1_000),
            Load::Work => None,
        }
    }

    /// Why it cannot be had here.
    #[must_use]
    pub fn lacks(self) -> Option<&'static str> {
        let has = |program: &str| {
            ["/usr/bin", "/bin"]
                .iter()
                .any(|folder| Path::new(folder).join(program).exists())
        };
        match self {
            Load::Work if !["cc", "dpkg-query", "python3"].into_iter().all(has) => {
                Some("there is no `cc`, no `dpkg-query`, or no `python3` to serve pages")
            }
            _ => None,
        }
    }

    /// Runs it in a process of its own; how often it was done, and in how many seconds.
    ///
    /// # Errors
    /// If it cannot be run.
    pub fn run(self, time: Duration, rate: Option<u32>) -> anyhow::Result<(f64, f64)> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args([
            "load",
            self.name(),
            &time.as_millis().to_string(),
            &rate.unwrap_or(0).to_string(),
        ]);
        let output = command.stderr(Stdio::inherit()).output()?;
        let said = String::from_utf8(output.stdout)?;
        let (count, seconds) = said.trim().split_once(' ').context("the load said nothing")?;
        Ok((count.parse()?, seconds.parse()?))
    }
}

/// The process itself: `load NAME MILLISECONDS RATE`, 0 for as fast as it goes.
///
/// # Errors
/// If it cannot do its work.
pub fn main(args: &[OsString]) -> anyhow::Result<(u64, f64)> {
    let args: Vec<&str> = args.iter().filter_map(|arg| arg.to_str()).collect();
    let [name, time, rate] = args[..] else {
        bail!("load NAME MILLISECONDS RATE");
    };
    let load = Load::from_name(name).with_context(|| format!("no load `{name}`"))?;
    let (time, rate) = (Duration::from_millis(time.parse()?), rate.parse()?);
    match load {
        Load::Exec => {
            let mut command = Command::new("/bin/true");
            repeat(time, rate, || Ok(command.status().map(|_| ())?))
        }
        Load::Open => {
            let folder = tempfile::tempdir()?;
            let files: Vec<_> = (0..FILES).map(|at| folder.path().join(format!("file-{at}"))).collect();
            files.iter().try_for_each(|file| std::fs::write(file, "x"))?;
            let mut next = files.iter().cycle();
            repeat(time, rate, || {
                let file = next.next().context("files")?;
                drop(rustix::fs::openat(
                    CWD,
                    file.as_path(),
                    OFlags::RDONLY | OFlags::CLOEXEC,
                    Mode::empty(),
                )?);
                Ok(())
            })
        }
        Load::Tcp => connections(time, rate),
        Load::Work => work(time, rate),
    }
}

/// Compiles, asks the package database, and fetches pages.
fn work(time: Duration, rate: u32) -> anyhow::Result<(u64, f64)> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("page"), [b'x'; 4096])?;
    // Free a moment ago; whoever else takes it, the server then ends, and nobody answers.
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let mut server = Command::new("python3");
    server.args(["-m", "http.server", &address.port().to_string(), "--bind", "127.0.0.1"]);
    server.current_dir(folder.path());
    server.stdout(Stdio::null()).stderr(Stdio::null());
    let _server = Process(server.spawn()?);
    let begin = Instant::now();
    while let Err(error) = TcpStream::connect(address) {
        ensure!(begin.elapsed() < SERVER_START, "the web server does not start: {error}");
        pause(Duration::from_millis(10));
    }
    let mut build = Command::new("/bin/sh");
    build.args([
        "-c",
        "echo 'int main(void) { return 0; }' | cc -x c -o /dev/null - && dpkg-query -S /bin/sh",
    ]);
    build.stdout(Stdio::null()).stderr(Stdio::null());
    repeat(time, rate, || {
        build.status()?;
        (0..PAGES).try_for_each(|_| fetch(address))
    })
}

fn fetch(address: SocketAddr) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"GET /page HTTP/1.0\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    ensure!(
        answer.len() > 4096,
        "the web server answered with {} bytes",
        answer.len()
    );
    Ok(())
}

/// One thread answers, this one asks.
fn connections(time: Duration, rate: u32) -> anyhow::Result<(u64, f64)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // The asking side sees what goes wrong.
            drop(answer(stream));
        }
    });
    repeat(time, rate, || {
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(&[7; 64])?;
        Ok(stream.read_exact(&mut [0; 64])?)
    })
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut question = [0; 64];
    stream.read_exact(&mut question)?;
    stream.write_all(&question)
}

/// Does it for so long; with a rate, in small groups that wait for their time.
fn repeat(time: Duration, rate: u32, mut once: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<(u64, f64)> {
    let (begin, mut count) = (Instant::now(), 0_u64);
    loop {
        let elapsed = begin.elapsed();
        if elapsed >= time {
            return Ok((count, elapsed.as_secs_f64()));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count of what is due"
        )]
        let due = if rate == 0 {
            u64::MAX
        } else {
            (elapsed.as_secs_f64() * f64::from(rate)) as u64
        };
        if count >= due {
            pause(Duration::from_millis(1));
            continue;
        }
        for _ in 0..(due - count).min(64) {
            once()?;
            count += 1;
        }
    }
}
