//! What an instance means by the ids that it gave its series.
use crate::metrics::family::Slot;

/// Most ids that an instance may have: 12 MiB. An instance that registers more has its samples refused.
const MAX_IDS: usize = 1 << 20;

/// The series that one instance of a plugin has registered, in the order of their ids.
///
/// They belong to one manifest: [`super::Families::ids`] binds them to the present one at once, and those made by `default` are
/// bound by the first report. After [`super::Families::adopt`] they still reach the series that continued, and nothing else.
#[derive(Debug, Default)]
pub struct SeriesIds {
    /// Number of the manifest that they belong to.
    pub(super) manifest: Option<u64>,
    pub(super) handles: Vec<Handle>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Handle {
    /// Its place.
    pub(super) family: u32,
    pub(super) slot: Slot,
}

/// What is registered for a series that no family can have.
pub(super) const NO_FAMILY: Handle = Handle {
    family: u32::MAX,
    slot: NOWHERE,
};

/// A slot that no series has.
pub(super) const NOWHERE: Slot = Slot {
    at: u32::MAX,
    generation: 0,
};

impl SeriesIds {
    pub(super) fn of_manifest(manifest: u64) -> SeriesIds {
        SeriesIds {
            manifest: Some(manifest),
            handles: Vec::new(),
        }
    }

    /// Whether further series will be refused, so that the instance had better be replaced.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.handles.len() >= MAX_IDS
    }
}
