use super::super::messages::{Pair, PodSandboxMetadata};
use super::*;

/// 2026-11-29 11:00 UTC, in minutes: 29,932,500.
const CREATED: i64 = 29_932_500 * 60_000_000_000;

fn pairs(all: &[(&str, &str)]) -> Vec<Pair> {
    let pair = |&(key, value): &(&str, &str)| Pair {
        key: key.into(),
        value: value.into(),
    };
    all.iter().map(pair).collect()
}

fn pod(name: &str, labels: &[(&str, &str)]) -> PodSandbox {
    PodSandbox {
        metadata: Some(PodSandboxMetadata {
            name: name.into(),
            ..PodSandboxMetadata::default()
        }),
        created_at: CREATED,
        labels: pairs(labels),
        ..PodSandbox::default()
    }
}

#[track_caller]
fn check(name: &str, labels: &[(&str, &str)], expected: &str) {
    let owner = of(&pod(name, labels), "Node-1").unwrap_or_default();
    assert_eq!(String::from_utf8(owner).unwrap(), expected, "{name}");
}

#[test]
fn a_deployment_is_told_by_the_hash_in_the_pods_name() {
    let hash = [("app", "web"), ("pod-template-hash", "7d4b9c6f5d")];
    check("web-7d4b9c6f5d-x2x4z", &hash, "Deployment/web");
    check("my-web-app-7d4b9c6f5d-x2x4z", &hash, "Deployment/my-web-app");
    check("web-x2x4z", &hash, "ReplicaSet/web");
    check("web-1111111111-x2x4z", &hash, "ReplicaSet/web-1111111111");
    // Neither name is made by the API server.
    check("web-7d4b9c6f5d-aeiou", &hash, "");
    check("web", &hash, "");
    check("web-7d4b9c6f5d-x2x4z", &[("app", "web")], "");
    check("-7d4b9c6f5d-x2x4z", &hash, "");
    check(
        "web-7d4b9c6f5d-x2x4z",
        &[("rollouts-pod-template-hash", "7d4b9c6f5d")],
        "Rollout/web",
    );
}

/// The name of a pod that a controller gives this one.
fn generated(stem: &str) -> String {
    format!("{}x2x4z", &stem[..stem.len().min(MAX_STEM)])
}

#[test]
fn an_owner_is_named_as_far_as_its_name_was_not_cut() {
    let hash = "7d4b9c6f5d";
    for len in 1..80 {
        let name = "n".repeat(len);
        let expected = if len < MAX_STEM - 1 {
            format!("Deployment/{name}")
        } else {
            String::new()
        };
        check(
            &generated(&format!("{name}-{hash}-")),
            &[("pod-template-hash", hash)],
            &expected,
        );
        let expected = if len < MAX_STEM - 1 {
            format!("DaemonSet/{name}")
        } else {
            String::new()
        };
        let labels = [("controller-revision-hash", hash), ("pod-template-generation", "3")];
        check(&generated(&format!("{name}-")), &labels, &expected);
        // Its label has it.
        let expected = format!("Job/{name}");
        check(&generated(&format!("{name}-")), &[("job-name", &name)], &expected);
        let cut = &name[..len.min(MAX_STEM - 4)];
        check(&generated(&format!("{cut}-12-")), &[("job-name", &name)], &expected);
    }
}

#[test]
fn daemon_sets_and_stateful_sets_have_a_revision_each() {
    let daemon = [
        ("controller-revision-hash", "5f4d8b7c9"),
        ("pod-template-generation", "1"),
    ];
    check("fluentd-elastic-wz2k7", &daemon, "DaemonSet/fluentd-elastic");
    let stateful = |pod| {
        [
            ("controller-revision-hash", "db-5f4d8b7c9"),
            ("statefulset.kubernetes.io/pod-name", pod),
        ]
    };
    check("db-12", &stateful("db-12"), "StatefulSet/db");
    check("my-db-0", &stateful("my-db-0"), "StatefulSet/my-db");
    check("db-12", &stateful("other-12"), "");
    check("db", &stateful("db"), "");
    check("-0", &stateful("-0"), "");
    check("fluentd-wz2k7", &[("controller-revision-hash", "5f4d8b7c9")], "");
}

#[test]
fn a_job_of_a_cron_job_ends_in_the_minute_for_which_it_was_made() {
    let job = |name| [("batch.kubernetes.io/job-name", name), ("job-name", "other")];
    check("backup-wz2k7", &job("backup"), "Job/backup");
    check("backup-3-wz2k7", &job("backup"), "Job/backup");
    check("backup-29932499-wz2k7", &job("backup-29932499"), "CronJob/backup");
    check("backup-29932499-3-wz2k7", &job("backup-29932499"), "CronJob/backup");
    // A date is none, nor is what was due at another time.
    check("backup-20261129-wz2k7", &job("backup-20261129"), "Job/backup-20261129");
    check("backup-29112026-wz2k7", &job("backup-29112026"), "Job/backup-29112026");
    check("backup-29942499-wz2k7", &job("backup-29942499"), "Job/backup-29942499");
    check("-29932499-wz2k7", &job("-29932499"), "");
    check("worker-0", &job("worker"), "");
    check("other-wz2k7", &job("backup"), "");
    check("other-wz2k7", &[("job-name", "other")], "Job/other");
}

#[test]
fn a_static_pod_is_the_nodes_whatever_its_labels() {
    let with = |source| PodSandbox {
        annotations: pairs(&[("kubernetes.io/config.source", source)]),
        ..pod("web-7d4b9c6f5d-x2x4z", &[("pod-template-hash", "7d4b9c6f5d")])
    };
    for (source, expected) in [
        ("file", "Node/node-1"),
        ("http", "Node/node-1"),
        ("api", "Deployment/web"),
    ] {
        assert_eq!(of(&with(source), "Node-1").unwrap(), expected.as_bytes(), "{source}");
    }
    assert_eq!(of(&with("file"), ""), None);
    assert_eq!(of(&PodSandbox::default(), "node-1"), None);
}
