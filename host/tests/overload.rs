//! A daemon that cannot keep up: it gives up what it says it does, counts it to the event, stays small, and recovers.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests"
)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use support::{Daemon, Metrics, get, is_live, plugins, zoo};

/// Reasons for which the kernel side drops what it has no room for.
const FOR_ROOM: [&str; 3] = ["ring_full", "shed", "limited"];

/// A control group that looks like a container's.
struct Container(PathBuf);

impl Container {
    /// `None`, out loud, where none can be made.
    fn new(number: u8) -> Option<Container> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
        let mount = mounts.lines().find(|line| line.contains(" - cgroup2 "));
        let root = mount.and_then(|line| line.split(' ').nth(4))?;
        let id = format!("{number:04x}{:08x}{:052x}", std::process::id(), 0);
        let folder = Path::new(root).join(format!("docker-{id}.scope"));
        if let Err(error) = fs::create_dir(&folder) {
            eprintln!("SKIPPED: no control group can be made at {}: {error}", folder.display());
            return None;
        }
        Some(Container(folder))
    }

    fn short_id(&self) -> String {
        let name = self.0.file_name().expect("a name").to_string_lossy().into_owned();
        name["docker-".len()..][..12].to_owned()
    }

    /// A shell in it.
    fn sh(&self, script: &str) -> Child {
        Command::new("sh")
            .args(["-c", "echo $$ > \"$1/cgroup.procs\"; exec sh -c \"$2\"", "sh"])
            .arg(&self.0)
            .arg(script)
            .stdin(Stdio::null())
            .spawn()
            .expect("a shell")
    }

    fn run(&self, script: &str) {
        assert!(self.sh(script).wait().expect("its end").success());
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        for _ in 0..50 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

/// In = out + dropped for every stage, plugin and kind; and what the kernel side had no room for has owners, all of it.
#[track_caller]
fn closes(metrics: &Metrics) {
    let mut sums: BTreeMap<String, i128> = BTreeMap::new();
    for line in metrics.0.lines().filter(|line| line.starts_with("vespid_events_")) {
        let (series, value) = line.rsplit_once(' ').expect("a sample");
        let (family, labels) = series.split_once('{').expect("labels");
        let labels: Vec<&str> = labels
            .trim_end_matches('}')
            .split(',')
            .filter(|label| !label.starts_with("reason="))
            .collect();
        let value: i128 = value.parse().expect("a number");
        let sign = if family == "vespid_events_in_total" { 1 } else { -1 };
        *sums.entry(labels.join(",")).or_default() += sign * value;
    }
    assert!(sums.len() > 20, "{}", metrics.0);
    for (what, difference) in sums {
        assert_eq!(difference, 0, "{what}: in = out + dropped");
    }
    for kind in ["open", "exec", "connection", "privileged"] {
        let kind = format!("kind=\"{kind}\"");
        let of = |reason: &str| dropped(metrics, &[&kind, &format!("reason=\"{reason}\"")]);
        let by_container = metrics.sum("vespid_container_events_dropped_total", &[&kind]);
        assert!(
            (FOR_ROOM.map(of).iter().sum::<f64>() - by_container).abs() < 0.5,
            "{kind}"
        );
    }
}

fn dropped(metrics: &Metrics, labels: &[&str]) -> f64 {
    let labels: Vec<&str> = ["stage=\"kernel\""].iter().chain(labels).copied().collect();
    metrics.sum("vespid_events_dropped_total", &labels)
}

fn megabytes(daemon: &Daemon) -> f64 {
    daemon.metrics().sum("process_resident_memory_bytes", &[]) / 1e6
}

/// A plugin directory with `file-audit` watching `secret` and everything in `noise/`, each read by itself.
fn audited(folder: &Path, first: &str, last: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().expect("a plugin directory");
    fs::create_dir_all(folder.join("noise")).expect("a folder");
    for file in ["secret", "noise/file"] {
        fs::write(folder.join(file), "x").expect("a file");
    }
    fs::copy(plugins().join("file-audit.wasm"), home.path().join("file-audit.wasm")).expect("a copy");
    let at = folder.display();
    let rules = format!(
        "{first}[[rules]]\nkey = \"secret\"\npath = \"{at}/secret\"\naccess = \"r\"\n\
         [[rules]]\nkey = \"noise\"\nprefix = \"{at}/noise/\"\naccess = \"r\"\n{last}"
    );
    fs::write(home.path().join("file-audit.toml"), rules).expect("written");
    home
}

fn started(home: &Path, config: &str) -> Daemon {
    let directory = Arc::new(tempfile::tempdir().expect("a folder"));
    Daemon::start_in(directory, config, &["--plugins", home.to_str().expect("a name")])
}

fn reads(count: usize, file: &Path) -> String {
    format!(
        "i=0; while [ $i -lt {count} ]; do : < {}; i=$((i+1)); done",
        file.display()
    )
}

/// The daemon gets no CPU at all while one container floods and another does what it should not.
#[test]
fn a_container_that_floods_does_not_hide_another() {
    if !is_live() {
        return;
    }
    let (Some(noisy), Some(quiet)) = (Container::new(1), Container::new(2)) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let home = audited(folder.path(), "", "");
    let (noise, secret) = (folder.path().join("noise/file"), folder.path().join("secret"));
    // Not merged: each is to be a record of its own.
    let mut daemon = started(home.path(), "kernel.ring_bytes = 1048576\nkernel.merge = false\n");
    let before = megabytes(&daemon);

    daemon.signal(Signal::STOP);
    noisy.run(&reads(30_000, &noise));
    quiet.run(&reads(3, &secret));
    noisy.run(&reads(3_000, &noise));
    daemon.signal(Signal::CONT);

    daemon.verdict("the read in the quiet container", |verdict| {
        verdict["key"] == "secret"
            && verdict["container"]["id"]
                .as_str()
                .is_some_and(|id| id.starts_with(&quiet.short_id()))
    });
    let label = format!("container=\"{}\"", noisy.short_id());
    daemon.wait_for("the losses to be counted", |daemon| {
        let metrics = daemon.metrics();
        closes(&metrics);
        (metrics.sum("vespid_container_events_dropped_total", &[&label]) > 20_000.0).then_some(())
    });
    let metrics = daemon.metrics();
    let of_quiet = format!("container=\"{}\"", quiet.short_id());
    assert!(metrics.sum("vespid_container_events_dropped_total", &[&of_quiet]) < 0.5);
    assert!(dropped(&metrics, &["reason=\"limited\""]) > 20_000.0);
    for kind in ["fork", "exec", "exit"] {
        assert!(dropped(&metrics, &[&format!("kind=\"{kind}\"")]) < 0.5, "{kind}");
    }
    let ledger = daemon.ctl(&["ledger"]);
    assert!(ledger.code == 0 && ledger.out.contains(&noisy.short_id()), "{ledger:?}");

    // It has recovered by itself: the same container loses nothing more.
    noisy.run(&reads(2_000, &noise));
    daemon.wait_for("the events of after", |daemon| {
        let metrics = daemon.metrics();
        closes(&metrics);
        let entered = metrics.sum("vespid_events_out_total", &["stage=\"enrich\"", "kind=\"open\""]);
        (entered > 4_000.0).then_some(())
    });
    let after = daemon.metrics();
    let lost = |metrics: &Metrics| metrics.sum("vespid_container_events_dropped_total", &[&label]);
    assert!((lost(&after) - lost(&metrics)).abs() < 0.5);
    assert!(megabytes(&daemon) < before + 32.0, "it was {before} MB");
    let (code, log, _) = daemon.stop();
    assert_eq!(code, 0, "{log}");
}

/// Merged opens are counted as such, and the plugin's own count has them all.
#[test]
fn a_flood_of_one_file_is_few_rows_and_no_loss() {
    if !is_live() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let home = audited(folder.path(), "", "");
    let noise = folder.path().join("noise/file");
    let mut daemon = started(home.path(), "");
    let script = reads(50_000, &noise);
    assert!(Command::new("sh").args(["-c", &script]).status().expect("sh").success());
    daemon.wait_for("every open to be counted by the plugin", |daemon| {
        let metrics = daemon.metrics();
        closes(&metrics);
        let counted = metrics.sum("file_audit_accesses_total", &["noise"]);
        assert!(counted < 50_000.5, "{counted}");
        (counted > 49_999.5).then_some(())
    });
    let metrics = daemon.metrics();
    assert!(metrics.sum("vespid_calls_merged_total", &["kind=\"open\""]) > 40_000.0);
    let rows = metrics.sum("vespid_events_out_total", &["stage=\"plugin\"", "kind=\"open\""]);
    assert!(rows < 1_000.0 && dropped(&metrics, &[]) < 0.5, "{rows} rows");
}

/// A plugin that spins until its deadline, beside one that works, in a storm.
#[test]
fn a_plugin_that_does_not_keep_up_loses_its_own_events_only() {
    if !is_live() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let home = audited(folder.path(), "", "");
    fs::copy(zoo(), home.path().join("zoo.wasm")).expect("a copy");
    // Failing is what makes it slow; it is not to be put away for it.
    let slow = "batch = 'spin'\n[vespid.limits]\ndeadline_ms = 200\nqueue_batches = 8\nfailures = 65536\n";
    fs::write(home.path().join("zoo.toml"), slow).expect("written");
    let mut daemon = started(home.path(), "batch.max_events = 1024\n");
    let before = megabytes(&daemon);
    let stop = Arc::new(AtomicBool::new(false));
    let storm = {
        let (stop, file) = (Arc::clone(&stop), folder.path().join("noise/file"));
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                drop(fs::File::open(&file));
            }
        })
    };
    let mut largest = 0_f64;
    daemon.wait_for("the slow plugin to lose events", |daemon| {
        let metrics = daemon.metrics();
        closes(&metrics);
        largest = largest.max(megabytes(daemon));
        let lost = metrics.sum("vespid_events_dropped_total", &["plugin=\"zoo\""]);
        (lost > 50_000.0).then_some(())
    });
    let secret = folder.path().join("secret");
    assert!(Command::new("cat").arg(&secret).output().expect("cat").status.success());
    daemon.verdict("the other plugin's verdict", |verdict| verdict["key"] == "secret");
    stop.store(true, Ordering::Relaxed);
    storm.join().expect("the storm ends");
    let metrics = daemon.metrics();
    assert!(metrics.sum("vespid_events_dropped_total", &["plugin=\"file-audit\""]) < 0.5);
    assert!(largest < before + 48.0, "{before} MB grew to {largest} MB");
}

/// Verdicts that go nowhere: a pipe that nobody reads, and a disk that is full.
#[test]
fn verdicts_that_cannot_be_written_hold_up_nothing() {
    if !is_live() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    // Each read is a verdict.
    let home = audited(
        folder.path(),
        "repeat_after_seconds = 0\n",
        "[vespid.limits]\nverdicts_per_second = 1000000\n",
    );
    let pipe = folder.path().join("pipe");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).expect("a pipe");
    // Held open, so that the pipe takes something, and never read.
    let held = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(&pipe)
        .expect("a pipe");
    let script = reads(20_000, &folder.path().join("noise/file"));
    for (target, reason) in [(pipe.as_path(), "queue_full"), (Path::new("/dev/full"), "disk_full")] {
        let directory = Arc::new(tempfile::tempdir().expect("a folder"));
        let target = target.to_str().expect("a name");
        let args = ["--plugins", home.path().to_str().expect("a name"), "--verdicts", target];
        let mut daemon = Daemon::start_in(directory, "kernel.merge = false\n", &args);
        assert!(Command::new("sh").args(["-c", &script]).status().expect("sh").success());
        let reason = format!("reason=\"{reason}\"");
        daemon.wait_for("every open to be judged, and verdicts to be lost", |daemon| {
            let metrics = daemon.metrics();
            closes(&metrics);
            let seen = metrics.sum("file_audit_accesses_total", &["noise"]);
            let lost = metrics.sum("vespid_verdicts_dropped_total", &[&reason]);
            (seen > 19_999.5 && lost > 5_000.0).then_some(())
        });
        let metrics = daemon.metrics();
        assert!(
            metrics.sum("vespid_events_dropped_total", &["plugin="]) < 0.5,
            "no event was lost for it"
        );
        let (code, log, _) = daemon.stop();
        assert_eq!(code, 0, "{log}");
    }
    drop(held);
}

fn renice(daemon: &Daemon, niceness: &str) {
    let tasks = fs::read_dir(format!("/proc/{}/task", daemon.pid())).expect("threads");
    for task in tasks.flatten() {
        let mut renice = Command::new("renice");
        renice.args(["-n", niceness, "-p"]).arg(task.file_name());
        assert!(renice.output().expect("renice").status.success());
    }
}

/// Everybody scrapes at once, while other programs want all the CPU there is and the daemon has the lowest priority.
#[test]
fn scrapes_and_a_lack_of_cpu_cost_events_that_are_counted() {
    if !is_live() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let home = audited(folder.path(), "", "");
    let mut daemon = started(home.path(), "kernel.ring_bytes = 262144\nkernel.merge = false\n");
    let before = megabytes(&daemon);
    renice(&daemon, "19");
    let stop = Arc::new(AtomicBool::new(false));
    let scrapes = Arc::new(AtomicU64::new(0));
    let mut threads = Vec::new();
    for _ in 0..2 * std::thread::available_parallelism().map_or(2, usize::from) {
        let stop = Arc::clone(&stop);
        threads.push(std::thread::spawn(move || while !stop.load(Ordering::Relaxed) {}));
    }
    for _ in 0..16 {
        let (stop, scrapes, address) = (Arc::clone(&stop), Arc::clone(&scrapes), daemon.address);
        threads.push(std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                if let Some((200, text)) = get(address, "/metrics", "text/plain") {
                    closes(&Metrics(text));
                    scrapes.fetch_add(1, Ordering::Relaxed);
                }
            }
        }));
    }
    let noise = folder.path().join("noise/file");
    let began = Instant::now();
    let mut opened = 0_u64;
    while began.elapsed() < Duration::from_secs(4) {
        drop(fs::File::open(&noise));
        opened += 1;
    }
    stop.store(true, Ordering::Relaxed);
    threads
        .into_iter()
        .for_each(|thread| thread.join().expect("it closed at every scrape"));
    assert!(scrapes.load(Ordering::Relaxed) > 10);
    renice(&daemon, "0");
    // All of them are accounted for, once it has caught up: arrived, or given up.
    let opened = f64::from(u32::try_from(opened).expect("few"));
    daemon.wait_for("all opens to be accounted for", |daemon| {
        let metrics = daemon.metrics();
        closes(&metrics);
        (metrics.sum("vespid_events_in_total", &["stage=\"kernel\"", "kind=\"open\""]) >= opened).then_some(())
    });
    let secret = folder.path().join("secret");
    assert!(Command::new("cat").arg(&secret).output().expect("cat").status.success());
    daemon.verdict("a verdict of after", |verdict| verdict["key"] == "secret");
    assert!(megabytes(&daemon) < before + 32.0, "it was {before} MB");
}
