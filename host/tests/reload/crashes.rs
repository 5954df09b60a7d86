//! The daemon is killed at any moment, and starts again with what its plugins knew.
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use crate::components::zoo;
use crate::site::{Meanwhile, Site};
use crate::support::{Daemon, is_live};

const ROUNDS: usize = 15;

/// A number that is another one at each run; which ones they were is told by the test's output.
struct Dice(u64);

impl Dice {
    fn new() -> Dice {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Dice(now.expect("a time after 1970").subsec_nanos().into())
    }

    /// From `from` up to `to`.
    fn roll(&mut self, from: u64, to: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        from + (mixed ^ (mixed >> 31)) % (to - from)
    }
}

/// How many events the zoo's state on disk remembers, if it is there. It must be whole.
fn on_disk(site: &Site) -> Option<u64> {
    let bytes = fs::read(site.path("state/zoo.state")).ok()?;
    let end = bytes.iter().position(|byte| *byte == b'\n').expect("a first line");
    let header: Value = serde_json::from_slice(&bytes[..end]).expect("a header");
    assert_eq!((&header["plugin"], &header["bytes"]), (&"zoo".into(), &8.into()));
    Some(u64::from_le_bytes(bytes[end + 1..].try_into().expect("eight bytes")))
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// What the zoo remembered when the daemon started: what it remembers now, without what it has counted since.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of events, far below 2^53"
)]
fn remembered_at_start(daemon: &mut Daemon) -> u64 {
    daemon.wait_sum("zoo_events_total", &[], 1.0);
    let metrics = daemon.metrics();
    let before = metrics.sum("zoo_remembered_events", &[]) - metrics.sum("zoo_events_total", &[]);
    assert!(before >= 0.0, "{before}");
    before as u64
}

#[test]
fn killed_at_random_moments_it_starts_again_with_its_last_state() {
    if !is_live() {
        return;
    }
    let _traffic = Meanwhile::opens();
    let mut dice = Dice::new();
    let site = Site::new();
    let versions = [zoo("1.2.3"), zoo("1.2.4")];
    site.put("zoo.wasm", &versions[0]);
    let (mut last, mut warm, mut swaps) = (None, 0, 0);
    for round in 0..ROUNDS {
        let life = Duration::from_millis(dice.roll(300, 2_500));
        eprintln!("round {round}: starts with {last:?}, lives {life:?} after that");
        let mut daemon = site.start();
        assert_eq!(
            remembered_at_start(&mut daemon),
            last.unwrap_or(0),
            "round {round}:\n{}",
            daemon.log()
        );
        warm += usize::from(last.is_some());
        let plugins = daemon.ctl(&["plugins", "--json"]);
        assert_eq!(plugins.code, 0, "a dead daemon's socket was taken over: {plugins:?}");

        let end = Instant::now() + life;
        while Instant::now() < end {
            swaps += 1;
            site.put("zoo.wasm", &versions[swaps % 2]);
            let pause = Duration::from_millis(dice.roll(20, 400));
            std::thread::park_timeout(pause.min(end.saturating_duration_since(Instant::now())));
        }
        // The end of the variable is SIGKILL.
        drop(daemon);

        let states = names(&site.path("state"));
        assert!(
            states.iter().all(|name| name == "zoo.state" || name == "zoo.state.new"),
            "{states:?}"
        );
        let now = on_disk(&site);
        assert!(now >= last, "what was known is not forgotten: {last:?}, then {now:?}");
        last = now;
    }
    assert!(warm >= ROUNDS / 3, "it had a state to start with in {warm} rounds only");

    let mut daemon = site.start();
    assert_eq!(Some(remembered_at_start(&mut daemon)), last);
    daemon.stop_well();
    assert!(on_disk(&site) > last, "a daemon that ends in order keeps all");
    assert_eq!(names(&site.path("state")), ["zoo.state"]);
    let kept = names(&site.path(""));
    assert!(kept.len() <= 8, "{kept:?}");
    assert!(
        names(&site.path("cache")).len() <= 8,
        "{:?}",
        names(&site.path("cache"))
    );
    assert_eq!(names(&site.path("plugins")), ["zoo.wasm"]);
}
