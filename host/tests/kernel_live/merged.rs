//! Opens that are alike come as one row where every plugin allows it, and no open is missing from the counts.
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use vespid::decode::{Clock, Scratch, decode};
use vespid::enrich::namespaces;
use vespid::event::Body;
use vespid::filter::{FilterText, Sift, Subscription};
use vespid::interface::vespid::plugin::describe::Kinds;
use vespid::kernel::{Kernel, Settings};
use vespid_ebpf::{Kind, Outcome};

use crate::actor::actor;
use crate::harness::live;

const MERGING: &str = r#"[{"tables": ["opens"], "merge_ms": 200}]"#;

fn subscription(filters: &str) -> Subscription {
    let given: FilterText = filters.parse().expect("filters");
    Subscription::new(&given.0, Kinds::OPENS).expect("they make sense")
}

/// How many opens of each sort a process and its children made, and in how many rows they came.
#[derive(Debug, Default)]
struct Opens {
    by_sort: BTreeMap<String, u64>,
    rows: u64,
    watched: HashSet<u32>,
}

impl Opens {
    fn total(&self) -> u64 {
        self.by_sort.values().sum()
    }

    fn take(&mut self, record: &[u8], clock: &Clock) {
        let mut scratch = Scratch::default();
        let event = decode(record, clock, &mut scratch).expect("a good record");
        if !self.watched.contains(&event.subject.pid) {
            return;
        }
        match &event.body {
            Body::Fork(fork) => {
                self.watched.insert(fork.child_pid);
            }
            Body::Open(open) => {
                let mut sort = serde_json::to_value(open).expect("an open");
                let columns = sort.as_object_mut().expect("columns");
                columns.remove("count");
                if open.result >= 0 {
                    columns.remove("result");
                    columns.remove("typed");
                }
                let whose = (event.subject.pid, event.subject.uid);
                *self
                    .by_sort
                    .entry(format!("{whose:?} {}", Value::clone(&sort)))
                    .or_default() += u64::from(open.count);
                self.rows += 1;
            }
            _ => {}
        }
    }

    fn drain(&mut self, kernel: &mut Kernel, clock: &Clock) {
        kernel.drain(usize::MAX, |record| self.take(record, clock));
        kernel.take_merged(|record| self.take(record, clock)).expect("the rest");
    }
}

/// Runs a command with one kernel that merges and one that does not.
fn both(filters: &str, command: &mut Command) -> Option<(Opens, Opens)> {
    let mut whole = live()?.kernel;
    let mut merging = Kernel::start(&Settings::default()).expect("a second one");
    merging
        .sift(&Sift::of([&subscription(filters)], &namespaces::of_the_node()))
        .expect("a sieve");
    let clock = Clock::now();
    let mut child = command.stdin(Stdio::null()).spawn().expect("a child");
    let [mut each, mut merged] = [(); 2].map(|()| Opens {
        watched: HashSet::from([child.id()]),
        ..Opens::default()
    });
    // Whatever else is opened meanwhile is not to fill its ring.
    while child.try_wait().expect("a child").is_none() {
        each.drain(&mut whole, &clock);
        whole.wait(Duration::from_millis(20)).expect("a ring");
    }
    each.drain(&mut whole, &clock);
    let deadline = Instant::now() + Duration::from_secs(10);
    while merged.total() < each.total() && Instant::now() < deadline {
        merged.drain(&mut merging, &clock);
        merging.wait(Duration::from_millis(20)).expect("a ring");
    }
    merging.detach();
    merged.drain(&mut merging, &clock);
    let counters = merging.counters();
    assert_eq!(
        counters.produced(Kind::Open),
        counters.get(Kind::Open, Outcome::Written)
    );
    Some((each, merged))
}

/// A shell that opens files again and again, in ways that differ and in ways that do not.
fn script(folder: &Path) -> Command {
    fs::write(folder.join("marker"), "x").expect("a file");
    let mut command = Command::new("sh");
    command.current_dir(folder).args([
        "-c",
        "i=0; while [ $i -lt 100 ]; do : < marker; : < ./marker; : >> marker; true < none; i=$((i+1)); done 2> log
         mv marker moved; : < moved; : < moved; ln -f moved linked; : < linked; : < moved; chmod 600 moved; : < moved; : < moved
         mkdir d; mv moved d; : < d/moved; : < d/moved; mv d e; : < e/moved; : < e/moved
         : > new; : > new; rm new; : > new; : > new; cp new newer; mv newer new; : < new; : < new
         sleep 0.5; : < new; : < new; sleep 1; : < new; : < new
         exec sh -c ': < new; : < new'",
    ]);
    command
}

#[test]
fn merged_rows_stand_for_every_open() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some((each, merged)) = both(MERGING, &mut script(folder.path())) else {
        return;
    };
    assert_eq!(merged.by_sort, each.by_sort);
    assert_eq!(each.rows, each.total());
    assert!(
        each.total() > 400 && merged.rows < each.rows - 200,
        "{} of {}",
        merged.rows,
        each.rows
    );
}

#[test]
fn a_flood_is_a_few_rows() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("marker"), "x").expect("a file");
    let Some((each, merged)) = both(MERGING, &mut actor("open-many", "20000", folder.path())) else {
        return;
    };
    assert_eq!(merged.total(), each.total());
    assert!(merged.rows < each.rows / 20, "{} of {}", merged.rows, each.rows);
}

#[test]
fn nothing_is_merged_unless_everybody_allows_it() {
    let folder = tempfile::tempdir().expect("a folder");
    for filters in [
        "[]",
        r#"[{"tables": ["opens"], "merge_ms": 200}, {"tables": ["opens"], "accesses": ["write"]}]"#,
    ] {
        let Some((each, merged)) = both(filters, &mut script(folder.path())) else {
            return;
        };
        assert_eq!(merged.rows, merged.total(), "{filters}");
        assert!(!each.by_sort.is_empty());
        fs::remove_dir_all(folder.path().join("e")).expect("it was made");
    }
}

/// Somebody who wants each open comes and goes: each goes over at once, and what was merged before is not lost.
#[test]
fn merging_ends_and_begins_with_the_subscriptions() {
    let Some(live) = live() else { return };
    let mut kernel = live.kernel;
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("marker"), "x").expect("a file");
    let clock = Clock::now();
    let run = |kernel: &mut Kernel, filters: &str| {
        kernel
            .sift(&Sift::of([&subscription(filters)], &namespaces::of_the_node()))
            .expect("a sieve");
        let mut child = actor("open-many", "500", folder.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("a child");
        let mut opens = Opens {
            watched: HashSet::from([child.id()]),
            ..Opens::default()
        };
        child.wait().expect("its end");
        kernel.drain(usize::MAX, |record| opens.take(record, &clock));
        opens
    };
    let merging = run(&mut kernel, MERGING);
    let each = run(&mut kernel, "[]");
    assert!(each.rows >= 500 && each.rows == each.total());
    assert!(merging.rows < 400);
    // The process of before has ended, and nothing is merged any more; what it had left comes all the same.
    let mut rest = Opens {
        watched: merging.watched.clone(),
        ..Opens::default()
    };
    let deadline = Instant::now() + Duration::from_secs(10);
    while merging.total() + rest.total() < 500 && Instant::now() < deadline {
        rest.drain(&mut kernel, &clock);
        kernel.wait(Duration::from_millis(20)).expect("a ring");
    }
    assert!(merging.total() + rest.total() >= 500);
}
