//! What is done under the probes: one thing again and again, in a process of its own, as the daemon's own process is not
//! looked at.
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, bail};
use rustix::fs::{CWD, MemfdFlags, Mode, OFlags};
use vespid_ebpf::Kind;

/// How many parts an order is done in.
const PARTS: u32 = 21;

/// Something that is done, and what of it is looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Act {
    /// Its name, as the process is told it.
    pub(super) name: &'static str,
    /// What is done, for people.
    pub(super) what: &'static str,
    /// The kinds that are asked for meanwhile.
    pub(super) kinds: u32,
    /// How often it is done at a time.
    pub(super) count: u32,
}

const fn act(name: &'static str, what: &'static str, kinds: u32, count: u32) -> Act {
    Act {
        name,
        what,
        kinds,
        count,
    }
}

const OPEN: u32 = Kind::Open.bit();
const CHANGE: u32 = Kind::Change.bit();
const PRIVILEGED: u32 = Kind::Privileged.bit();
const SOCKET: u32 = Kind::Socket.bit();

/// System calls. Those of the first part concern no probe.
pub(super) const CALLS: [Act; 15] = [
    act("getppid", "getppid, opens wanted", OPEN, 20_000),
    act("getppid", "getppid, changes wanted", CHANGE, 20_000),
    act("getppid", "getppid, privileged calls wanted", PRIVILEGED, 20_000),
    act("getppid", "getppid, sockets wanted", SOCKET, 20_000),
    act(
        "getppid",
        "getppid, all wanted",
        OPEN | CHANGE | PRIVILEGED | SOCKET,
        20_000,
    ),
    act("write", "write to /dev/null, sockets wanted", SOCKET, 20_000),
    act(
        "stream",
        "write and read on a TCP connection, sockets wanted",
        SOCKET,
        1_000,
    ),
    act("open", "open and close, six components", OPEN, 2_000),
    act("missing", "open of what is not there", OPEN, 2_000),
    act("mode", "chmod", CHANGE, 2_000),
    act("memfd", "memfd_create and close", PRIVILEGED, 2_000),
    act("bind", "socket, bind of UDP, close", SOCKET, 1_000),
    act("unix", "socket, connect of Unix in vain, close", SOCKET, 1_000),
    act("flow", "datagram sent and received, known flow", SOCKET, 1_000),
    act("first", "datagram sent, new flow", SOCKET, 1_000),
];

/// A connection made, 64 bytes there and back, and closed; both ends.
pub(super) const CONNECTION: Act = act(
    "tcp",
    "connection: both ends, from connect to close",
    Kind::Connection.bit(),
    50,
);

/// Fork, exec and exit.
pub(super) const PROCESS: Act = act("process", "process: fork, exec, exit", Kind::TREE, 100);

/// The process that does it.
pub(super) struct Actor {
    process: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Actor {
    pub(super) fn start(act: &Act) -> anyhow::Result<Actor> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["act", act.name]);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let orders = process.stdin.take().context("its input")?;
        let answers = BufReader::new(process.stdout.take().context("its output")?);
        Ok(Actor {
            process,
            orders,
            answers,
        })
    }

    /// Its process id.
    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Has it done `count` times; says nanoseconds each.
    pub(super) fn run(&mut self, count: u32) -> anyhow::Result<f64> {
        writeln!(self.orders, "{count}")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        line.trim().parse().context("the process ended early")
    }

    pub(super) fn end(self) -> anyhow::Result<()> {
        let Actor {
            mut process, orders, ..
        } = self;
        drop(orders);
        process.wait()?;
        Ok(())
    }
}

/// The process itself: `act NAME`; each line of its input says how often.
///
/// # Errors
/// If it cannot do its work.
pub fn main(args: &[OsString]) -> anyhow::Result<()> {
    let [name] = args else { bail!("act NAME") };
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    match name.to_str().unwrap_or_default() {
        "getppid" => obey(|| {
            std::hint::black_box(rustix::process::getppid());
            Ok(())
        }),
        "write" => {
            let mut null = std::fs::File::create("/dev/null")?;
            obey(|| Ok(null.write_all(b"x")?))
        }
        "stream" => {
            let (mut near, mut far) = stream()?;
            obey(|| {
                near.write_all(b"x")?;
                Ok(far.read_exact(&mut [0])?)
            })
        }
        "open" => {
            let place = folder.join("a/b/c");
            std::fs::create_dir_all(&place)?;
            let file = place.join("file");
            std::fs::write(&file, "x")?;
            obey(|| open(&file))
        }
        "missing" => obey(|| {
            // That it fails is what is wanted.
            drop(open(Path::new("/nowhere/at/all")));
            Ok(())
        }),
        "mode" => {
            let file = folder.join("file");
            std::fs::write(&file, "x")?;
            obey(|| Ok(std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600))?))
        }
        "memfd" => obey(|| Ok(rustix::fs::memfd_create("bench", MemfdFlags::CLOEXEC).map(drop)?)),
        "bind" => obey(|| Ok(UdpSocket::bind("127.0.0.1:0").map(drop)?)),
        "unix" => obey(|| {
            drop(UnixStream::connect("/nowhere/at/all"));
            Ok(())
        }),
        "flow" => {
            let [near, far] = [UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?];
            let address = far.local_addr()?;
            obey(|| {
                near.send_to(b"x", address)?;
                far.recv_from(&mut [0; 8])?;
                Ok(())
            })
        }
        "first" => {
            let (near, sink) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("0.0.0.0:0")?);
            let port = sink.local_addr()?.port();
            let mut next = u32::from(Ipv4Addr::new(127, 1, 0, 0));
            obey(|| {
                next += 1;
                near.send_to(b"x", (Ipv4Addr::from(next), port))?;
                Ok(())
            })
        }
        "tcp" => {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            let address = listener.local_addr()?;
            obey(|| {
                let mut near = TcpStream::connect(address)?;
                let (mut far, _) = listener.accept()?;
                exchange(&mut near, &mut far)?;
                Ok(exchange(&mut far, &mut near)?)
            })
        }
        "process" => {
            let mut command = Command::new("/bin/true");
            obey(|| Ok(command.status().map(|_| ())?))
        }
        other => bail!("no act `{other}`"),
    }
}

fn open(file: &Path) -> anyhow::Result<()> {
    drop(rustix::fs::openat(
        CWD,
        file,
        OFlags::RDONLY | OFlags::CLOEXEC,
        Mode::empty(),
    )?);
    Ok(())
}

fn stream() -> std::io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let near = TcpStream::connect(listener.local_addr()?)?;
    near.set_nodelay(true)?;
    Ok((near, listener.accept()?.0))
}

fn exchange(from: &mut TcpStream, to: &mut TcpStream) -> std::io::Result<()> {
    from.write_all(&[7; 64])?;
    to.read_exact(&mut [0; 64])
}

/// Does it as often as the next line says, and answers with nanoseconds each: the median of parts so short that most of
/// them are not interrupted. Caches are warm by then.
fn obey(mut once: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut answers = std::io::stdout();
    for line in std::io::stdin().lines() {
        let count: u32 = line?.trim().parse()?;
        for _ in 0..count.div_ceil(10) {
            once()?;
        }
        let part = (count / PARTS).max(1);
        let mut times = Vec::new();
        for _ in 0..count / part {
            let begin = Instant::now();
            for _ in 0..part {
                once()?;
            }
            times.push(begin.elapsed().as_secs_f64() * 1e9 / f64::from(part));
        }
        times.sort_unstable_by(f64::total_cmp);
        writeln!(answers, "{}", times[times.len() / 2])?;
        answers.flush()?;
    }
    Ok(())
}
