//! What the boundary costs: `--nocapture` shows it. Machines differ, so no time is asserted.
use std::hint::black_box;
use std::time::{Duration, Instant};

use vespid::interface::vespid::plugin::events::{Batch, Connections, Execs, Processes};
use vespid::plugin::Plugin;

use crate::support::{NO_LOSS, config, engine, opens, small_limits, zoo, zoo_file};

#[test]
fn a_batch_is_lowered_for_a_few_nanoseconds_an_event() {
    let mut instance = zoo().start(&config(r#"{"batch": "idle"}"#), None).expect("it starts");
    for events in [1, 64, 1_024, 8_192] {
        let batch = mixed(events);
        let calls = 20_000 / events + 20;
        let best = fastest(5, || {
            for _ in 0..calls {
                black_box(instance.on_batch(&batch, NO_LOSS).expect("it is idle"));
            }
        });
        let per_event = best.as_nanos() as f64 / (calls * events) as f64;
        println!(
            "{events} events in a batch: {per_event:.1} ns an event, {:.2} µs a batch",
            per_event * events as f64 / 1e3
        );
    }
}

#[test]
fn a_plugin_is_compiled_once_and_replaced_in_microseconds() {
    let load = fastest(3, || drop(Plugin::load(engine(), &zoo_file(), &small_limits())));
    let zoo = zoo();
    let start = fastest(100, || drop(zoo.start(&config("{}"), None)));
    let mut instance = zoo.start(&config(r#"{"batch": "idle"}"#), None).expect("it starts");
    let tick = fastest(100, || drop(black_box(instance.tick(1))));
    println!("load {load:?}, start {start:?}, tick {tick:?}");
}

fn fastest(times: usize, mut work: impl FnMut()) -> Duration {
    let time = |()| {
        let begin = Instant::now();
        work();
        begin.elapsed()
    };
    std::iter::repeat_n((), times).map(time).min().unwrap_or_default()
}

/// 80 % opens, 15 % connections, 5 % execs; a process and a string for every eighth event.
fn mixed(events: usize) -> Batch {
    let connections = events * 15 / 100;
    let execs = events * 5 / 100;
    let mut batch = opens(1, events - connections - execs);
    let rows = events / 8 + 1;
    batch.strings.ends = (0..rows).map(|at| u32::try_from(at * 24).expect("small")).collect();
    batch.strings.blob = vec![b'x'; rows * 24];
    let (narrow, wide) = (vec![0_u32; rows], vec![0_u64; rows]);
    batch.processes = Processes {
        pid: narrow.clone(),
        ppid: narrow.clone(),
        parent: narrow.clone(),
        start: wide.clone(),
        uid: narrow.clone(),
        gid: narrow.clone(),
        euid: narrow.clone(),
        login_uid: narrow.clone(),
        comm: narrow.clone(),
        exe: narrow.clone(),
        args: narrow.clone(),
        cwd: narrow.clone(),
        tty: narrow.clone(),
        cgroup: narrow.clone(),
        container: narrow.clone(),
        flags: narrow.clone(),
        user: narrow.clone(),
        group: narrow,
        capabilities: wide,
        namespaces: vec![0; rows * 8],
    };
    let (narrow, wide) = (vec![0_u32; connections], vec![0_u64; connections]);
    batch.connections = (connections > 0).then(|| Connections {
        seq: wide.clone(),
        time: wide.clone(),
        process: narrow.clone(),
        op: vec![1; connections],
        direction: vec![0; connections],
        addresses: vec![0; connections * 32],
        local_port: narrow.clone(),
        remote_port: narrow.clone(),
        cookie: wide.clone(),
        sent: wide.clone(),
        received: wide.clone(),
        duration: wide,
        srtt: narrow.clone(),
        retransmits: narrow.clone(),
        errno: narrow.clone(),
        netns: narrow.clone(),
        local_isn: narrow.clone(),
        remote_isn: narrow,
    });
    let narrow = vec![0_u32; execs];
    batch.execs = (execs > 0).then(|| Execs {
        seq: vec![0; execs],
        time: vec![0; execs],
        process: narrow.clone(),
        previous: narrow.clone(),
        filename: narrow.clone(),
        errno: narrow,
    });
    batch
}
