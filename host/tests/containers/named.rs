//! Verdicts about what happens in a pod's container.
use std::fs;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::containerd::{Containerd, IMAGE};
use crate::cri::Kubelet;
use crate::support::{Daemon, is_live, plugins};

const UID: &str = "0f4b2a86-7a51-4a0e-9d0b-5c1f3f0a7c11";
/// A program in a temporary folder, which is reported.
const INTRUDE: [&str; 3] = ["sh", "-c", "cp /bin/busybox /tmp/true && /tmp/true && rm /tmp/true"];

fn daemon(sockets: &[&std::path::Path]) -> Daemon {
    let directory = Arc::new(tempfile::tempdir().expect("a folder"));
    let nest = directory.path().join("plugins");
    fs::create_dir(&nest).expect("a folder");
    fs::copy(plugins().join("exec-anomaly.wasm"), nest.join("exec-anomaly.wasm")).expect("a copy");
    Daemon::start_in(directory, &format!("containers.sockets = {sockets:?}\n"), &[])
}

/// The container of the first verdict about this container.
fn container(daemon: &mut Daemon, id: &str) -> Value {
    let verdict = daemon.verdict("a verdict about the container", |verdict| {
        verdict["rule"] == "run-from-tmp" && verdict["container"]["id"] == id
    });
    verdict["container"].clone()
}

#[test]
fn what_happens_in_a_pod_is_told_with_container_image_and_pod_from_the_first_event_on() {
    if !is_live() {
        return;
    }
    let Some(containerd) = Containerd::start() else { return };
    let mut kubelet = Kubelet::new(&containerd.socket());
    let early = kubelet.pod("front", "web-0", UID);
    let before = kubelet.container(&early, "web", &["sleep", "1000"]);
    let mut daemon = daemon(&["/nowhere/crio.sock".as_ref(), &containerd.socket()]);
    let late = kubelet.pod("back", "batch-0", UID);
    // Its own first program is what is reported.
    let after = kubelet.container(
        &late,
        "job",
        &["sh", "-c", "cp /bin/busybox /tmp/sh; exec /tmp/sh -c 'sleep 1000'"],
    );
    let expected = |id: &str, name: &str, pod: &str, namespace: &str| {
        json!({
            "id": id, "runtime": "containerd", "name": name, "image": IMAGE,
            "pod_uid": UID, "pod": pod, "namespace": namespace,
        })
    };
    assert_eq!(
        container(&mut daemon, &after),
        expected(&after, "job", "batch-0", "back")
    );
    kubelet.exec(&before, &INTRUDE);
    assert_eq!(
        container(&mut daemon, &before),
        expected(&before, "web", "web-0", "front")
    );

    let metrics = daemon.metrics();
    let count = |outcome| metrics.sum("vespid_container_lookups_total", &[outcome]);
    assert!(count("outcome=\"found\"") >= 2.0, "{}", metrics.0);
    for outcome in ["unreachable", "timed_out", "refused", "overflow"] {
        let label = format!("outcome=\"{outcome}\"");
        assert!(
            metrics.sum("vespid_container_lookups_total", &[&label]) < 1.0,
            "{outcome}"
        );
    }
}

#[test]
fn a_runtime_that_cannot_be_asked_costs_names_and_nothing_else() {
    if !is_live() {
        return;
    }
    let Some(containerd) = Containerd::start() else { return };
    let mut kubelet = Kubelet::new(&containerd.socket());
    let folder = tempfile::tempdir().expect("a folder");
    let dead = folder.path().join("dead.sock");
    drop(std::os::unix::net::UnixListener::bind(&dead).expect("a socket"));
    let mut daemon = daemon(&[&dead]);
    let pod = kubelet.pod("front", "web-0", UID);
    let id = kubelet.container(&pod, "web", &["sleep", "1000"]);
    kubelet.exec(&id, &INTRUDE);
    let told = container(&mut daemon, &id);
    assert_eq!((&told["runtime"], &told["id"]), (&json!("containerd"), &json!(id)));
    assert!(
        daemon.log().contains("the container runtime cannot be asked"),
        "{}",
        daemon.log()
    );
}
