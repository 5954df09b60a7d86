//! One that floods does not cost the others their events.
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use vespid::kernel::{Kernel, Settings};
use vespid_ebpf::share::{allowance, ceiling, shared_from};
use vespid_ebpf::{Header, Kind, Outcome};
use zerocopy::FromBytes;

use crate::actor::actor;
use crate::harness::live_with;

const RING: u32 = 4 << 20;

/// A control group of the v2 hierarchy, for as long as it is held.
struct Group {
    folder: PathBuf,
    id: u64,
}

impl Group {
    /// `None`, out loud, where none can be made.
    fn new(name: &str) -> Option<Group> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
        let mount = mounts.lines().find(|line| line.contains(" - cgroup2 "));
        let root = mount.and_then(|line| line.split(' ').nth(4));
        let folder = Path::new(root?).join(format!("vespid-test-{}-{name}", std::process::id()));
        if let Err(error) = fs::create_dir(&folder) {
            eprintln!("SKIPPED: no control group can be made at {}: {error}", folder.display());
            return None;
        }
        let id = fs::metadata(&folder).expect("it is there").ino();
        Some(Group { folder, id })
    }

    /// The command, in this group.
    fn inside(&self, command: &Command) -> Command {
        let mut inside = Command::new("sh");
        inside
            .args(["-c", "echo $$ > \"$1/cgroup.procs\"; shift; exec \"$@\"", "sh"])
            .arg(&self.folder)
            .arg(command.get_program())
            .args(command.get_args());
        for (name, value) in command.get_envs() {
            inside.env(name, value.expect("none is removed"));
        }
        if let Some(folder) = command.get_current_dir() {
            inside.current_dir(folder);
        }
        inside.stdin(Stdio::null()).stdout(Stdio::null());
        inside
    }

    fn opens(&self, count: usize, folder: &Path) {
        let status = self.inside(&actor("open-many", count.to_string(), folder)).status();
        assert!(status.expect("a child").success());
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // A process that has ended may still be in it for a moment.
        for _ in 0..50 {
            if fs::remove_dir(&self.folder).is_ok() {
                return;
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

/// What is in the ring, by control group and kind.
fn taken(kernel: &mut Kernel) -> BTreeMap<(u64, Kind), u64> {
    let mut taken = BTreeMap::new();
    kernel.drain(usize::MAX, |record| {
        let (header, _) = Header::read_from_prefix(record).expect("a header");
        let kind = Kind::from_number(header.kind).expect("a kind");
        *taken.entry((header.cgroup, kind)).or_default() += 1;
    });
    taken
}

fn given_up(kernel: &Kernel, group: &Group, kind: Kind) -> u64 {
    let all = kernel.given_up();
    let of_group = all.iter().find(|(id, _)| *id == group.id);
    of_group.map_or(0, |(_, counts)| counts[kind.index()])
}

fn settings(fair: bool) -> Settings {
    Settings {
        kinds: Kind::Open.bit() | Kind::Privileged.bit(),
        ring_bytes: RING,
        fair,
        ..Settings::default()
    }
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("marker"), "x").expect("a file");
    folder
}

/// The daemon stands still, one group after the other floods, and each time a quiet one opens some files.
#[test]
fn the_quiet_lose_nothing_to_those_that_flood() {
    let Some(mut live) = live_with(settings(true)) else {
        return;
    };
    let folder = folder();
    let (Some(quiet), Some(first)) = (Group::new("quiet"), Group::new("flood-0")) else {
        return;
    };
    first.opens(40_000, folder.path());
    assert!(given_up(&live.kernel, &first, Kind::Open) > 5_000);
    quiet.opens(100, folder.path());
    let more: Vec<Group> = (1..4)
        .filter_map(|number| Group::new(&format!("flood-{number}")))
        .collect();
    for group in &more {
        group.opens(40_000, folder.path());
        assert!(given_up(&live.kernel, group, Kind::Open) > 5_000);
    }
    quiet.opens(100, folder.path());
    // Even of the one that floods, what verdicts are about comes through.
    let status = first.inside(&actor("privileged", "ids", folder.path())).status();
    assert!(status.expect("a child").success());

    live.kernel.detach();
    let counters = live.kernel.counters();
    let lost = given_up(&live.kernel, &quiet, Kind::Open);
    let by_group: u64 = live
        .kernel
        .given_up()
        .iter()
        .map(|(_, counts)| counts[Kind::Open.index()])
        .sum();
    let read = taken(&mut live.kernel);
    let opens: u64 = read
        .iter()
        .filter(|((_, kind), _)| *kind == Kind::Open)
        .map(|(_, count)| count)
        .sum();
    assert_eq!((lost, read[&(quiet.id, Kind::Open)] >= 200), (0, true), "{counters:?}");
    assert!(read[&(first.id, Kind::Privileged)] > 0 && given_up(&live.kernel, &first, Kind::Privileged) == 0);
    assert_eq!(opens, counters.get(Kind::Open, Outcome::Written));
    let given = |outcome| counters.get(Kind::Open, outcome);
    assert_eq!(
        by_group,
        given(Outcome::Limited) + given(Outcome::Shed) + given(Outcome::RingFull),
        "each that was given up was somebody's"
    );
    assert!(given(Outcome::Limited) > 0 && given(Outcome::Written) + by_group == counters.produced(Kind::Open));
    assert_eq!(
        (counters.get(Kind::Exit, Outcome::RingFull), given(Outcome::RingFull)),
        (0, 0)
    );
}

/// The same flood without shares, to see that they are what helps.
#[test]
fn without_shares_the_quiet_lose() {
    let Some(live) = live_with(settings(false)) else { return };
    let folder = folder();
    let (Some(quiet), Some(flood)) = (Group::new("quiet"), Group::new("flood")) else {
        return;
    };
    flood.opens(40_000, folder.path());
    quiet.opens(100, folder.path());
    assert!(given_up(&live.kernel, &quiet, Kind::Open) >= 100);
    assert_eq!(live.kernel.counters().get(Kind::Open, Outcome::Limited), 0);
}

/// A flood that the daemon keeps up with is nobody's loss; and one that it did not keep up with is over once it has.
#[test]
fn nobody_is_limited_unless_the_ring_fills() {
    let Some(mut live) = live_with(settings(true)) else {
        return;
    };
    let folder = folder();
    let Some(group) = Group::new("flood") else { return };
    group.opens(40_000, folder.path());
    assert!(given_up(&live.kernel, &group, Kind::Open) > 0);
    while live.kernel.drain(usize::MAX, |_| ()) > 0 {}
    let before = live.kernel.counters();
    let mut child = group
        .inside(&actor("open-many", "20000", folder.path()))
        .spawn()
        .expect("a child");
    while child.try_wait().expect("a child").is_none() {
        live.kernel.drain(usize::MAX, |_| ());
    }
    let after = live.kernel.counters();
    for outcome in [Outcome::Limited, Outcome::Shed, Outcome::RingFull] {
        assert_eq!(
            after.get(Kind::Open, outcome),
            before.get(Kind::Open, outcome),
            "{outcome:?}"
        );
    }
    assert!(after.produced(Kind::Open) - before.produced(Kind::Open) >= 20_000);
}

#[test]
fn kinds_go_in_the_order_that_is_documented() {
    let ring = 1 << 23;
    let order = [Kind::Open, Kind::Connection, Kind::Change, Kind::Privileged, Kind::Exit];
    for pair in order.windows(2) {
        assert!(ceiling(ring, pair[0]) < ceiling(ring, pair[1]), "{pair:?}");
    }
    assert_eq!(ceiling(ring, Kind::Socket), ceiling(ring, Kind::Connection));
    for kind in order {
        let at = |pending| allowance(ring, pending, kind);
        assert_eq!((at(shared_from(ring) - 1), at(ceiling(ring, kind))), (u64::MAX, 0));
        assert_eq!(at(ceiling(ring, kind) - 4), 1);
    }
}
