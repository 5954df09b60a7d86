//! Containers, their pods, and what pods are labelled with. Keys of labels that are the same on many clusters stay, and so
//! does the kind of what made a pod; what both name does not.
use super::Anonymiser;
use super::words::LABELS;
use crate::bytes::Bytes;
use crate::event::KnownContainer;

impl Anonymiser {
    pub(super) fn container<'a>(&self, known: KnownContainer<'a>) -> KnownContainer<'a> {
        KnownContainer {
            cgroup: self.path(known.cgroup),
            id: self.name(known.id),
            runtime: known.runtime,
            name: self.name(known.name),
            image: self.name(known.image),
            pod_uid: self.name(known.pod_uid),
            pod: self.name(known.pod),
            namespace: self.name(known.namespace),
            labels: self.labels(&known.labels),
            owner: self.owner(known.owner),
        }
    }

    /// The same labels with other values, in the order of their new keys.
    fn labels(&self, labels: &Bytes<'_>) -> Bytes<'static> {
        let mut all: Vec<Vec<u8>> = Vec::new();
        let mut end = Vec::new();
        for label in labels.as_slice().split_inclusive(|&byte| byte == 0) {
            let label = label.strip_suffix(b"\0").unwrap_or(label);
            if label.is_empty() {
                // The mark of labels that were left out.
                end.push(0);
                continue;
            }
            let (key, value) = split_at(label, b'=');
            let mut other = match LABELS.contains(key) {
                true => key.to_vec(),
                false => self.word(key).into_bytes(),
            };
            other.push(b'=');
            other.extend_from_slice(self.name(value.into()).as_slice());
            other.push(0);
            all.push(other);
        }
        all.sort_unstable_by(|a, b| split_at(a, b'=').cmp(&split_at(b, b'=')));
        [all.concat(), end].concat().into()
    }

    /// The same kind of another name.
    fn owner<'a>(&self, owner: Bytes<'a>) -> Bytes<'a> {
        let (kind, name) = split_at(owner.as_slice(), b'/');
        match name {
            b"" => self.name(owner),
            name => [kind, b"/", self.name(name.into()).as_slice()].concat().into(),
        }
    }
}

/// What is before the first such byte, and what is behind it.
fn split_at(text: &[u8], byte: u8) -> (&[u8], &[u8]) {
    match text.iter().position(|&other| other == byte) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, b""),
    }
}
