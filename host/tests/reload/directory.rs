//! Plugins come and go with their files.
use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;

use serde_json::Value;

use crate::components::{shipped, zoo};
use crate::scraper::Scraper;
use crate::site::{Meanwhile, Site};
use crate::support::is_live;

fn connect() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let client = TcpStream::connect(address).expect("connected");
    drop(listener.accept().expect("accepted"));
    drop((&client).read_to_end(&mut Vec::new()));
}

fn read_secret() {
    let done = Command::new("cat").arg("/etc/shadow").output().expect("cat runs");
    assert!(done.status.success());
}

#[test]
fn a_plugin_that_is_copied_into_the_directory_runs_and_one_that_is_removed_is_gone() {
    if !is_live() {
        return;
    }
    let site = Site::new();
    site.put("tcp-stats.wasm", shipped("tcp-stats"));
    let mut daemon = site.start();
    connect();
    daemon.wait_sum("tcp_stats_opened_total", &[], 1.0);
    read_secret();
    let opens = ["stage=\"kernel\"", "kind=\"open\""];
    assert!(
        daemon.metrics().sum("vespid_events_in_total", &opens) < 0.5,
        "nobody wants opens, so nobody pays for them"
    );

    let component = shipped("file-audit");
    let mut copy = File::create(site.file("file-audit.wasm")).expect("a file");
    copy.write_all(&component[..component.len() / 2]).expect("written");
    // The daemon looks, and leaves half a file alone.
    let looked = daemon.ctl(&["reload", "--json"]);
    assert_eq!(looked.code, 0, "{looked:?}");
    let looked: Value = serde_json::from_str(&looked.out).expect("JSON");
    assert_eq!(
        (&looked["started"], &looked["refused"]),
        (&serde_json::json!([]), &serde_json::json!([]))
    );
    copy.write_all(&component[component.len() / 2..]).expect("written");
    drop(copy);
    daemon.wait_plugin("file-audit to run", "file-audit", |_| true);
    assert!(
        daemon.metrics().sum("vespid_plugin_refusals_total", &[]) < 0.5,
        "no half of it was loaded"
    );

    // Who runs is served: the very next access is seen.
    read_secret();
    daemon.verdict("the read of /etc/shadow", |verdict| {
        verdict["plugin"]["name"] == "file-audit" && verdict["key"] == "shadow" && verdict["process"]["comm"] == "cat"
    });
    assert!(daemon.metrics().sum("vespid_events_in_total", &opens) > 0.5);

    site.remove("file-audit.wasm");
    daemon.wait_for("file-audit to be gone", |daemon| {
        daemon.plugin("active", "file-audit").is_none().then_some(())
    });
    let page = daemon.metrics().0;
    let left: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with("file_audit_") || line.contains("plugin=\"file-audit\""))
        .collect();
    assert!(left.is_empty(), "{left:#?}");

    let before = daemon.metrics().sum("tcp_stats_opened_total", &[]);
    connect();
    daemon.wait_sum("tcp_stats_opened_total", &[], before + 1.0);
    assert!(daemon.drops("tcp-stats") < 0.5);
    let others = daemon.plugin("active", "tcp-stats").expect("it runs");
    assert_eq!(others["reloads"]["swapped"], 0, "{others:#}");
    daemon.stop_well();
}

#[test]
fn two_files_of_one_name() {
    if !is_live() {
        return;
    }
    let _traffic = Meanwhile::opens();
    let site = Site::new();
    site.put("b.wasm", zoo("1.2.3"));
    let mut daemon = site.start();
    daemon.wait_sum("zoo_events_total", &[], 1.0);
    let scraper = Scraper::start(daemon.address);

    // By its name it would come first, but the other one runs.
    site.put("a.wasm", zoo("1.2.4"));
    let reason = daemon.wait_refused("a.wasm", "was there first");
    assert!(
        reason.contains(&site.file("b.wasm").display().to_string()) && reason.contains("`zoo`"),
        "{reason}"
    );
    let serves = daemon.plugin("active", "zoo").expect("it runs");
    assert_eq!(serves["plugin"]["version"], "1.2.3");

    site.remove("b.wasm");
    let serves = daemon.wait_swaps("zoo", 1);
    assert_eq!(serves["plugin"]["version"], "1.2.4");
    assert_eq!(serves["plugin"]["file"], site.file("a.wasm").display().to_string());
    assert_eq!(serves["reloads"]["state"], "warm");
    daemon.wait_for("the refusal to end", |daemon| {
        daemon.refusal("a.wasm").is_none().then_some(())
    });
    scraper.finish();
    assert!(daemon.drops("zoo") < 0.5);
    daemon.stop_well();
}
