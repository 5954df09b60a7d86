//! A version on trial beside the one that serves.
use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::components::{marked, shipped};
use crate::site::Site;
use crate::support::{Daemon, is_live};

/// A shell runs more programs than the shadow allows, and fewer than the active version does. Its process id.
fn burst() -> u32 {
    let mut shell = Command::new("/bin/sh")
        .args(["-c", "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do /bin/true; done; true"])
        .stdin(Stdio::null())
        .spawn()
        .expect("sh runs");
    assert!(shell.wait().expect("a child").success());
    shell.id()
}

/// Whether a verdict says that this process' children were a burst.
fn is_burst_of(verdict: &Value, pid: u32) -> bool {
    let message = verdict["message"].as_str().expect("a message");
    verdict["rule"] == "exec-burst" && message.contains(&format!("(pid {pid},"))
}

fn compared(daemon: &Daemon) -> Value {
    let done = daemon.ctl(&["shadow", "exec-anomaly", "--json"]);
    assert_eq!(done.code, 0, "{done:?}");
    serde_json::from_str(&done.out).expect("JSON")
}

#[test]
fn a_shadow_is_compared_and_promoted() {
    if !is_live() {
        return;
    }
    let site = Site::new();
    let active = shipped("exec-anomaly");
    let shadow = marked(active.clone(), "on trial");
    let config = "repeat_after_seconds = 61\n";
    site.put("exec-anomaly.toml", config);
    site.put("exec-anomaly.wasm", &active);
    let mut daemon = site.start();
    let none = daemon.ctl(&["shadow", "exec-anomaly"]);
    assert_eq!(none.code, 1, "{none:?}");
    assert!(none.said.contains("has no shadow"), "{none:?}");

    site.put(
        "exec-anomaly.shadow.toml",
        "# On trial.\n[burst]\nlimit = 5\nwindow_seconds = 5\n",
    );
    site.put("exec-anomaly.shadow.wasm", &shadow);
    daemon.wait_for("the shadow to run", |daemon| daemon.plugin("shadow", "exec-anomaly"));
    assert_eq!(daemon.refusal("exec-anomaly.shadow.wasm"), None);

    // It is listed some milliseconds before it gets its first batch and is compared.
    let mut bursts = Vec::new();
    let (summary, pid) = daemon.wait_for("a burst that only the shadow sees", |daemon| {
        bursts.push(burst());
        let summary = compared(daemon);
        let extra = summary["extra"].as_array().expect("a list");
        let mut seen = bursts
            .iter()
            .filter(|pid| extra.iter().any(|sample| is_burst_of(sample, **pid)));
        let pid = *seen.next()?;
        Some((summary, pid))
    });
    assert!(
        summary["rules"]["exec-burst"]["extra"].as_u64() >= Some(1),
        "{summary:#}"
    );
    assert_eq!(
        (&summary["active"]["dropped"], &summary["shadow"]["dropped"]),
        (&0.into(), &0.into())
    );
    let told = daemon.ctl(&["shadow", "exec-anomaly"]);
    assert_eq!(told.code, 0, "{told:?}");
    for part in ["only the shadow gave, over", "exec-burst", &format!("(pid {pid},")] {
        assert!(told.out.contains(part), "`{part}` is missing:\n{}", told.out);
    }
    let shadows = ["rule=\"exec-burst\"", "outcome=\"extra\""];
    assert!(daemon.metrics().sum("vespid_shadow_verdicts_total", &shadows) > 0.5);
    let delivered = daemon.verdicts();
    assert!(
        !delivered.iter().any(|verdict| is_burst_of(verdict, pid)),
        "{delivered:#?}"
    );

    let promoted = daemon.ctl(&["promote", "exec-anomaly", "--json"]);
    assert_eq!(promoted.code, 0, "{promoted:?}");
    assert_eq!(daemon.plugin("shadow", "exec-anomaly"), None);
    let serves = daemon.plugin("active", "exec-anomaly").expect("it runs");
    assert_eq!(serves["reloads"]["swapped"], 1, "{serves:#}");
    assert_eq!(serves["reloads"]["state"], "warm", "{serves:#}");
    let none = daemon.ctl(&["shadow", "exec-anomaly"]);
    assert_eq!(none.code, 1, "{none:?}");

    let pid = burst();
    let verdict = daemon.verdict("the burst, delivered", |verdict| is_burst_of(verdict, pid));
    assert_eq!(verdict["plugin"]["digest"], serves["plugin"]["digest"]);

    // A daemon that starts again finds what was promoted, and the way back is there.
    let read = |name: &str| fs::read(site.file(name)).ok();
    assert!(read("exec-anomaly.wasm") == Some(shadow));
    assert!(read("exec-anomaly.wasm.previous") == Some(active));
    assert!(read("exec-anomaly.toml.previous") == Some(config.into()));
    assert!(
        read("exec-anomaly.toml").is_some_and(|config| config.starts_with(b"# On trial.\n")),
        "the shadow's configuration was promoted with it"
    );
    assert_eq!(
        (read("exec-anomaly.shadow.wasm"), read("exec-anomaly.shadow.toml")),
        (None, None)
    );
    assert!(daemon.drops("exec-anomaly") < 0.5);
    daemon.stop_well();
}
