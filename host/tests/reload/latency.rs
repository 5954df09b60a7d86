//! How long an exchange takes. Told, not judged: the machine may be busy.
use std::fs;
use std::time::{Duration, Instant};

use crate::components::zoo;
use crate::site::{Meanwhile, Site};
use crate::support::is_live;

const SWAPS: usize = 40;

#[test]
fn swap_latency() {
    if !is_live() {
        return;
    }
    let _traffic = Meanwhile::opens();
    let versions = [zoo("1.2.3"), zoo("1.2.4")];
    let site = Site::new();
    site.put("zoo.wasm", &versions[0]);
    let mut daemon = site.start();
    daemon.wait_sum("zoo_events_total", &[], 1.0);
    // Both have been compiled before anything is measured.
    for swap in [1, 2] {
        site.put("zoo.wasm", &versions[usize::from(swap % 2 == 1)]);
        daemon.wait_swaps("zoo", swap);
    }
    let (mut seen, mut loaded) = (Vec::new(), Vec::new());
    for swap in (3..).take(SWAPS) {
        let new = site.file(".new");
        fs::write(&new, &versions[usize::from(swap % 2 == 1)]).expect("written");
        let begin = Instant::now();
        fs::rename(&new, site.file("zoo.wasm")).expect("renamed");
        let reloads = loop {
            let plugin = daemon.plugin("active", "zoo").expect("it runs");
            if plugin["reloads"]["swapped"] == swap {
                break plugin["reloads"].clone();
            }
            assert!(begin.elapsed() < Duration::from_secs(20), "{}", daemon.log());
            std::thread::park_timeout(Duration::from_millis(1));
        };
        seen.push(begin.elapsed());
        loaded.push(Duration::from_nanos(reloads["last_ns"].as_u64().expect("a number")));
    }
    seen.sort();
    loaded.sort();
    let pause = daemon.metrics().sum("vespid_plugin_longest_pause_seconds", &[]);
    let (median, p99) = (SWAPS / 2, SWAPS * 99 / 100);
    eprintln!(
        "{SWAPS} swaps: from rename(2) to /plugins median {:?}, p99 {:?}; of that from loading to serving median {:?}, \
         p99 {:?}; longest pause {:?}",
        seen[median],
        seen[p99],
        loaded[median],
        loaded[p99],
        Duration::from_secs_f64(pause)
    );
    assert!(daemon.drops("zoo") < 0.5);
    daemon.stop_well();
}
