use std::path::Path;
use std::process::Stdio;

use vespid::decode::kind_of;
use vespid::kernel::{Kernel, Settings};
use vespid_ebpf::{Kind, Outcome};

use crate::actor::actor;
use crate::harness::live_with;

/// Detaches and counts what is left in the ring, by kind.
fn left_in_ring(kernel: &mut Kernel) -> [u64; Kind::ALL.len()] {
    kernel.detach();
    let mut read = [0; Kind::ALL.len()];
    kernel.drain(usize::MAX, |record| read[kind_of(record).expect("a kind").index()] += 1);
    read
}

#[test]
fn a_ring_that_runs_over_is_accounted_for_to_the_event() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("marker"), "").expect("a file");
    for ring_bytes in [4096, 64 * 1024] {
        let Some(mut live) = live_with(Settings {
            ring_bytes,
            ..Settings::default()
        }) else {
            return;
        };
        let mut child = actor("open-many", "5000", folder.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("a child");
        child.wait().expect("its end");
        let read = left_in_ring(&mut live.kernel);
        let counters = live.kernel.counters();
        for kind in Kind::ALL {
            assert_eq!(
                read[kind.index()],
                counters.get(kind, Outcome::Written),
                "{kind:?} {counters:?}"
            );
        }
        assert!(counters.produced(Kind::Open) >= 5000, "{counters:?}");
        assert!(counters.get(Kind::Open, Outcome::Shed) > 0, "{counters:?}");
        assert_eq!(
            (counters.get(Kind::Open, Outcome::Unreadable), counters.missed_runs),
            (0, 0),
            "{counters:?}"
        );
        // What is kept for the process tree was not used up by the opens.
        if ring_bytes > 4096 {
            assert_eq!(counters.get(Kind::Exit, Outcome::RingFull), 0, "{counters:?}");
        }
    }
}

/// Only TCP is asked for beside what always runs, so that little else on the node takes room in the ring.
#[test]
fn every_connection_is_either_read_or_counted() {
    const CONNECTIONS: u64 = 500;
    let settings = Settings {
        kinds: Kind::Connection.bit(),
        ring_bytes: 64 * 1024,
        ..Settings::default()
    };
    let mut last = None;
    for _ in 0..5 {
        let Some(mut live) = live_with(settings) else { return };
        let mut child = actor("connect-many", CONNECTIONS.to_string(), Path::new("/"));
        child
            .stdout(Stdio::null())
            .spawn()
            .expect("a child")
            .wait()
            .expect("its end");
        let read = left_in_ring(&mut live.kernel);
        let counters = live.kernel.counters();
        assert_eq!(
            read[Kind::Connection.index()],
            counters.get(Kind::Connection, Outcome::Written),
            "{counters:?}"
        );
        assert!(counters.get(Kind::Connection, Outcome::Shed) > 0, "{counters:?}");
        // Opened, accepted, and closed at both ends.
        if counters.produced(Kind::Connection) == 4 * CONNECTIONS {
            return;
        }
        last = Some(counters);
    }
    panic!("somebody else connects all the time, or events are lost: {last:?}");
}
