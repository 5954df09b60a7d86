//! One instance, call by call.
use std::time::{Duration, Instant};

use vespid::interface::vespid::plugin::events::Lost;
use vespid::plugin::{Engine, Failure, Snapshot};

use crate::support::{NO_LOSS, config, engine, opens, zoo};

/// What the zoo does when told to, as the reason for metrics and a part of the message for people.
#[track_caller]
fn check(act: &str, reason: &str, message: &str) {
    let config = serde_json::json!({"batch": act});
    let mut instance = zoo().start(&config, None).expect("it starts");
    let failure = instance.on_batch(&opens(7, 3), NO_LOSS).expect_err("it misbehaves");
    assert_eq!(failure.reason(), reason, "{failure}");
    assert!(failure.to_string().contains(message), "{failure}");
    assert_eq!(
        instance.tick(1).err(),
        Some(Failure::Poisoned),
        "a failed instance is not used again"
    );
}

#[test]
fn a_trap_names_the_function_and_not_the_panic_machinery() {
    check("trap", "trap", "in zoo::dig_a_hole");
}

#[test]
fn an_endless_loop_is_stopped_at_its_deadline() {
    let begin = Instant::now();
    check("spin", "deadline", "still running, in zoo::misbehave");
    assert!(begin.elapsed() < Duration::from_secs(10));
}

#[test]
fn endless_recursion_ends_with_the_guest_stack() {
    check("recurse", "trap", "zoo::recurse");
}

#[test]
fn memory_beyond_the_limit_is_refused_where_it_was_asked_for() {
    check("allocate", "memory", "may have 16777216");
}

#[test]
fn an_error_is_passed_on_without_its_escape_codes() {
    check("error", "error_returned", r"not today\x1b[31m");
}

#[test]
fn a_report_that_breaks_a_rule_is_refused_by_that_rule() {
    check("bad-row", "bad_report", "row 4294967295 of `opens`, which has 3");
    check("no-table", "bad_report", "row 0 of `connections`, which has 0");
    check("bad-series", "bad_report", "series 1000000, and this instance has 0");
    check(
        "bad-metric",
        "bad_report",
        "belongs to metric 99, and the manifest has 6",
    );
    check(
        "bad-labels",
        "bad_report",
        "`events` has 0 label values, and the metric has 1",
    );
    check("nan", "bad_report", "sample of `ticks` is NaN");
    check("negative", "bad_report", "sample of `events` is -1");
    check("uneven", "bad_report", "1 sample ids and 0 values");
    check("half", "bad_report", "rule name `Not A Rule`");
    check("giant-message", "bad_report", "message are 1048576, and at most 4096");
    check("many-verdicts", "bad_report", "verdicts are 2000, and at most 1000");
}

#[test]
fn a_report_too_large_to_be_read_is_not_read() {
    check("giant-report", "oversized", "too much data");
}

#[test]
fn a_plugin_that_refuses_its_configuration_does_not_start() {
    let failure = zoo()
        .start(&config(r#"{"init": "error"}"#), None)
        .err()
        .expect("it refuses");
    assert_eq!(failure, Failure::ErrorReturned("the keeper said no".into()));
    let failure = zoo()
        .start(&config(r#"{"init": "trap"}"#), None)
        .err()
        .expect("it traps");
    assert_eq!(failure.reason(), "trap");
}

#[test]
fn a_snapshot_carries_the_state_into_another_instance() {
    let mut first = zoo().start(&config("{}"), None).expect("it starts");
    first.on_batch(&opens(1, 5), NO_LOSS).expect("it counts");
    let snapshot = first.snapshot().expect("it has a state");
    assert_eq!(
        snapshot,
        Snapshot {
            version: 1,
            state: 5_u64.to_le_bytes().to_vec()
        }
    );

    let mut second = zoo().start(&config("{}"), Some(&snapshot)).expect("it starts");
    second.on_batch(&opens(6, 2), NO_LOSS).expect("it counts on");
    assert_eq!(second.snapshot().expect("it has a state").state, 7_u64.to_le_bytes());

    let strange = Snapshot { version: 9, ..snapshot };
    let mut third = zoo().start(&config("{}"), Some(&strange)).expect("it starts cold");
    assert_eq!(third.snapshot().expect("it has a state").state, 0_u64.to_le_bytes());
}

#[test]
fn the_guest_sees_its_own_losses_over_shared_columns() {
    let mut instance = zoo().start(&config("{}"), None).expect("it starts");
    let report = instance
        .on_batch(
            &opens(1, 5),
            Lost {
                kernel: 3,
                decode: 0,
                queue: 4,
            },
        )
        .expect("it counts");
    assert_eq!(report.values, [0.0, 5.0, 3.0, 4.0, 5.0, 5.0]);
}

#[test]
fn series_ids_are_good_for_the_life_of_an_instance_and_not_longer() {
    let mut instance = zoo().start(&config("{}"), None).expect("it starts");
    assert_eq!(
        instance
            .on_batch(&opens(1, 1), NO_LOSS)
            .expect("it counts")
            .series
            .len(),
        6
    );
    let second = instance.on_batch(&opens(2, 1), NO_LOSS).expect("it counts");
    assert!(second.series.is_empty());
    assert_eq!(second.ids, [0, 1, 2, 3, 4, 5]);
    assert_eq!(instance.tick(9).expect("it ticks").ids, [6, 7]);
}

#[test]
fn the_clock_of_deadlines_ends_with_its_engine() {
    let clocks = || {
        let tasks = std::fs::read_dir("/proc/self/task").expect("threads").flatten();
        tasks
            .filter(|task| std::fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name == "epoch\n"))
            .count()
    };
    let wait_for = |count| {
        let begin = Instant::now();
        while clocks() != count {
            assert!(begin.elapsed() < Duration::from_secs(10), "there are {}", clocks());
            std::thread::yield_now();
        }
    };
    // The one of the other tests.
    engine();
    let second = Engine::new().expect("an engine");
    wait_for(2);
    drop(second);
    wait_for(1);
}
