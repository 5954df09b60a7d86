//! Nothing that can be counted became dearer: an event's allocations, their bytes, and its instructions, on the collector
//! and in the shipped plugins. `VESPID_ACCEPT=1 cargo test -p vespid-bench --test counted` takes what it finds for the new baseline.
use std::path::{Path, PathBuf};

use vespid_bench::{counted, instructions};

#[test]
fn no_counted_cost_became_higher() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let built = folder.join("../target/plugins");
    let plugins = std::env::var_os("VESPID_PLUGINS").map_or(built, PathBuf::from);
    if !instructions::is_possible() {
        eprintln!("SKIPPED: the collector's instructions: there is no valgrind");
    }
    let bench = Path::new(env!("CARGO_BIN_EXE_vespid-bench"));
    let found = counted::measure(&plugins, bench).expect("the shipped plugins, which `cargo xtask build` makes");
    let baseline = folder.join("baseline.json");
    if std::env::var_os("VESPID_ACCEPT").is_some() {
        counted::write(&baseline, &found).expect("the baseline can be written");
    }
    let worse = counted::regressions(&counted::read(&baseline).expect("a baseline"), &found);
    assert!(
        worse.is_empty(),
        "counted costs that are higher than in bench/baseline.json:\n{}",
        worse.join("\n")
    );
}
