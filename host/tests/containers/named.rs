//! Verdicts about what happens in a pod's container.
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tempfile::TempDir;
use vespid::recording::{Line, Reader};

use crate::containerd::{Containerd, IMAGE};
use crate::cri::{Kubelet, Pairs};
use crate::support::{Daemon, is_live, plugins};

const UID: &str = "0f4b2a86-7a51-4a0e-9d0b-5c1f3f0a7c11";
/// A program in a temporary folder, which is reported.
const INTRUDE: [&str; 3] = ["sh", "-c", "cp /bin/busybox /tmp/true && /tmp/true && rm /tmp/true"];

fn daemon(sockets: &[&Path]) -> Daemon {
    daemon_in(Arc::new(tempfile::tempdir().expect("a folder")), sockets, "")
}

fn daemon_in(directory: Arc<TempDir>, sockets: &[&Path], more: &str) -> Daemon {
    let nest = directory.path().join("plugins");
    fs::create_dir(&nest).expect("a folder");
    fs::copy(plugins().join("exec-anomaly.wasm"), nest.join("exec-anomaly.wasm")).expect("a copy");
    Daemon::start_in(directory, &format!("containers.sockets = {sockets:?}\n{more}"), &[])
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
            "pod_uid": UID, "pod": pod, "namespace": namespace, "owner": "",
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

/// Labels and owner of each container, by its id, as the flight recorder heard them.
fn told(folder: &Path) -> HashMap<String, (String, String)> {
    let files = fs::read_dir(folder)
        .expect("a folder")
        .map(|file| file.expect("a file").path());
    let mut told = HashMap::new();
    for file in files {
        let mut reader = Reader::open(&file).expect("a recording");
        while let Some(line) = reader.next().expect("a line") {
            if let Line::Container(container) = line {
                let (labels, owner) = (container.labels.to_string(), container.owner.to_string());
                told.insert(container.id.to_string(), (labels, owner));
            }
        }
    }
    told
}

#[test]
fn a_pod_has_the_labels_that_its_runtime_knows_and_the_owner_that_they_tell() {
    if !is_live() {
        return;
    }
    let Some(containerd) = Containerd::start() else { return };
    let mut kubelet = Kubelet::new(&containerd.socket());
    let long = "x".repeat(2_000);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let job = format!("backup-{}", now.as_secs() / 60);
    let of_job = format!("{job}-wz2k7");
    let pods: [(&str, Pairs<'_>, Pairs<'_>); 5] = [
        (
            "web-7d4b9c6f5d-x2x4z",
            &[("tier", "front"), ("app", "web"), ("pod-template-hash", "7d4b9c6f5d")],
            &[("kubernetes.io/config.source", "api"), ("app", "annotated")],
        ),
        (
            "fluentd-wz2k7",
            &[
                ("controller-revision-hash", "5f4d8b7c9"),
                ("pod-template-generation", "1"),
            ],
            &[],
        ),
        (
            "etcd-node-1",
            &[("tier", "control-plane")],
            &[("kubernetes.io/config.source", "file")],
        ),
        (&of_job, &[("job-name", &job)], &[]),
        // What Kubernetes would refuse: the runtime takes it.
        (
            "bare",
            &[
                ("note", "a\0app=forged"),
                ("y1", &long),
                ("y2", &long),
                ("y3", &long),
                ("z", "a\nb"),
            ],
            &[],
        ),
    ];
    let started = pods.map(|(name, labels, annotations)| {
        let pod = kubelet.described_pod("front", name, UID, labels, annotations);
        (kubelet.container(&pod, "main", &["sleep", "1000"]), pod)
    });
    let directory = Arc::new(tempfile::tempdir().expect("a folder"));
    let flight = directory.path().join("flight");
    let more = format!("node = \"Node-1\"\nflight_recorder.enabled = true\nflight_recorder.directory = {flight:?}\n");
    let mut daemon = daemon_in(directory.clone(), &[&containerd.socket()], &more);
    let owners = [
        "Deployment/web",
        "DaemonSet/fluentd",
        "Node/node-1",
        "CronJob/backup",
        "",
    ];
    for ((container_id, _), owner) in started.iter().zip(owners) {
        kubelet.exec(container_id, &INTRUDE);
        assert_eq!(container(&mut daemon, container_id)["owner"], owner);
    }
    let (code, log, _) = daemon.stop();
    assert_eq!(code, 0, "{log}");

    let told = told(&flight);
    let labels = [
        "app=web\\x00pod-template-hash=7d4b9c6f5d\\x00tier=front\\x00",
        "controller-revision-hash=5f4d8b7c9\\x00pod-template-generation=1\\x00",
        "tier=control-plane\\x00",
        &format!("job-name={job}\\x00"),
        &format!("y1={long}\\x00y2={long}\\x00z=a\\x0ab\\x00\\x00"),
    ];
    for (((container_id, _), owner), labels) in started.iter().zip(owners).zip(labels) {
        assert_eq!(told[container_id], (labels.to_owned(), owner.to_owned()));
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
