//! The same scripted work seen by Vespid and by well-known tracers at the same time: opens by `opensnoop`, executions by
//! `execsnoop`, connections by `tcplife`. Both see the same; `docs/coverage.md` lists where they say it differently.
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde_json::Value;
use tempfile::TempDir;

use crate::actor::actor;
use crate::tools::{find, is_missing};
use crate::yardstick::stage::Stage;

const PATIENCE: Duration = Duration::from_secs(30);

/// A tracer that runs, with what it needs mounted where nobody else sees it. It is ended when dropped.
struct Tracer {
    child: Child,
    folder: TempDir,
    sign: Sign,
    signs: usize,
}

/// Work that the tracer tells in a line with this word: a command, and the word.
type Sign = fn(usize) -> (Command, String);

impl Tracer {
    /// Starts it, and waits until it traces; none, said aloud, without it.
    fn start(name: &str, options: &[&str], sign: Sign, stage: &mut Stage) -> Option<Tracer> {
        let folders = std::env::var("VESPID_SNOOPS").unwrap_or_default();
        let path = format!("{folders}:{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        let Some(program) = find(name, &path) else {
            is_missing(name);
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder");
        let mut unshare = Command::new("unshare");
        let child = unshare
            .args(["--mount", "--propagation", "private", "sh", "-c"])
            .arg("{ test -e /sys/kernel/tracing/events || mount -t tracefs none /sys/kernel/tracing; } && exec stdbuf -oL \"$0\" \"$@\"")
            .arg(program)
            .args(options)
            .stdin(Stdio::null())
            .stdout(File::create(folder.path().join("said")).expect("a file"))
            .stderr(File::create(folder.path().join("errors")).expect("a file"))
            .spawn()
            .expect("unshare runs");
        let mut tracer = Tracer {
            child,
            folder,
            sign,
            signs: 0,
        };
        let deadline = Instant::now() + PATIENCE;
        // It writes the heading before it makes its buffers: what happens between them is lost to it.
        let mut expected: Vec<String> = Vec::new();
        while !expected.iter().any(|word| tracer.has_said(word)) {
            if tracer.child.try_wait().expect("a child").is_some() || Instant::now() > deadline {
                let errors = fs::read_to_string(tracer.folder.path().join("errors")).unwrap_or_default();
                is_missing(&format!("{name} that runs on this kernel ({})", errors.trim()));
                return None;
            }
            if tracer.said().contains("PID") {
                expected.push(tracer.give_sign(stage));
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        Some(tracer)
    }

    fn said(&self) -> String {
        fs::read_to_string(self.folder.path().join("said")).expect("text")
    }

    fn has_said(&self, word: &str) -> bool {
        self.said().split_whitespace().any(|said| said == word)
    }

    /// Does what it tells with the word returned.
    fn give_sign(&mut self, stage: &mut Stage) -> String {
        let (mut command, word) = (self.sign)(self.signs);
        self.signs += 1;
        stage.run(command.stdout(Stdio::null()).stderr(Stdio::null()));
        word
    }

    /// Its lines below the heading, once all that happened until now is among them: it has a buffer for each CPU and
    /// reads one after another, so a sign is waited for from every CPU.
    fn lines(&mut self, stage: &mut Stage) -> Vec<String> {
        let before = sched_getaffinity(None).expect("the thread's CPUs");
        let mut expected: Vec<String> = Vec::new();
        for cpu in (0..CpuSet::MAX_CPU).filter(|&cpu| before.is_set(cpu)) {
            let mut only = CpuSet::new();
            only.set(cpu);
            // Children inherit it.
            sched_setaffinity(None, &only).expect("a CPU of its own");
            expected.push(self.give_sign(stage));
        }
        sched_setaffinity(None, &before).expect("the CPUs as before");
        let deadline = Instant::now() + PATIENCE;
        while let Some(missing) = expected.iter().find(|word| !self.has_said(word)) {
            stage.collect();
            assert!(Instant::now() < deadline, "{missing} is missing: {}", self.said());
        }
        self.said().lines().skip(1).map(str::to_owned).collect()
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        // It may have ended by itself.
        let _told = pid.map(|pid| kill_process(pid, Signal::INT));
        drop(self.child.wait());
    }
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}

/// Rows of this kind of a process and its descendants, in order.
fn rows(stage: &Stage, kind: &str, root: u32) -> Vec<Value> {
    let is_of = |process: &Value| process["pid"] == root;
    let below = |row: &Value| row["ancestors"].as_array().is_some_and(|all| all.iter().any(is_of));
    let rows = stage.rows().iter().filter(|row| row["event"]["kind"] == kind);
    rows.filter(|row| is_of(&row["process"]) || below(row))
        .cloned()
        .collect()
}

/// A folder with what the script works on.
fn workplace() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = fs::canonicalize(&folder).expect("a folder");
    fs::create_dir(path.join("below")).expect("a folder");
    fs::write(path.join("file"), "x").expect("a file");
    fs::write(path.join("script"), "#!/bin/sh\n:\n").expect("a file");
    std::os::unix::fs::symlink("file", path.join("link")).expect("a link");
    (folder, path)
}

#[test]
fn opens_are_those_that_opensnoop_sees() {
    let Some(mut stage) = Stage::new() else { return };
    let sign = |number: usize| {
        let path = format!("/no/sign-{number}");
        let mut command = Command::new("cat");
        command.arg(&path);
        (command, path)
    };
    let Some(mut tracer) = Tracer::start("opensnoop", &[], sign, &mut stage) else {
        return;
    };
    let (_keep, folder) = workplace();
    let script = "cat file link ./below/../file missing /no/where > copy; for i in 1 2 3; do : >> appended; done; \
                  ls -l below; grep -r x . ; cat below; find . -type f; : < the-end";
    let root = stage.run(
        Command::new("sh")
            .args(["-c", script])
            .current_dir(&folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
    );
    stage.row("the end", |row| row["event"]["typed"] == "the-end");
    let theirs = tracer.lines(&mut stage);

    let ours = rows(&stage, "open", root);
    let pids: HashSet<i64> = ours.iter().map(|row| number(&row["process"]["pid"])).collect();
    // "PID COMM FD ERR PATH"
    let mut theirs: Vec<(i64, i64, String)> = theirs.iter().filter_map(|line| opened(line)).collect();
    theirs.retain(|(pid, ..)| pids.contains(pid));
    let told = |row: &Value| {
        let typed = row["event"]["typed"].as_str().expect("text").to_owned();
        (number(&row["process"]["pid"]), number(&row["event"]["result"]), typed)
    };
    let mut ours: Vec<_> = ours.iter().map(told).collect();
    // The order is that of each process; opensnoop has a buffer for each CPU.
    (ours, theirs) = (sorted(ours), sorted(theirs));
    assert_eq!(ours, theirs);
    assert!(ours.len() > 50, "{}", ours.len());
    eprintln!("{} opens by {} processes are the same", ours.len(), pids.len());
}

/// Process id, descriptor or negated errno, and the path as typed.
fn opened(line: &str) -> Option<(i64, i64, String)> {
    let mut words = line.split_whitespace();
    let pid = words.next()?.parse().ok()?;
    let (descriptor, errno): (i64, i64) = (words.nth(1)?.parse().ok()?, words.next()?.parse().ok()?);
    let result = if errno == 0 { descriptor } else { -errno };
    Some((pid, result, words.collect::<Vec<_>>().join(" ")))
}

fn sorted<T: Ord>(mut rows: Vec<T>) -> Vec<T> {
    rows.sort();
    rows
}

#[test]
fn executions_are_those_that_execsnoop_sees() {
    let Some(mut stage) = Stage::new() else { return };
    let sign = |number: usize| {
        let word = format!("sign-{number}");
        let mut command = Command::new("/bin/true");
        command.arg(&word);
        (command, word)
    };
    let Some(mut tracer) = Tracer::start("execsnoop", &["--fails"], sign, &mut stage) else {
        return;
    };
    let (_keep, folder) = workplace();
    let script = "chmod +x script; /bin/true one 'two words'; ls file > /dev/null; ./script three; ./file; \
                  /no/such/program; (exec /bin/true five); env PATH=/no:/where:/bin true six; exec /bin/true the-end";
    fs::write(folder.join("work"), script).expect("a file");
    let root = stage.run(
        Command::new("sh")
            .arg("work")
            .current_dir(&folder)
            .stderr(Stdio::null()),
    );
    let is_end = |row: &Value| row["process"]["cmdline"][1] == "the-end" && row["event"]["kind"] == "exec";
    stage.row("the end", is_end);
    let theirs = tracer.lines(&mut stage);

    let ours = rows(&stage, "exec", root);
    let pids: HashSet<i64> = ours.iter().map(|row| number(&row["process"]["pid"])).collect();
    let theirs = theirs.iter().filter_map(|line| executed(line));
    let theirs: Vec<_> = theirs.filter(|(pid, ..)| pids.contains(pid)).collect();
    let ours: Vec<_> = ours.iter().map(execution).collect();
    let (ours, theirs) = (sorted(ours), sorted(theirs));
    assert_eq!(ours, theirs);
    assert!(
        ours.iter().any(|(.., result, _)| *result == -i64::from(libc::EACCES)),
        "{ours:#?}"
    );
    eprintln!("{} executions are the same", ours.len());
}

/// Process id, parent, negated errno, and the words; of a call that failed only the file.
fn executed(line: &str) -> Option<(i64, i64, i64, String)> {
    let mut words = line.split_whitespace().skip(1);
    let mut next = || words.next()?.parse::<i64>().ok();
    let (pid, parent, result) = (next()?, next()?, next()?);
    let words: Vec<&str> = words.collect();
    let kept = if result == 0 { words.len() } else { 1 };
    Some((pid, parent, result, words[..kept].join(" ")))
}

/// execsnoop shows the file and then the arguments from the second on, as the caller gave them. The kernel puts the
/// interpreter of a script and the script itself before them.
fn execution(row: &Value) -> (i64, i64, i64, String) {
    let (process, event) = (&row["process"], &row["event"]);
    let errno = number(&event["errno"]);
    let filename = event["filename"].as_str().expect("text");
    let arguments = process["cmdline"].as_array().expect("a list");
    let is_script = arguments.get(1).is_some_and(|word| word == filename);
    let given = arguments.iter().skip(if is_script { 2 } else { 1 });
    let given = given.filter_map(Value::as_str).filter(|_| errno == 0);
    let words: Vec<&str> = std::iter::once(filename).chain(given).collect();
    (
        number(&process["pid"]),
        number(&process["ppid"]),
        -errno,
        words.join(" "),
    )
}

/// Local and remote end, and bytes sent and received.
type Connection = (String, String, i64, i64);

#[test]
fn connections_are_those_that_tcplife_sees() {
    let Some(mut stage) = Stage::new() else { return };
    let sign = |_| {
        let (refused, port) = unanswered();
        (actor("connect-refused", refused, Path::new("/")), port)
    };
    let Some(mut tracer) = Tracer::start("tcplife", &["--wide"], sign, &mut stage) else {
        return;
    };
    let mut ports = Vec::new();
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let mut server = actor("serve", address, Path::new("/")).spawn().expect("a server");
        stage.watch(server.id());
        let mut lines = BufReader::new(server.stdout.take().expect("its output"))
            .lines()
            .map_while(Result::ok);
        let bound = lines.find_map(|line| line.strip_prefix("listening ").map(str::to_owned));
        let bound = bound.expect("its address");
        let rest = std::thread::spawn(move || lines.count());
        stage.run(&mut actor("connect", &bound, Path::new("/")));
        stage.finish(server);
        rest.join().expect("its output");
        ports.push(bound.rsplit(':').next().expect("a port").to_owned());
    }
    let (refused, last) = unanswered();
    stage.run(&mut actor("connect-refused", &refused, Path::new("/")));
    ports.push(last.clone());
    stage.row("the last", |row| {
        row["event"]["op"] == "failed" && number(&row["event"]["remote_port"]).to_string() == last
    });
    let theirs = tracer.lines(&mut stage);

    let is_ours = |connection: &Connection| {
        let ends = [&connection.0, &connection.1];
        ends.iter()
            .any(|end| ports.iter().any(|port| end.rsplit(' ').next() == Some(port)))
    };
    let theirs = theirs.iter().filter_map(|line| lived(line)).filter(is_ours);
    let theirs: Vec<Connection> = sorted(theirs.collect());
    let ended = |row: &&Value| row["event"]["op"] == "closed" || row["event"]["op"] == "failed";
    let ours = stage.rows().iter().filter(ended).map(connection).filter(is_ours);
    let ours: Vec<Connection> = sorted(ours.collect());
    assert_eq!(ours.len(), 5, "two ends each, and one that failed: {ours:?}");
    let ends = |all: &[Connection]| -> Vec<(String, String)> {
        all.iter()
            .map(|(local, remote, ..)| (local.clone(), remote.clone()))
            .collect()
    };
    assert_eq!(ends(&ours), ends(&theirs));
    for (ours, theirs) in ours.iter().zip(&theirs) {
        // It counts the segments that begin and end a connection as a byte each, and shows hundredths of a KiB.
        for (ours, theirs) in [(ours.2, theirs.2), (ours.3, theirs.3)] {
            assert!((theirs - ours).abs() <= 2 + 6, "{ours} bytes, {theirs} by tcplife");
        }
    }
    eprintln!("{} ends of connections are the same", ours.len());
}

/// An address that nobody listens at, and its port.
fn unanswered() -> (String, String) {
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let free = free.expect("an address");
    (free.to_string(), free.port().to_string())
}

/// "PID COMM LADDR LPORT RADDR RPORT TX_KB RX_KB MS"; a name of a thread may have a space.
fn lived(line: &str) -> Option<Connection> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = words.len().checked_sub(7)?;
    #[expect(clippy::cast_possible_truncation, reason = "a few thousand bytes")]
    let bytes = |word: &str| Some((word.parse::<f64>().ok()? * 1024.0).round() as i64);
    Some((
        format!("{} {}", words[at], words[at + 1]),
        format!("{} {}", words[at + 2], words[at + 3]),
        bytes(words[at + 4])?,
        bytes(words[at + 5])?,
    ))
}

fn connection(row: &Value) -> Connection {
    let event = &row["event"];
    let end = |which: &str| {
        let address = event[format!("{which}_address")]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        format!("{address} {}", event[format!("{which}_port")])
    };
    (
        end("local"),
        end("remote"),
        number(&event["sent"]),
        number(&event["received"]),
    )
}
