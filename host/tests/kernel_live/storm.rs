//! Probes that come and go in a storm of execs, and a tally of what came out of the ring meanwhile.
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aya::programs::{loaded_links, loaded_programs};
use vespid::decode::kind_of;
use vespid::kernel::{Counters, Kernel, Probe};
use vespid_ebpf::{ExecRaw, ExitRaw, ForkRaw, Header, Kind, Outcome};
use zerocopy::FromBytes;

/// Programs that always run.
pub(crate) const TREE: [&str; 3] = ["vespid_exec", "vespid_exit", "vespid_fork"];
/// Those for connections too.
pub(crate) const CONNECTIONS: [&str; 5] = [
    "vespid_exec",
    "vespid_exit",
    "vespid_fork",
    "vespid_sys_exit",
    "vespid_tcp",
];
/// Those for opens too.
pub(crate) const ALL: [&str; 7] = [
    "vespid_exec",
    "vespid_exit",
    "vespid_fork",
    "vespid_io_begin",
    "vespid_io_uring",
    "vespid_sys_exit",
    "vespid_tcp",
];
/// Every kind.
pub(crate) const EVERYTHING: u32 = Kind::TREE | Kind::Connection.bit() | Kind::Open.bit();

/// Probes that come with it: of connections, returned calls, opens, opens through io_uring, failed execs, and accepts.
pub(crate) const OF_EVERYTHING: usize = 6;

/// Longest that anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Names of the programs of this process that are attached, as the kernel lists them. That of a better way, which not every
/// kernel grants, is left out.
pub(crate) fn attached() -> Vec<String> {
    let of_us: BTreeSet<u32> = fs::read_dir("/proc/self/fdinfo")
        .expect("a folder")
        .filter_map(|file| fs::read_to_string(file.ok()?.path()).ok())
        .filter(|text| text.contains("prog_type:"))
        .filter_map(|text| {
            text.lines()
                .find_map(|line| line.strip_prefix("prog_id:")?.trim().parse().ok())
        })
        .collect();
    let links: Vec<u32> = loaded_links()
        .filter_map(Result::ok)
        .map(|link| link.program_id())
        .collect();
    let ours = loaded_programs()
        .filter_map(Result::ok)
        .filter(|program| of_us.contains(&program.id()));
    let mut names: Vec<String> = ours
        .flat_map(|program| {
            let times = links.iter().filter(|id| **id == program.id()).count();
            vec![program.name_as_str().expect("text").to_owned(); times]
        })
        .collect();
    names.retain(|name| name != "vespid_opened");
    names.sort();
    names
}

/// What came out of the ring.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) by_kind: [u64; Kind::ALL.len()],
    /// Of the process that is watched: its forks, then the execs and the exits of its children.
    pub(crate) forks: u64,
    pub(crate) execs: u64,
    pub(crate) exits: u64,
    children: BTreeSet<u32>,
    /// Connections of the process that is watched.
    pub(crate) connections: u64,
}

impl Tally {
    pub(crate) fn take(&mut self, kernel: &mut Kernel, watched: u32) {
        kernel.drain(usize::MAX, |record| {
            let kind = kind_of(record).expect("a kind");
            self.by_kind[kind.index()] += 1;
            let (header, _) = Header::read_from_prefix(record).expect("a header");
            match kind {
                Kind::Fork if header.pid == watched => {
                    self.forks += 1;
                    self.children
                        .insert(ForkRaw::read_from_prefix(record).expect("a fork").0.child_pid);
                }
                Kind::Exec => {
                    let (exec, _) = ExecRaw::read_from_prefix(record).expect("an exec");
                    self.execs += u64::from(exec.ppid == watched && exec.errno == 0);
                }
                Kind::Exit if self.children.contains(&header.pid) => {
                    let (exit, _) = ExitRaw::read_from_prefix(record).expect("an exit");
                    assert_eq!(exit.status, 0);
                    self.exits += 1;
                }
                Kind::Connection => self.connections += u64::from(header.pid == watched),
                _ => {}
            }
        });
    }

    pub(crate) fn of(&self, kind: Kind) -> u64 {
        self.by_kind[kind.index()]
    }

    /// Takes until `done`.
    pub(crate) fn until(&mut self, kernel: &mut Kernel, watched: u32, done: impl Fn(&Tally) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done(self) {
            assert!(Instant::now() < deadline, "it did not come; so far: {:?}", self.by_kind);
            kernel.wait(Duration::from_millis(10)).expect("a ring");
            self.take(kernel, watched);
        }
    }

    /// What was written was read, and nothing was given up.
    pub(crate) fn check(&self, counters: &Counters) {
        for kind in Kind::ALL {
            assert_eq!(
                self.of(kind),
                counters.get(kind, Outcome::Written),
                "{kind:?} {counters:?}"
            );
            assert_eq!(self.of(kind), counters.produced(kind), "{kind:?} {counters:?}");
        }
        assert_eq!(counters.missed_runs, 0);
    }
}

/// A shell that opens a file and runs `true` again and again as long as the file `go` is there, then says how often.
pub(crate) fn exec_storm(folder: &Path) -> Child {
    fs::write(folder.join("go"), "").expect("a file");
    let script = "i=0; while [ -e go ]; do /bin/true </dev/null; i=$((i+1)); done; echo $i";
    Command::new("/bin/sh")
        .args(["-c", script])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a shell")
}

/// Wants everything, then only what always runs, again and again.
pub(crate) fn come_and_go(
    kernel: &mut Kernel,
    tally: &mut Tally,
    watched: u32,
    rounds: usize,
    want: impl Fn(&mut Kernel, u32) -> io::Result<Vec<Probe>>,
) {
    for round in 0..rounds {
        let changed = want(kernel, EVERYTHING).expect("a change");
        assert_eq!(changed.len(), OF_EVERYTHING, "{changed:?}");
        assert_eq!(attached(), ALL, "{round}");
        let before = (tally.of(Kind::Open), tally.execs);
        tally.until(kernel, watched, |now| {
            now.of(Kind::Open) > before.0 && now.execs > before.1
        });

        let changed = want(kernel, 0).expect("a change");
        assert_eq!(changed.len(), OF_EVERYTHING, "{changed:?}");
        assert_eq!(attached(), TREE, "{round}");
        // What was under way has long ended when these are there.
        let before = tally.execs;
        tally.until(kernel, watched, |now| now.execs > before + 2);
        let settled = kernel.counters().produced(Kind::Open);
        let before = tally.execs;
        tally.until(kernel, watched, |now| now.execs > before + 2);
        assert_eq!(kernel.counters().produced(Kind::Open), settled, "{round}");
    }
}
