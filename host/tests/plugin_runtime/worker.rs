//! A plugin's thread: its books, its losses, its failures, its clock.
use crossbeam_channel::bounded;
use vespid::plugin::{Delivery, PluginStats, Status, Worker};
use vespid_ebpf::Kind;

use crate::support::{Heard, MS, SECOND, at, execs, opens, spawn};

/// Sends all deliveries, waiting for room, and ends the worker.
fn run(json: &str, deliveries: impl IntoIterator<Item = Delivery>, end: Option<u64>) -> (PluginStats, Heard) {
    let heard = Heard::default();
    let worker = spawn(json, heard.sink());
    deliveries.into_iter().for_each(|delivery| worker.send(delivery));
    worker.settle();
    if let Some(end) = end {
        worker.advance(end);
    }
    let stats = finish(&worker);
    assert!(stats.stage.is_closed(), "{:?}", stats.stage);
    (stats, heard)
}

fn finish(worker: &Worker) -> PluginStats {
    worker.finish();
    worker.stats()
}

fn dropped(stats: &PluginStats, reason: &str) -> u64 {
    stats
        .stage
        .dropped
        .get(reason)
        .map_or(0, |by_kind| by_kind.iter().sum())
}

#[test]
fn what_goes_in_comes_out() {
    let (stats, heard) = run("{}", [at(5 * SECOND, opens(1, 10)), at(5 * SECOND, execs(11, 3))], None);
    assert_eq!(stats.stage.left[Kind::Open.index()], 10);
    assert_eq!(stats.stage.left[Kind::Exec.index()], 3);
    assert_eq!(stats.stage.total_dropped(), 0);
    assert_eq!((stats.on_batch.calls, stats.last_event), (2, 5 * SECOND));
    assert!(stats.memory_bytes >= 1 << 16);
    assert_eq!(heard.values("events/open"), [10.0, 0.0]);
    assert_eq!(heard.values("events/exec"), [0.0, 3.0]);
}

#[test]
fn a_trap_costs_its_batch_and_the_backoff_and_is_told_to_the_next_instance() {
    let batches = [
        at(SECOND, opens(1, 10)),
        at(SECOND + 10 * MS, opens(11, 20)),  // traps
        at(SECOND + 20 * MS, opens(31, 30)),  // backoff
        at(SECOND + 200 * MS, opens(61, 40)), // a new instance
    ];
    let (stats, heard) = run(r#"{"batch": "trap", "at": 11}"#, batches, None);
    assert_eq!((dropped(&stats, "trap"), dropped(&stats, "backoff")), (20, 30));
    assert_eq!(stats.stage.left[Kind::Open.index()], 50);
    assert_eq!(
        (stats.status, stats.restarts, stats.failures["trap"]),
        (Status::Running, 1, 1)
    );
    assert!(stats.last_failure.expect("there was one").contains("zoo::dig_a_hole"));
    assert_eq!(heard.values("events/open"), [10.0, 40.0]);
    assert_eq!(heard.values("lost/queue"), [0.0, 50.0]);
    assert_eq!(heard.lines().iter().filter(|line| *line == "started").count(), 2);
}

#[test]
fn nothing_of_a_half_good_report_is_applied() {
    let (stats, heard) = run(r#"{"batch": "half"}"#, [at(SECOND, opens(1, 10))], None);
    assert_eq!(dropped(&stats, "bad_report"), 10);
    assert_eq!(heard.lines(), ["started"]);
}

#[test]
fn five_failures_in_a_minute_are_the_last() {
    let batches = (0..8).map(|second| at(second * 2 * SECOND, opens(1 + second, 1)));
    let (stats, _) = run(r#"{"batch": "error"}"#, batches, None);
    assert_eq!((stats.status, stats.restarts), (Status::Quarantined, 4));
    assert_eq!(
        (dropped(&stats, "error_returned"), dropped(&stats, "quarantined")),
        (5, 3)
    );
}

#[test]
fn five_failures_in_an_hour_are_not() {
    let batches = (0..8).map(|at_minute| at(at_minute * 60 * SECOND, opens(1 + at_minute, 1)));
    let (stats, _) = run(r#"{"batch": "error"}"#, batches, None);
    assert_eq!((stats.status, dropped(&stats, "error_returned")), (Status::Backoff, 8));
}

#[test]
fn a_full_queue_drops_counts_and_tells() {
    let (permit, permits) = bounded(0);
    let heard = Heard::default();
    let worker = spawn("{}", heard.slow_sink(permits));
    // Four fit into the queue, and one more once the thread has taken the first; then the sink is stuck.
    let first = (0..20)
        .filter(|at_seq| worker.offer(at(SECOND, opens(1 + at_seq, 1))))
        .count();
    assert!((4..=5).contains(&first), "{first}");
    let stats = worker.stats();
    assert!(stats.stage.is_closed());
    assert_eq!(dropped(&stats, "queue_full"), 20 - first as u64);

    permit.send(()).expect("the sink waits");
    let mut late = 0;
    while !worker.offer(at(SECOND, opens(100, 1))) {
        late += 1;
        std::thread::yield_now();
    }
    drop(permit);
    let stats = finish(&worker);
    assert!(stats.stage.is_closed());
    assert_eq!(stats.stage.entered[Kind::Open.index()], 21 + late);
    assert_eq!(
        heard.values("lost/queue").iter().sum::<f64>().to_string(),
        (20 - first as u64 + late).to_string()
    );
}

#[test]
fn losses_in_the_kernel_before_a_dropped_batch_are_not_forgotten() {
    let lossy = |first, kernel| {
        let mut batch = opens(first, 1);
        batch.header.lost.kernel = kernel;
        batch
    };
    let batches = [
        at(SECOND, lossy(1, 5)),
        at(SECOND + MS, lossy(2, 7)),
        at(2 * SECOND, lossy(3, 11)),
    ];
    let (_, heard) = run(r#"{"batch": "trap", "at": 1}"#, batches, None);
    assert_eq!(heard.values("lost/kernel"), [23.0]);
    assert_eq!(heard.values("lost/queue"), [2.0]);
}

#[test]
fn time_passes_before_the_batch_that_crosses_a_second() {
    let batches = [
        at(SECOND / 2, opens(1, 1)),
        at(SECOND - 1, opens(2, 1)),
        at(3 * SECOND + 5, opens(3, 1)),
    ];
    let (stats, heard) = run("{}", batches, Some(4 * SECOND));
    let seen: Vec<String> = heard
        .lines()
        .into_iter()
        .filter(|line| line.starts_with("now") || line.starts_with("events/open"))
        .collect();
    assert_eq!(
        seen,
        [
            "events/open 1",
            "events/open 1",
            "now 1000000000",
            "now 2000000000",
            "now 3000000000",
            "events/open 1",
            "now 4000000000"
        ]
    );
    assert_eq!(stats.tick.calls, 4);
}

#[test]
fn a_leap_in_time_is_not_ticked_through_for_ever() {
    let (stats, _) = run(
        "{}",
        [at(0, opens(1, 1)), at(1_800_000_000 * SECOND, opens(2, 1))],
        None,
    );
    assert_eq!(stats.tick.calls, 600);
}

#[test]
fn a_trap_in_a_tick_is_a_failure_like_any_other() {
    let (stats, _) = run(
        r#"{"tick": "trap"}"#,
        [at(0, opens(1, 1)), at(SECOND, opens(2, 1))],
        None,
    );
    assert_eq!((stats.failures["trap"], dropped(&stats, "backoff")), (1, 1));
}

#[test]
fn a_spinning_plugin_does_not_hold_up_its_neighbour() {
    let (heard, neighbour) = (Heard::default(), Heard::default());
    let spinner = spawn(r#"{"batch": "spin"}"#, heard.sink());
    let worker = spawn("{}", neighbour.sink());
    for batch in 0..3 {
        let delivery = at(batch * SECOND, opens(1 + batch, 1));
        assert!(spinner.offer(delivery.clone()));
        worker.send(delivery);
    }
    assert_eq!(finish(&worker).stage.left[Kind::Open.index()], 3);
    let stats = finish(&spinner);
    assert!(stats.stage.is_closed());
    assert_eq!(dropped(&stats, "deadline"), 3);
}

#[test]
fn a_flood_of_log_lines_is_cut_and_counted() {
    let (stats, _) = run(r#"{"batch": "flood"}"#, [at(SECOND, opens(1, 1))], None);
    assert_eq!(stats.log_lines + stats.log_lines_dropped, 10_000);
    assert!((100..1_000).contains(&stats.log_lines), "{}", stats.log_lines);
}

#[test]
fn the_same_events_give_the_same_reports_failures_included() {
    let run = || {
        let batches = (0..50).map(|batch| at(batch * 70 * MS, opens(1 + batch, 2)));
        let (stats, heard) = run(r#"{"batch": "trap", "at": 20}"#, batches, Some(4 * SECOND));
        (stats.stage, heard.lines())
    };
    assert_eq!(run(), run());
}
