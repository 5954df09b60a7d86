//! What made a pod. A runtime does not know; the controllers of Kubernetes leave it in the labels of their pods and in the
//! pods' names, which are looked at together, since anybody may set a label.
use std::collections::BTreeMap;

use super::labels::by_key;
use super::messages::PodSandbox;

/// What the API server appends to the name that a controller gives (`k8s.io/apimachinery/pkg/util/rand`).
const CHOSEN: usize = 5;
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
/// Where it cuts that name first (`k8s.io/apiserver/pkg/storage/names`).
const MAX_STEM: usize = 58;
/// How long before a pod the time may lie for which its CronJob made a job, and how much clocks may differ, in minutes.
const MAX_DELAY: i64 = 30 * 24 * 60;
const MAX_AHEAD: i64 = 60;

type Labels<'a> = BTreeMap<&'a [u8], &'a [u8]>;

/// Kind and name of what made a pod, as `kind/name`; none if the pod does not tell.
pub(super) fn of(pod: &PodSandbox, node: &str) -> Option<Vec<u8>> {
    let source = by_key(&pod.annotations)
        .get(&b"kubernetes.io/config.source"[..])
        .copied();
    if matches!(source, Some(b"file" | b"http")) {
        return named("Node", node.to_ascii_lowercase().as_bytes());
    }
    let name = pod.metadata.as_ref()?.name.as_bytes();
    let labels = by_key(&pod.labels);
    stateful_set(name, &labels)
        .or_else(|| daemon_set(name, &labels))
        .or_else(|| job(name, &labels, pod.created_at))
        .or_else(|| replicas(name, &labels, b"pod-template-hash", "Deployment"))
        .or_else(|| replicas(name, &labels, b"rollouts-pod-template-hash", "Rollout"))
}

fn named(kind: &str, name: &[u8]) -> Option<Vec<u8>> {
    (!name.is_empty()).then(|| [kind.as_bytes(), b"/", name].concat())
}

/// `NAME-3`
fn stateful_set(pod: &[u8], labels: &Labels<'_>) -> Option<Vec<u8>> {
    let told = *labels.get(&b"statefulset.kubernetes.io/pod-name"[..])?;
    let (name, _) = numbered(pod).filter(|_| told == pod)?;
    named("StatefulSet", name)
}

/// `NAME-xxxxx`
fn daemon_set(pod: &[u8], labels: &Labels<'_>) -> Option<Vec<u8>> {
    labels.get(&b"controller-revision-hash"[..])?;
    labels.get(&b"pod-template-generation"[..])?;
    named("DaemonSet", whole(stem(pod)?)?)
}

/// `JOB-xxxxx` or, of one whose pods are numbered, `JOB-3-xxxxx`; of a CronJob `JOB` is `NAME-MINUTES`.
fn job(pod: &[u8], labels: &Labels<'_>, created: i64) -> Option<Vec<u8>> {
    let keys: [&[u8]; 2] = [b"batch.kubernetes.io/job-name", b"job-name"];
    let job = keys.into_iter().find_map(|key| labels.get(key).copied())?;
    let stem = stem(pod)?;
    let is_cut = stem.len() == MAX_STEM;
    let is_its = |given: &[u8]| given == job || (is_cut && job.starts_with(given));
    let given = stem.strip_suffix(b"-").unwrap_or(stem);
    if !is_its(given) && !numbered(given).is_some_and(|(given, _)| is_its(given)) {
        return None;
    }
    match numbered(job) {
        Some((name, minutes)) if minutes.len() == 8 && is_due(minutes, created) => named("CronJob", name),
        _ => named("Job", job),
    }
}

/// Whether a job that was due in this minute since 1970 may have made a pod then, in nanoseconds.
fn is_due(minutes: &[u8], created: i64) -> bool {
    let due: Option<i64> = str::from_utf8(minutes).ok().and_then(|minutes| minutes.parse().ok());
    let created = created / 60_000_000_000;
    due.is_some_and(|due| (created - MAX_DELAY..=created + MAX_AHEAD).contains(&due))
}

/// `NAME-HASH-xxxxx` of a ReplicaSet that `kind` made, `NAME-xxxxx` of any other.
fn replicas(pod: &[u8], labels: &Labels<'_>, key: &[u8], kind: &str) -> Option<Vec<u8>> {
    let hash = *labels.get(key)?;
    let stem = stem(pod)?;
    let given = stem.strip_suffix(b"-").unwrap_or(stem);
    let dash = given.iter().rposition(|&byte| byte == b'-');
    if let Some(dash) = dash {
        let (name, found) = (&given[..dash], &given[dash + 1..]);
        let is_cut = stem.len() == MAX_STEM && !found.is_empty();
        if found == hash || (is_cut && hash.starts_with(found)) {
            return named(kind, name);
        }
    }
    named("ReplicaSet", whole(stem)?)
}

/// The name of a pod as its controller gave it, perhaps cut: without what the API server appended.
fn stem(pod: &[u8]) -> Option<&[u8]> {
    let (stem, chosen) = pod.split_at_checked(pod.len().checked_sub(CHOSEN)?)?;
    chosen.iter().all(|byte| ALPHABET.contains(byte)).then_some(stem)
}

/// The controller's own name, if it cannot have been cut.
fn whole(stem: &[u8]) -> Option<&[u8]> {
    (stem.len() < MAX_STEM).then(|| stem.strip_suffix(b"-")).flatten()
}

/// What is before the last dash, and the digits behind it.
fn numbered(name: &[u8]) -> Option<(&[u8], &[u8])> {
    let dash = name.iter().rposition(|&byte| byte == b'-')?;
    let (before, digits) = (&name[..dash], &name[dash + 1..]);
    (!digits.is_empty() && digits.iter().all(u8::is_ascii_digit)).then_some((before, digits))
}

#[cfg(test)]
#[path = "owner/tests.rs"]
mod tests;
