//! Who watches while a load runs: the daemon, a native program that only counts, or a peer.
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use rustix::process::Signal;
use rustix::time::{ClockId, clock_gettime};
use vespid::kernel::{Kernel, Settings};
use vespid_ebpf::{Kind, Outcome};

use super::audit;
use super::load::Load;
use super::seen::{DRAIN, Seen};
use crate::page::{Page, quantile};
use crate::program::{Daemon, Process, Program, installed, pause};

/// How long a peer takes to attach its programs.
const PEER_START: Duration = Duration::from_secs(3);

/// Who could watch.
#[derive(Clone, Debug)]
pub enum Tracer {
    /// The daemon with the shipped plugins. With `filter` the kernel leaves out what their filters do not want, as
    /// it does by default.
    Vespid {
        /// Whether it does.
        filter: bool,
    },
    /// The same kernel programs and the same ring, and a native thread that counts what is in it.
    Counter,
    /// Another program.
    Peer(Peer),
    /// The kernel's audit, with a rule for the calls of this load.
    Audit(Load),
}

/// A peer: what it is called, and what it watches.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its name.
    pub name: &'static str,
    load: Load,
    args: &'static [&'static str],
    /// Whether it prints a line for each event.
    says_each: bool,
}

/// The peers that Debian packages (`libbpf-tools`, `bpftrace`).
pub const PEERS: [Peer; 4] = [
    Peer {
        name: "execsnoop",
        load: Load::Exec,
        args: &[],
        says_each: true,
    },
    Peer {
        name: "opensnoop",
        load: Load::Open,
        args: &[],
        says_each: true,
    },
    Peer {
        name: "tcplife",
        load: Load::Tcp,
        args: &[],
        says_each: true,
    },
    Peer {
        name: "bpftrace",
        load: Load::Open,
        args: &["-e", "tracepoint:syscalls:sys_exit_openat { @opens = count(); }"],
        says_each: false,
    },
];

impl Peer {
    /// Where it is installed, if it is.
    #[must_use]
    pub fn file(&self) -> Option<PathBuf> {
        installed(self.name)
    }
}

impl Tracer {
    /// Its name in tables.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Tracer::Vespid { filter: true } => "vespid",
            Tracer::Vespid { filter: false } => "vespid, unfiltered",
            Tracer::Counter => "the ring, counted",
            Tracer::Peer(peer) => peer.name,
            Tracer::Audit(_) => "auditd",
        }
    }

    /// Whether it watches this load.
    #[must_use]
    pub fn watches(&self, load: Load) -> bool {
        match self {
            Tracer::Vespid { filter: true } | Tracer::Counter => true,
            // Of the others, the plugins want all.
            Tracer::Vespid { filter: false } => load == Load::Open,
            Tracer::Peer(peer) => peer.load == load,
            Tracer::Audit(watched) => *watched == load,
        }
    }

    /// Starts it, runs `load`, and ends it.
    ///
    /// # Errors
    /// If it does not start, or does not say what it saw.
    pub fn watch<T>(
        &self,
        program: &Program,
        plugins: &Path,
        load: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<(T, Seen)> {
        match self {
            Tracer::Vespid { filter } => daemon(&program.start(plugins, *filter)?, load),
            Tracer::Counter => counter(load),
            Tracer::Peer(peer) => watch_with(peer, load),
            Tracer::Audit(watched) => audit::watch(*watched, load),
        }
    }
}

fn daemon<T>(daemon: &Daemon, load: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<(T, Seen)> {
    let (before, cpu) = (daemon.page()?, daemon.process.cpu_seconds());
    let done = load()?;
    pause(DRAIN);
    let (after, cpu) = (daemon.page()?, daemon.process.cpu_seconds() - cpu);
    let of = |page: &Page, metric: &str, stage: &str| page.sum(metric, &[("stage", stage)]);
    let since = |metric: &str, stage: &str| of(&after, metric, stage) - of(&before, metric, stage);
    let dropped = after.by("vespid_events_dropped_total", &[], "reason");
    let earlier = before.by("vespid_events_dropped_total", &[], "reason");
    let lag = after.buckets_since(&before, "vespid_lag_seconds");
    Ok((
        done,
        Seen {
            events: Some(since("vespid_events_in_total", "kernel")),
            delivered: Some(since("vespid_events_out_total", "plugin")),
            dropped: dropped
                .into_iter()
                .map(|(reason, count)| (reason.clone(), count - earlier.get(&reason).unwrap_or(&0.0)))
                .filter(|(_, count)| *count > 0.0)
                .collect(),
            closes: Some(closes(&after)),
            cpu_seconds: cpu,
            resident_bytes: daemon.process.resident_bytes(),
            lag: Some([0.5, 0.99].map(|share| quantile(&lag, share))),
        },
    ))
}

/// Whether every stage's books close.
fn closes(page: &Page) -> bool {
    let entered = page.by("vespid_events_in_total", &[], "stage");
    let left = page.by("vespid_events_out_total", &[], "stage");
    let dropped = page.by("vespid_events_dropped_total", &[], "stage");
    entered.iter().all(|(stage, count)| {
        let booked = left.get(stage).unwrap_or(&0.0) + dropped.get(stage).unwrap_or(&0.0);
        (count - booked).abs() < 0.5
    })
}

/// The ring's reading end, and nothing behind it.
fn counter<T>(load: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<(T, Seen)> {
    let kinds = [Kind::Exec, Kind::Open, Kind::Connection, Kind::Change, Kind::Privileged];
    let settings = Settings {
        kinds: kinds.iter().fold(Kind::TREE, |mask, kind| mask | kind.bit()),
        ..Settings::default()
    };
    let mut kernel = Kernel::start(&settings).map_err(|error| anyhow!("{error}"))?;
    while kernel.drain(usize::MAX, |_| {}) > 0 {}
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let lost = |kernel: &Kernel| {
        let counters = kernel.counters();
        let all = Kind::ALL
            .iter()
            .flat_map(|kind| [Outcome::RingFull, Outcome::Shed].map(|why| counters.get(*kind, why)));
        all.sum::<u64>()
    };
    let reader: JoinHandle<std::io::Result<(u64, u64, f64)>> = std::thread::spawn(move || {
        let (before, mut count) = (lost(&kernel), 0);
        let cpu = || vespid::clock::timespec_seconds(clock_gettime(ClockId::ThreadCPUTime));
        let begin = cpu();
        while !stopped.load(Ordering::Relaxed) {
            kernel.wait(Duration::from_millis(10))?;
            kernel.drain(usize::MAX, |record| count += u64::from(!record.is_empty()));
        }
        Ok((count, lost(&kernel) - before, cpu() - begin))
    });
    let done = load();
    pause(DRAIN);
    stop.store(true, Ordering::Relaxed);
    let counted = reader.join().map_err(|_| anyhow!("the reading thread panicked"))?;
    let (count, lost, cpu) = counted.context("the ring cannot be read")?;
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let (count, lost) = (count as f64, lost as f64);
    Ok((
        done?,
        Seen {
            events: Some(count + lost),
            delivered: Some(count),
            dropped: if lost > 0.0 {
                vec![("kernel".to_owned(), lost)]
            } else {
                Vec::new()
            },
            cpu_seconds: cpu,
            resident_bytes: f64::NAN,
            ..Seen::default()
        },
    ))
}

fn watch_with<T>(peer: &Peer, load: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<(T, Seen)> {
    let file = peer.file().with_context(|| format!("{} is not installed", peer.name))?;
    let (said, complained) = (tempfile::NamedTempFile::new()?, tempfile::NamedTempFile::new()?);
    let mut command = Command::new(file);
    command.args(peer.args).stdin(Stdio::null());
    command.stdout(said.reopen()?).stderr(complained.reopen()?);
    let mut process = Process(command.spawn()?);
    pause(PEER_START);
    if process.0.try_wait()?.is_some() {
        let why = String::from_utf8(std::fs::read(complained.path())?).unwrap_or_default();
        bail!("it ended at once: {}", why.lines().next().unwrap_or_default());
    }
    let cpu = process.cpu_seconds();
    let done = load()?;
    pause(DRAIN);
    let (cpu, resident) = (process.cpu_seconds() - cpu, process.resident_bytes());
    process.end(Signal::INT);
    let lines = std::fs::read(said.path())?
        .iter()
        .filter(|byte| **byte == b'\n')
        .count();
    // The first line is the heading.
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let delivered = peer.says_each.then(|| lines.saturating_sub(1) as f64);
    Ok((
        done,
        Seen {
            delivered,
            cpu_seconds: cpu,
            resident_bytes: resident,
            ..Seen::default()
        },
    ))
}
