//! A new version or configuration takes over, or does not.
use std::io::Read;
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;
use serde_json::Value;

use crate::components::{shipped, zoo};
use crate::scraper::Scraper;
use crate::site::{Meanwhile, Site};
use crate::support::{Daemon, is_live};

/// Events that the zoo's memory has and its series do not, or the other way round.
fn lost_memory(daemon: &Daemon) -> f64 {
    let metrics = daemon.metrics();
    metrics.sum("zoo_events_total", &[]) - metrics.sum("zoo_remembered_events", &[])
}

/// It still takes events.
fn serves_on(daemon: &mut Daemon) {
    let before = daemon.metrics().sum("zoo_events_total", &[]);
    daemon.wait_sum("zoo_events_total", &[], before + 100.0);
    assert!(lost_memory(daemon).abs() < 0.5);
}

/// A process in a network namespace of its own, which waits to be let go.
fn elsewhere() -> (Child, u32) {
    let mut command = Command::new("unshare");
    command.args(["-n", "sh", "-c", "echo; read _"]);
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = child.expect("unshare");
    let out = child.stdout.as_mut().expect("its output");
    out.read_exact(&mut [0]).expect("it runs");
    let link = std::fs::read_link(format!("/proc/{}/ns/net", child.id())).expect("its namespace");
    let digits: String = link.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
    (child, digits.parse().expect("an inode number"))
}

#[test]
fn a_configuration_with_one_namespace_gives_what_happens_there_and_nothing_else() {
    if !is_live() {
        return;
    }
    let _traffic = Meanwhile::opens();
    let site = Site::new();
    site.put("zoo.wasm", zoo("1.2.3"));
    let mut daemon = site.start();
    daemon.wait_sum("zoo_events_total", &[], 100.0);

    let (mut child, inode) = elsewhere();
    site.put("zoo.toml", format!("network = {inode}\n"));
    daemon.wait_swaps("zoo", 1);
    let filtered = |daemon: &Daemon| daemon.metrics().sum("vespid_calls_filtered_total", &["open"]);
    let go_on = |daemon: &mut Daemon| {
        let before = filtered(daemon);
        daemon.wait_sum("vespid_calls_filtered_total", &["open"], before + 1000.0);
    };
    // What came before the swap is through by then.
    go_on(&mut daemon);
    let events = |daemon: &Daemon| daemon.metrics().sum("zoo_events_total", &[]);
    let before = events(&daemon);
    go_on(&mut daemon);
    assert!(
        (events(&daemon) - before).abs() < 0.5,
        "the node's own opens are left out"
    );

    let network = format!("--net=/proc/{}/ns/net", child.id());
    for _ in 0..10 {
        let joined = Command::new("nsenter")
            .args([&network, "cat", "/etc/hostname"])
            .output();
        assert!(joined.expect("nsenter runs").status.success());
    }
    // Each is an exec, and opens at least the file.
    daemon.wait_sum("zoo_events_total", &[], before + 20.0);
    assert!(lost_memory(&daemon).abs() < 0.5);

    site.remove("zoo.toml");
    daemon.wait_swaps("zoo", 2);
    serves_on(&mut daemon);
    drop(child.stdin.take());
    child.wait().expect("its end");
}

/// The traffic is that of a process which was there before anybody asked what runs.
#[test]
fn a_configuration_with_one_executable_gives_what_that_does_and_nothing_else() {
    if !is_live() {
        return;
    }
    let _traffic = Meanwhile::opens();
    let site = Site::new();
    site.put("zoo.wasm", zoo("1.2.3"));
    let mut daemon = site.start();
    daemon.wait_sum("zoo_events_total", &[], 100.0);

    let cat = ["/usr/bin/cat", "/bin/cat"]
        .into_iter()
        .find_map(|cat| std::fs::canonicalize(cat).ok());
    let cat = cat.expect("cat");
    site.put("zoo.toml", format!("executable = \"{}\"\n", cat.display()));
    daemon.wait_swaps("zoo", 1);
    let go_on = |daemon: &mut Daemon| {
        let before = daemon.metrics().sum("vespid_calls_filtered_total", &["open"]);
        daemon.wait_sum("vespid_calls_filtered_total", &["open"], before + 1000.0);
    };
    go_on(&mut daemon);
    let events = |daemon: &Daemon| daemon.metrics().sum("zoo_events_total", &[]);
    let before = events(&daemon);
    go_on(&mut daemon);
    assert!(
        (events(&daemon) - before).abs() < 0.5,
        "other programs' opens are left out"
    );

    for _ in 0..10 {
        let read = Command::new(&cat).arg("/etc/hostname").output();
        assert!(read.expect("cat runs").status.success());
    }
    // Each is an exec, and opens at least the file.
    daemon.wait_sum("zoo_events_total", &[], before + 20.0);
    assert!(lost_memory(&daemon).abs() < 0.5);
}

#[test]
fn a_replaced_file_swaps_with_its_state_and_a_broken_one_does_not() {
    if !is_live() {
        return;
    }
    let _traffic = Meanwhile::opens();
    let site = Site::new();
    site.put("zoo.wasm", zoo("1.2.3"));
    let mut daemon = site.start();
    daemon.wait_sum("zoo_events_total", &[], 100.0);
    let scraper = Scraper::start(daemon.address);
    let version = |plugin: &Value| plugin["plugin"]["version"].as_str().expect("a version").to_owned();

    site.put("zoo.wasm", zoo("1.2.4"));
    let swapped = daemon.wait_swaps("zoo", 1);
    assert_eq!(version(&swapped), "1.2.4");
    assert_eq!(
        (&swapped["reloads"]["state"], &swapped["reloads"]["before"]),
        (&"warm".into(), &"1.2.3".into())
    );
    serves_on(&mut daemon);

    let whole = zoo("1.2.5");
    let broken: [(&[u8], &str); 3] = [
        (b"not WebAssembly at all", "WebAssembly"),
        (&whole[..whole.len() / 2], ""),
        (&[], ""),
    ];
    for (bytes, words) in broken {
        let before = daemon.metrics().sum("vespid_plugin_refusals_total", &[]);
        site.put("zoo.wasm", bytes);
        daemon.wait_sum("vespid_plugin_refusals_total", &[], before + 1.0);
        daemon.wait_refused("zoo.wasm", words);
        assert!((daemon.metrics().sum("vespid_plugin_files_refused", &[]) - 1.0).abs() < 0.5);
        serves_on(&mut daemon);
    }
    // Nothing is tried again unless asked for, by either way.
    let before = daemon.metrics().sum("vespid_plugin_refusals_total", &[]);
    let reload = daemon.ctl(&["reload"]);
    assert_eq!(reload.code, 4, "{reload:?}");
    assert!(
        reload.out.contains("refused") && reload.out.contains("zoo.wasm"),
        "{reload:?}"
    );
    daemon.wait_sum("vespid_plugin_refusals_total", &[], before + 1.0);
    daemon.signal(Signal::HUP);
    daemon.wait_sum("vespid_plugin_refusals_total", &[], before + 2.0);
    assert_eq!(version(&daemon.plugin("active", "zoo").expect("it runs")), "1.2.4");

    // What runs is put back: the refusal ends, and nothing is exchanged.
    site.put("zoo.wasm", zoo("1.2.4"));
    daemon.wait_for("the refusal to end", |daemon| {
        daemon.refusal("zoo.wasm").is_none().then_some(())
    });
    assert_eq!(
        daemon.plugin("active", "zoo").expect("it runs")["reloads"]["swapped"],
        1
    );

    site.put("zoo.toml", "tick = \"as usual\"\n");
    assert_eq!(version(&daemon.wait_swaps("zoo", 2)), "1.2.4");
    serves_on(&mut daemon);
    site.put("zoo.toml", "batsh = \"idle\"\n");
    let reason = daemon.wait_refused("zoo.wasm", "batsh");
    assert!(reason.contains("did you mean `batch`?"), "{reason}");
    serves_on(&mut daemon);

    // A version that will not start, and one that fails on the state.
    for (config, words) in [
        ("init = \"error\"\n", "the keeper said no"),
        ("restore = \"trap\"\n", "state of the old one"),
    ] {
        let failed = daemon
            .metrics()
            .sum("vespid_plugin_reloads_total", &["outcome=\"failed\""]);
        site.put("zoo.toml", config);
        daemon.wait_refused("zoo.wasm", words);
        daemon.wait_sum("vespid_plugin_reloads_total", &["outcome=\"failed\""], failed + 1.0);
        serves_on(&mut daemon);
    }

    site.put("zoo.wasm", whole);
    site.remove("zoo.toml");
    let reload = daemon.ctl(&["reload"]);
    assert_eq!(reload.code, 0, "{reload:?}");
    let last = daemon.plugin("active", "zoo").expect("it runs");
    assert_eq!(version(&last), "1.2.5", "`reload` returns when it is done");
    assert_eq!(last["reloads"]["state"], "warm");
    serves_on(&mut daemon);
    assert!(daemon.drops("zoo") < 0.5);
    let scrapes = scraper.finish();
    assert!(scrapes > 20, "{scrapes} scrapes");
    daemon.stop_well();
}

#[test]
fn a_shipped_plugin_goes_on_with_what_it_knew() {
    if !is_live() {
        return;
    }
    let site = Site::new();
    site.put("exec-anomaly.wasm", shipped("exec-anomaly"));
    let mut daemon = site.start();
    let scraper = Scraper::start(daemon.address);
    let _execs = Meanwhile::every(std::time::Duration::from_millis(20), || {
        drop(Command::new("/bin/true").status());
    });
    for swap in 1..=3 {
        daemon.wait_sum("exec_anomaly_execs_total", &[], f64::from(swap) * 5.0);
        site.put("exec-anomaly.toml", format!("repeat_after_seconds = {swap}\n"));
        let swapped = daemon.wait_swaps("exec-anomaly", u64::try_from(swap).expect("small"));
        assert_eq!(swapped["reloads"]["state"], "warm", "{swapped:#}");
    }
    assert!(daemon.drops("exec-anomaly") < 0.5);
    scraper.finish();
    daemon.stop_well();
}
