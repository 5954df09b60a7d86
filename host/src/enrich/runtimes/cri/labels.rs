//! A pod's labels as one text, whatever their bytes are: a runtime checks neither keys nor values.
use std::collections::BTreeMap;

use super::messages::{Pair, PodSandbox};

/// Longest text, all of a pod's labels together.
const MAX_LABELS: usize = 4_096;

/// Pairs by their keys; of those with one key the last counts, as in any map of protocol buffers.
pub(super) fn by_key(pairs: &[Pair]) -> BTreeMap<&[u8], &[u8]> {
    pairs.iter().map(|pair| (&*pair.key, &*pair.value)).collect()
}

/// `key=value` of each label, ended by a NUL byte, in the order of the keys. One more NUL follows if some were left out.
pub(super) fn of(pod: &PodSandbox) -> Vec<u8> {
    let mut text = Vec::new();
    let mut is_whole = true;
    for (key, value) in by_key(&pod.labels) {
        if is_repetition(pod, key, value) {
            continue;
        }
        let is_plain = !key.is_empty() && !key.iter().any(|byte| matches!(byte, 0 | b'=')) && !value.contains(&0);
        // With its own two bytes, and with the one that says that others were left out.
        let len = text.len() + key.len() + value.len() + 3;
        if !is_plain || len > MAX_LABELS {
            is_whole = false;
            continue;
        }
        text.extend_from_slice(key);
        text.push(b'=');
        text.extend_from_slice(value);
        text.push(0);
    }
    if !is_whole {
        text.push(0);
    }
    text
}

/// Whether it is one of those by which Kubernetes' node agent finds its pods again.
fn is_repetition(pod: &PodSandbox, key: &[u8], value: &[u8]) -> bool {
    let Some(pod) = &pod.metadata else { return false };
    let repeated = match key {
        b"io.kubernetes.pod.name" => &*pod.name,
        b"io.kubernetes.pod.namespace" => &*pod.namespace,
        b"io.kubernetes.pod.uid" => &*pod.uid,
        // CRI-O gives every sandbox one.
        b"io.kubernetes.container.name" => "POD",
        _ => return false,
    };
    value == repeated.as_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message;

    use super::super::messages::PodSandboxMetadata;
    use super::*;

    fn pod(labels: &[(&[u8], &[u8])]) -> PodSandbox {
        let pair = |&(key, value): &(&[u8], &[u8])| Pair {
            key: key.to_vec(),
            value: value.to_vec(),
        };
        PodSandbox {
            metadata: Some(PodSandboxMetadata {
                name: "web-0".into(),
                uid: "0f4b".into(),
                namespace: "front".into(),
            }),
            labels: labels.iter().map(pair).collect(),
            ..PodSandbox::default()
        }
    }

    #[track_caller]
    fn check(labels: &[(&[u8], &[u8])], expected: &[u8]) {
        let text = of(&pod(labels));
        assert_eq!(text, expected, "{}", text.escape_ascii());
    }

    #[test]
    fn labels_are_in_the_order_of_their_keys_and_the_last_of_one_key_counts() {
        check(&[], b"");
        check(
            &[(b"tier", b"front"), (b"app", b"x"), (b"app", b"web"), (b"canary", b"")],
            b"app=web\0canary=\0tier=front\0",
        );
    }

    #[test]
    fn what_only_repeats_the_pods_name_is_no_label_of_its() {
        check(
            &[
                (b"io.kubernetes.pod.name", b"web-0"),
                (b"io.kubernetes.pod.namespace", b"front"),
                (b"io.kubernetes.pod.uid", b"0f4b"),
                (b"io.kubernetes.container.name", b"POD"),
                (b"io.kubernetes.other", b"web-0"),
            ],
            b"io.kubernetes.other=web-0\0",
        );
        check(
            &[(b"io.kubernetes.pod.name", b"other")],
            b"io.kubernetes.pod.name=other\0",
        );
    }

    #[test]
    fn no_label_can_be_taken_for_another() {
        let forged: [(&[u8], &[u8]); 4] = [
            (b"note", b"x\0app=web"),
            (b"x\0app", b"web"),
            (b"app=web\0x", b"y"),
            (b"app=web", b"x"),
        ];
        for label in forged {
            check(&[label, (b"z", b"1")], b"z=1\0\0");
        }
        check(&[(b"", b"web")], b"\0");
        check(&[(b"note", b"a\napp=web\xff=")], b"note=a\napp=web\xff=\0");
    }

    #[test]
    fn an_answer_with_labels_that_are_no_text_is_read() {
        let answer = pod(&[(b"note\xff", b"\xfe")]);
        let read = PodSandbox::decode(&*answer.encode_to_vec()).unwrap();
        assert_eq!(of(&read), b"note\xff=\xfe\0");
    }

    #[test]
    fn what_is_too_long_is_left_out_whole_and_said_to_be() {
        let fits = vec![b'x'; MAX_LABELS - b"a=".len() - 2];
        check(&[(b"a", &fits)], &[b"a=", &*fits, b"\0"].concat());
        let long = [&*fits, b"x"].concat();
        check(&[(b"a", &long), (b"b", b"1")], b"b=1\0\0");
        let many: Vec<Vec<u8>> = (0..2_000).map(|at| format!("key-{at:04}").into_bytes()).collect();
        let many: Vec<(&[u8], &[u8])> = many.iter().map(|key| (&**key, &b"1"[..])).collect();
        let text = of(&pod(&many));
        assert!(text.len() <= MAX_LABELS && text.ends_with(b"=1\0\0"), "{}", text.len());
    }

    /// Bytes that mean something, more often than others.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(prop_oneof![Just(0), Just(b'='), Just(b'a'), any::<u8>()], 0..6)
    }

    proptest! {
        #[test]
        fn only_labels_that_there_are_can_be_read(pairs in proptest::collection::vec((bytes(), bytes()), 0..9)) {
            let pairs: Vec<(&[u8], &[u8])> = pairs.iter().map(|(key, value)| (&**key, &**value)).collect();
            let there = pairs.iter().copied().collect::<BTreeMap<_, _>>();
            let text = of(&pod(&pairs));
            let read: Vec<(&[u8], &[u8])> = text
                .split(|&byte| byte == 0)
                .filter_map(|label| {
                    let end = label.iter().position(|&byte| byte == b'=')?;
                    Some((&label[..end], &label[end + 1..]))
                })
                .collect();
            prop_assert!(read.iter().all(|(key, value)| there.get(key) == Some(value)));
            prop_assert!(read.is_sorted());
            let is_whole = !(text == b"\0" || text.ends_with(b"\0\0"));
            prop_assert_eq!(is_whole, read.len() == there.len());
        }
    }
}
