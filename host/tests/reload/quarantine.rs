//! A plugin that fails too often is no longer called, until somebody says so or its file changes.
use crate::components::{shipped, zoo};
use crate::site::{Meanwhile, Site};
use crate::support::{Daemon, is_live};

const ZOO: [&str; 1] = ["plugin=\"zoo\""];

fn wait_quarantined(daemon: &mut Daemon) {
    daemon.wait_sum("vespid_plugin_quarantined", &ZOO, 1.0);
}

fn failures(daemon: &Daemon) -> f64 {
    daemon.metrics().sum("vespid_plugin_failures_total", &ZOO)
}

#[test]
fn a_quarantined_plugin_is_resumed_by_word_and_by_file() {
    if !is_live() {
        return;
    }
    let _traffic = Meanwhile::opens();
    let site = Site::new();
    site.put("file-audit.wasm", shipped("file-audit"));
    site.put("zoo.toml", "batch = \"trap\"\n");
    site.put("zoo.wasm", zoo("1.2.3"));
    let mut daemon = site.start();
    wait_quarantined(&mut daemon);
    let verdict = daemon.verdict("the verdict about it", |verdict| {
        verdict["rule"] == "plugin-quarantined"
    });
    assert_eq!(
        (&verdict["plugin"]["name"], &verdict["severity"], &verdict["key"]),
        (&"vespid".into(), &"error".into(), &"zoo".into()),
        "{verdict:#}"
    );
    let five = failures(&daemon);
    assert!((five - 5.0).abs() < 0.5, "{five} failures");

    let resumed = daemon.ctl(&["plugin", "resume", "zoo"]);
    assert_eq!(resumed.code, 0, "{resumed:?}");
    daemon.wait_for("it to be called again", |daemon| {
        (failures(daemon) > five + 0.5).then_some(())
    });
    wait_quarantined(&mut daemon);
    daemon.wait_for("a second verdict", |daemon| {
        let verdicts = daemon.verdicts();
        let about = verdicts
            .iter()
            .filter(|verdict| verdict["rule"] == "plugin-quarantined");
        (about.count() == 2).then_some(())
    });

    let ten = failures(&daemon);
    site.put("zoo.wasm", zoo("1.2.4"));
    daemon.wait_swaps("zoo", 1);
    daemon.wait_for("the new file to be called", |daemon| {
        (failures(daemon) > ten + 0.5).then_some(())
    });
    wait_quarantined(&mut daemon);

    site.put("zoo.toml", "batch = \"count\"\n");
    daemon.wait_swaps("zoo", 2);
    daemon.wait_sum("zoo_events_total", &[], 100.0);
    let mended = daemon.metrics();
    assert!(mended.sum("vespid_plugin_quarantined", &ZOO) < 0.5, "{}", mended.0);
    let nothing = daemon.ctl(&["plugin", "resume", "zoo"]);
    assert_eq!(nothing.code, 1, "{nothing:?}");
    assert!(nothing.said.contains("nothing to resume"), "{nothing:?}");

    assert!(daemon.drops("zoo") > 0.5, "what it did not get is counted");
    assert!(daemon.drops("file-audit") < 0.5, "its neighbour lost nothing");
    let neighbour = daemon.plugin("active", "file-audit").expect("it runs");
    assert_eq!(neighbour["stats"]["restarts"], 0);
    daemon.stop_well();
}
