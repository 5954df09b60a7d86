//! What containers of runc use is told with the container, and so is who is killed for want of memory there.
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use serde_json::json;
use vespid::enrich::{Nothing, Options, ProcessTable};
use vespid::event::{Body, Resource};
use vespid::recording::{Line, Reader};
use vespid_ebpf::ResourceOp;

use crate::runc::specify;
use crate::support::{Daemon, is_live, plugins, vespid};
use crate::tools::tools;

/// A bundle in which a shell does this, with so much memory.
fn bundle(folder: &Path, path: &str, script: &str, memory: u64) -> bool {
    let Some(mut spec) = specify(folder, path, &["sh", "awk", "timeout"]) else {
        return false;
    };
    spec["process"]["args"] = json!(["/bin/sh", "-c", script]);
    spec["linux"]["resources"]["memory"] = json!({ "limit": memory, "swap": memory });
    fs::write(folder.join("config.json"), spec.to_string()).expect("a file");
    true
}

/// Runs a script in a container; gives what was recorded of resources, each with the container's id, and the
/// container's id.
fn record(script: &str) -> Option<(Vec<(String, Resource<'static>)>, String)> {
    if !is_live() {
        return None;
    }
    let (folder, path) = (tempfile::tempdir().expect("a folder"), tools().1);
    if !bundle(folder.path(), &path, script, 24 << 20) {
        return None;
    }
    let id = format!(
        "vespid-used-{}-{}",
        std::process::id(),
        folder
            .path()
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .replace('.', "")
    );
    let file = folder.path().join("used.jsonl.zst");
    let recorded = vespid()
        .args(["record", "--kinds", "resource", "--output"])
        .arg(&file)
        .args(["--", "runc", "run", "--bundle"])
        .arg(folder.path())
        .arg(&id)
        .env("PATH", path)
        .stdin(Stdio::null())
        .status();
    assert!(recorded.expect("vespid runs").success());

    let mut table = ProcessTable::new(Options::default(), Box::new(Nothing));
    let mut reader = Reader::open(&file).expect("a recording");
    let mut found = Vec::new();
    while let Some(line) = reader.next().expect("a line") {
        match line {
            Line::Known(known) => table.learn(&known),
            Line::Container(container) => table.learn_container(&container),
            Line::Event(event) => {
                let whose = table.observe(&event);
                let Body::Resource(resource) = event.body else { continue };
                let container = whose.container.and_then(|id| table.containers().get(id));
                let container = container.map_or("", |container| str::from_utf8(&container.id).expect("text"));
                let resource = Resource {
                    cgroup: resource.cgroup.into_owned(),
                    ..resource
                };
                found.push((container.to_owned(), resource));
            }
            _ => {}
        }
    }
    Some((found, id))
}

#[test]
fn processor_time_in_a_container_is_the_containers() {
    // The shell stays, as who is the first in a container cannot be ended.
    let Some((found, id)) = record("timeout 2 sh -c 'while :; do :; done'; exit 0") else {
        return;
    };
    let own: Vec<_> = found.iter().filter(|(container, _)| *container == id).collect();
    let seconds: f64 = own.iter().map(|(_, used)| used.cpu as f64 / 1e9).sum();
    // The machine may be busy with other things.
    assert!((0.2..2.6).contains(&seconds), "{seconds} s, {found:#?}");
    for (_, used) in &own {
        assert!(used.cgroup.to_string().ends_with(&id), "{used:?}");
        assert!(used.interval > 0 && used.measured & 0b11111 == 0b11111, "{used:?}");
    }
}

#[test]
fn a_process_killed_for_want_of_memory_is_of_its_container() {
    let Some((found, id)) = record("awk 'BEGIN { s = \"x\"; while (1) s = s s }'; exit 0") else {
        return;
    };
    let kills: Vec<_> = found
        .iter()
        .filter(|(_, resource)| resource.op == ResourceOp::OomKill)
        .collect();
    let [(container, kill)] = kills.as_slice() else {
        panic!("{found:#?}")
    };
    assert_eq!(*container, id);
    assert!((4 << 20..=32 << 20).contains(&kill.memory), "{kill:?}");
}

/// The shipped plugin on a running daemon: what it counts, and what it says.
#[test]
fn a_kill_in_a_container_is_reported_and_what_it_used_is_counted() {
    if !is_live() {
        return;
    }
    let (folder, path) = (tempfile::tempdir().expect("a folder"), tools().1);
    let hungry = "awk 'BEGIN { s = \"x\"; while (1) s = s s }'; exit 0";
    if !bundle(folder.path(), &path, hungry, 24 << 20) {
        return;
    }
    let directory = Arc::new(tempfile::tempdir().expect("a folder"));
    let nest = directory.path().join("plugins");
    fs::create_dir(&nest).expect("a folder");
    fs::copy(plugins().join("resource-usage.wasm"), nest.join("resource-usage.wasm")).expect("a copy");
    let mut daemon = Daemon::start_in(directory, "", &[]);
    let id = format!("vespid-hungry-{}", std::process::id());
    let ran = Command::new("runc")
        .args(["run", "--bundle"])
        .arg(folder.path())
        .arg(&id)
        .env("PATH", path)
        .stdin(Stdio::null())
        .status();
    assert!(ran.expect("runc runs").success());
    let verdict = daemon.verdict("a kill", |verdict| verdict["rule"] == "oom-kill");
    assert_eq!(
        (&verdict["container"]["id"], &verdict["event"]["op"]),
        (&json!(id), &json!("oom_kill"))
    );
    assert_eq!(verdict["process"]["exe"], "/bin/busybox");
    let label = format!("container=\"{}\"", &id[..12]);
    let metrics = daemon.wait_for("its page faults", |daemon| {
        let metrics = daemon.metrics();
        (metrics.sum("resource_usage_page_faults_total", &[&label]) > 0.0).then_some(metrics)
    });
    assert!((metrics.sum("resource_usage_oom_kills_total", &[&label]) - 1.0).abs() < 0.1);
    assert!(metrics.sum("resource_usage_cpu_seconds_total", &["container=\"host\""]) > 0.0);
    for stage in ["kernel", "decode", "enrich"] {
        let labels = [format!("stage=\"{stage}\""), "kind=\"resource\"".to_owned()];
        let labels = labels.each_ref().map(String::as_str);
        let [entered, left, dropped] =
            ["in", "out", "dropped"].map(|way| metrics.sum(&format!("vespid_events_{way}_total"), &labels));
        assert!(
            (entered - left - dropped).abs() < 0.5,
            "{stage}: {entered} {left} {dropped}"
        );
    }
}
