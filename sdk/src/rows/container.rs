//! Containers.
use super::{cell, string};
use crate::bindings::vespid::plugin::events;

/// A container that a process of the batch runs in. What is not known is empty.
///
/// ```
/// # use vespid_plugin::testing::BatchBuilder;
/// # use vespid_plugin::Batch;
/// # let mut builder = BatchBuilder::new();
/// # let web = builder.container("3f2a9c0d1e4b5a69", "nginx:1.27");
/// # let nginx = builder.process("/usr/sbin/nginx").container(web).id();
/// # builder.exec(nginx);
/// # let columns = builder.columns();
/// # let process = Batch::new(&columns).execs().next().and_then(|exec| exec.process()).unwrap();
/// let container = process.container().unwrap();
/// assert_eq!((container.id(), container.short_id()), (&b"3f2a9c0d1e4b5a69"[..], &b"3f2a9c0d1e4b"[..]));
/// assert_eq!((container.image(), container.name()), (&b"nginx:1.27"[..], &b""[..]));
/// let in_kubernetes = !container.pod().is_empty() || !container.pod_uid().is_empty() || !container.namespace().is_empty();
/// assert!(!in_kubernetes && container.runtime().is_empty());
/// ```
///
/// Of Kubernetes, with what the pod is labelled with and what made it:
///
/// ```
/// # use vespid_plugin::testing::{BatchBuilder, ContainerRow};
/// # use vespid_plugin::Batch;
/// # let mut builder = BatchBuilder::new();
/// # let web = builder.described_container(ContainerRow {
/// #     id: b"3f2a9c".to_vec(),
/// #     namespace: b"shop".to_vec(),
/// #     pod: b"web-7d4b9c6f5d-x2x4z".to_vec(),
/// #     labels: b"app=web\0pod-template-hash=7d4b9c6f5d\0".to_vec(),
/// #     owner: b"Deployment/web".to_vec(),
/// #     ..ContainerRow::default()
/// # });
/// # let nginx = builder.process("/usr/sbin/nginx").container(web).id();
/// # builder.exec(nginx);
/// # let columns = builder.columns();
/// # let process = Batch::new(&columns).execs().next().and_then(|exec| exec.process()).unwrap();
/// let container = process.container().unwrap();
/// assert_eq!(container.label("app"), Some(&b"web"[..]));
/// assert_eq!(container.labels().last(), Some((&b"pod-template-hash"[..], &b"7d4b9c6f5d"[..])));
/// assert_eq!(container.owner(), b"Deployment/web");
/// // That there is no such label is certain only if none was left out.
/// assert!(container.label("team").is_none() && !container.labels_truncated());
/// ```
#[derive(Clone, Copy)]
pub struct Container<'a> {
    batch: &'a events::Batch,
    table: &'a events::Containers,
    row: usize,
}

impl<'a> Container<'a> {
    #[inline]
    pub(super) fn at(batch: &'a events::Batch, row: u32) -> Option<Self> {
        let (table, row) = (batch.containers.as_ref()?, row as usize);
        (row < table.id.len()).then_some(Container { batch, table, row })
    }

    #[inline]
    fn text(self, column: &[u32]) -> &'a [u8] {
        string(self.batch, cell(column, self.row))
    }

    /// Its id as the runtime knows it.
    #[must_use]
    #[inline]
    pub fn id(self) -> &'a [u8] {
        self.text(&self.table.id)
    }

    /// The first twelve characters of the id, as runtimes print it.
    #[must_use]
    #[inline]
    pub fn short_id(self) -> &'a [u8] {
        let id = self.id();
        id.get(..12).unwrap_or(id)
    }

    /// `docker`, `containerd`, `cri-o`, `podman`, `runc`.
    #[must_use]
    #[inline]
    pub fn runtime(self) -> &'a [u8] {
        self.text(&self.table.runtime)
    }

    /// Its name.
    #[must_use]
    #[inline]
    pub fn name(self) -> &'a [u8] {
        self.text(&self.table.name)
    }

    /// Image reference.
    #[must_use]
    #[inline]
    pub fn image(self) -> &'a [u8] {
        self.text(&self.table.image)
    }

    /// Uid of the Kubernetes pod.
    #[must_use]
    #[inline]
    pub fn pod_uid(self) -> &'a [u8] {
        self.text(&self.table.pod_uid)
    }

    /// Name of the Kubernetes pod.
    #[must_use]
    #[inline]
    pub fn pod(self) -> &'a [u8] {
        self.text(&self.table.pod)
    }

    /// Kubernetes namespace.
    #[must_use]
    #[inline]
    pub fn namespace(self) -> &'a [u8] {
        self.text(&self.table.namespace)
    }

    /// Key and value of each label of the Kubernetes pod, in the order of the keys.
    pub fn labels(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let all = self.text(&self.table.labels).split(|byte| *byte == 0);
        all.filter_map(|label| {
            let end = label.iter().position(|byte| *byte == b'=')?;
            Some((&label[..end], &label[end + 1..]))
        })
    }

    /// The value of the label with this key; it may be empty.
    #[must_use]
    pub fn label(self, key: &str) -> Option<&'a [u8]> {
        self.labels()
            .find_map(|(found, value)| (found == key.as_bytes()).then_some(value))
    }

    /// Whether the pod has more labels than [`labels`](Container::labels) shows: they were too long, or their bytes could
    /// have been taken for another label.
    #[must_use]
    pub fn labels_truncated(self) -> bool {
        let labels = self.text(&self.table.labels);
        labels == b"\0" || labels.ends_with(b"\0\0")
    }

    /// What made the Kubernetes pod, as `kind/name` (`Deployment/web`), as far as its labels and its name tell. Whoever
    /// may make pods chooses both: it sums up, it proves nothing.
    #[must_use]
    #[inline]
    pub fn owner(self) -> &'a [u8] {
        self.text(&self.table.owner)
    }
}
