//! One version takes over from another: what is counted, what is carried, who stays if it fails.
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use vespid::interface::vespid::plugin::describe::Kinds;
use vespid::plugin::{Carried, Limits, Plugin, Snapshot, Status, Successor, SwapError, Worker};
use vespid_ebpf::Kind;

use crate::support::{
    Heard, MS, SECOND, altered, at, config, engine, execs, opens, small_limits, spawn, zoo, zoo_file, zoo_version,
};

fn successor(plugin: Plugin, json: &str) -> Successor {
    Successor::start(plugin, config(json)).expect("it starts")
}

fn remembered(worker: &Worker) -> u64 {
    let state = worker.snapshot().expect("it has a state").state.clone();
    u64::from_le_bytes(state.try_into().expect("the zoo's state is a number"))
}

#[test]
fn the_new_version_goes_on_with_the_state_of_the_old() {
    let heard = Heard::default();
    let worker = spawn("{}", heard.sink());
    worker.send(at(SECOND, opens(1, 10)));
    worker.settle();
    let swapped = worker
        .swap(successor(zoo_version("1.2.4"), "{}"))
        .expect("it takes over");
    assert_eq!((swapped.state, swapped.state_bytes), (Carried::Warm, 8));
    worker.send(at(SECOND + 1, opens(11, 5)));
    worker.settle();
    assert_eq!(remembered(&worker), 15);
    assert_eq!(worker.plugin().identity.version, "1.2.4");
    assert_eq!(heard.values("remembered_events"), [10.0, 15.0]);
    let lines = heard.lines();
    let swap = lines
        .iter()
        .position(|line| line == "adopted 1.2.4")
        .expect("it is announced");
    assert_eq!(lines[swap + 1], "started");
    let stats = worker.stats();
    assert_eq!(
        (stats.stage.left[Kind::Open.index()], stats.carried),
        (15, Carried::Warm)
    );
}

#[test]
fn cold_is_an_allowed_answer() {
    let worker = spawn("{}", Heard::default().sink());
    worker.send(at(SECOND, opens(1, 10)));
    worker.settle();
    let swapped = worker
        .swap(successor(zoo_version("1.2.4"), r#"{"restore": "cold"}"#))
        .expect("it takes over");
    assert_eq!(swapped.state, Carried::Cold);
    assert_eq!(remembered(&worker), 0);
}

#[test]
fn a_version_that_fails_on_the_state_does_not_take_over() {
    for (json, reason) in [
        (r#"{"restore": "trap"}"#, "trap"),
        (r#"{"restore": "spin"}"#, "deadline"),
    ] {
        let worker = spawn("{}", Heard::default().sink());
        worker.send(at(SECOND, opens(1, 10)));
        worker.settle();
        let refused = worker.swap(successor(zoo_version("1.2.4"), json)).err();
        match refused.expect("it is refused") {
            SwapError::Restore(failure) => assert_eq!(failure.reason(), reason),
            other => panic!("{other}"),
        }
        worker.send(at(SECOND + 1, opens(11, 5)));
        worker.settle();
        assert_eq!(worker.plugin().identity.version, "1.2.3");
        assert_eq!(remembered(&worker), 15);
        assert_eq!(worker.stats().stage.total_dropped(), 0);
    }
}

#[test]
fn an_old_version_that_cannot_tell_its_state_is_replaced_all_the_same() {
    for act in ["trap", "spin", "giant"] {
        let limits = Limits {
            memory_bytes: 2 << 30,
            snapshot_bytes: 1 << 20,
            call_time: Duration::from_secs(if act == "giant" { 20 } else { 1 }),
            ..small_limits()
        };
        let plugin = Plugin::load(engine(), &zoo_file(), &limits).expect("the zoo is a plugin");
        let json = format!(r#"{{"snapshot": "{act}"}}"#);
        let worker = Worker::spawn(plugin, config(&json), None, Heard::default().sink()).expect("it starts");
        worker.send(at(SECOND, opens(1, 10)));
        worker.settle();
        let swapped = worker
            .swap(successor(zoo_version("1.2.4"), "{}"))
            .expect("it takes over");
        assert_eq!(swapped.state, Carried::Nothing);
        worker.send(at(SECOND + 1, opens(11, 5)));
        worker.settle();
        let stats = worker.stats();
        assert_eq!((stats.status, stats.stage.total_dropped()), (Status::Running, 0));
        assert_eq!(remembered(&worker), 5);
    }
}

#[test]
fn a_new_file_ends_a_quarantine() {
    let worker = spawn(r#"{"batch": "error"}"#, Heard::default().sink());
    for second in 1..9 {
        worker.send(at(second * 2 * SECOND, opens(second, 1)));
    }
    worker.settle();
    assert_eq!(worker.stats().status, Status::Quarantined);
    worker
        .swap(successor(zoo_version("1.2.4"), "{}"))
        .expect("it takes over");
    worker.send(at(20 * SECOND, opens(100, 3)));
    worker.settle();
    let stats = worker.stats();
    assert_eq!(stats.status, Status::Running);
    assert_eq!(stats.stage.left[Kind::Open.index()], 3);
}

#[test]
fn so_does_an_operators_word_and_a_quarantine_is_announced_once() {
    let heard = Heard::default();
    let worker = spawn(r#"{"batch": "trap", "at": 1}"#, heard.sink());
    for second in 1..9 {
        worker.send(at(second * 2 * SECOND, opens(1, 1)));
    }
    worker.settle();
    assert_eq!(worker.stats().status, Status::Quarantined);
    assert_eq!(
        heard
            .lines()
            .iter()
            .filter(|line| line.starts_with("quarantined"))
            .count(),
        1
    );
    worker.resume();
    assert_eq!(worker.stats().status, Status::Running);
    worker.send(at(20 * SECOND, opens(2, 3)));
    worker.settle();
    assert_eq!(worker.stats().stage.left[Kind::Open.index()], 3);
}

#[test]
fn after_a_trap_the_last_good_state_is_continued_from() {
    let heard = Heard::default();
    let worker = spawn(r#"{"batch": "trap", "at": 100}"#, heard.sink());
    worker.send(at(SECOND, opens(1, 10)));
    // The state is kept once a minute of event time.
    worker.send(at(62 * SECOND, opens(11, 5)));
    worker.send(at(63 * SECOND, opens(100, 1)));
    worker.send(at(64 * SECOND, opens(101, 2)));
    worker.settle();
    let stats = worker.stats();
    assert_eq!((stats.restarts, stats.status), (1, Status::Running));
    let seen = heard.values("remembered_events");
    assert_eq!(seen[..2], [10.0, 15.0]);
    // What it remembers is what it knew when it was asked last.
    assert_eq!(seen[2], 12.0, "{seen:?}");
}

#[test]
fn a_state_on_which_it_fails_at_once_is_not_tried_again() {
    let state = Snapshot {
        version: 1,
        state: 7_u64.to_le_bytes().to_vec(),
    };
    let worker = Worker::spawn(
        zoo(),
        config(r#"{"batch": "error"}"#),
        Some(state),
        Heard::default().sink(),
    )
    .expect("it starts");
    assert_eq!(remembered(&worker), 7);
    worker.send(at(SECOND, opens(1, 1)));
    worker.send(at(2 * SECOND, opens(2, 1)));
    worker.send(at(3 * SECOND, opens(3, 1)));
    worker.send(at(4 * SECOND, opens(4, 1)));
    worker.settle();
    worker.resume();
    assert_eq!(remembered(&worker), 0);
}

#[test]
fn a_saved_state_that_it_fails_on_does_not_keep_it_from_starting() {
    let state = Snapshot {
        version: 1,
        state: 7_u64.to_le_bytes().to_vec(),
    };
    for json in [r#"{"restore": "trap"}"#, r#"{"restore": "cold"}"#] {
        let worker =
            Worker::spawn(zoo(), config(json), Some(state.clone()), Heard::default().sink()).expect("it starts");
        worker.send(at(SECOND, opens(1, 3)));
        worker.settle();
        assert_eq!(remembered(&worker), 3);
    }
}

#[test]
fn a_plugin_that_leaks_gets_a_new_instance_and_forgets_nothing() {
    let heard = Heard::default();
    let worker = spawn(r#"{"batch": "leak"}"#, heard.sink());
    for batch in 0..100 {
        worker.send(at(SECOND + batch * MS, opens(1 + batch, 1)));
    }
    worker.settle();
    let stats = worker.stats();
    assert_eq!(stats.stage.total_dropped(), 0);
    assert!(stats.renewals >= 5, "{}", stats.renewals);
    assert!(stats.memory_peak_bytes <= 16 << 20);
    assert_eq!(heard.values("remembered_events").last(), Some(&100.0));
}

#[test]
fn each_version_gets_the_tables_that_it_asked_for() {
    let other = Plugin::from_bytes(
        engine(),
        &zoo_file(),
        &altered(&[("describe:as-it-should-be", "describe:other-tables-on")]),
        &small_limits(),
    )
    .expect("it is a plugin");
    assert_eq!(other.tables(), Kinds::EXECS | Kinds::EXITS);
    let heard = Heard::default();
    let worker = spawn("{}", heard.sink());
    let both = |first| {
        let mut batch = opens(first, 10);
        batch.execs = execs(first + 10, 3).execs;
        at(SECOND, batch)
    };
    worker.send(both(1));
    worker.settle();
    worker.swap(successor(other, "{}")).expect("it takes over");
    worker.send(both(20));
    // Nothing in it for the new version: it is not called.
    worker.send(at(SECOND, opens(40, 4)));
    worker.settle();
    let stats = worker.stats();
    assert_eq!(
        (
            stats.stage.left[Kind::Open.index()],
            stats.stage.left[Kind::Exec.index()]
        ),
        (10, 6)
    );
    assert_eq!(stats.on_batch.calls, 2);
    assert_eq!(heard.values("events/open"), [10.0, 0.0]);
}

/// Two versions alternate as fast as they can while batches arrive as fast as they are taken.
#[test]
fn a_thousand_swaps_under_load_lose_and_double_nothing() {
    const SWAPS: usize = 1_000;
    let heard = Heard::default();
    let worker = spawn("{}", heard.sink());
    let versions = [zoo_version("1.2.4"), zoo_version("1.2.5")];
    let (is_done, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut pauses: Vec<Duration> = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                let before = sent.load(Ordering::Relaxed);
                worker.send(at(SECOND + before, opens(1 + before, 3)));
                sent.store(before + 3, Ordering::Relaxed);
            }
        });
        let swap = |swap: usize| {
            // At least one batch between any two swaps; most of the time the queue is full.
            let before = sent.load(Ordering::Relaxed);
            while sent.load(Ordering::Relaxed) == before {
                std::thread::yield_now();
            }
            let next = successor(versions[swap % 2].clone(), "{}");
            let swapped = worker.swap(next).expect("it takes over");
            assert_eq!(swapped.state, Carried::Warm);
            swapped.pause
        };
        let pauses = (0..SWAPS).map(swap).collect();
        is_done.store(true, Ordering::Relaxed);
        pauses
    });
    let sent = sent.into_inner();
    worker.settle();
    let stats = worker.stats();
    assert_eq!(stats.stage.left[Kind::Open.index()], sent);
    assert_eq!(stats.stage.total_dropped(), 0);
    assert_eq!(remembered(&worker), sent, "what was kept in the guests' memory alone");
    let seen = heard.values("remembered_events");
    assert!(seen.is_sorted(), "it never goes backwards");
    assert_eq!(
        heard.values("events/open").iter().sum::<f64>().to_string(),
        sent.to_string()
    );
    pauses.sort();
    eprintln!(
        "{SWAPS} swaps, {sent} events: pause median {:?}, p99 {:?}, longest {:?}",
        pauses[SWAPS / 2],
        pauses[SWAPS * 99 / 100],
        pauses[SWAPS - 1]
    );
}
