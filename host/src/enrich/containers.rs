//! The containers that processes of the table run in.
//!
//! A container is held as long as a process of the table runs in it, so the process table's bound is theirs as well.
use foldhash::quality::RandomState;
use hashbrown::HashMap;

use super::container;
use crate::event::KnownContainer;

/// Containers that may be told of before a process of theirs is seen. More than processes are held by default: then
/// those give way first, and no container goes without its name because many have just ended.
const MAX_CONTAINERS: usize = 65_536;

/// A slot of the table: stays the same as long as the table holds the container, and is then used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ContainerId(u32);

impl ContainerId {
    /// The slot's number; slots are numbered densely from 0.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A container. What is not known is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    /// Id as its runtime knows it.
    pub id: Box<[u8]>,
    /// `docker`, `containerd`, `cri-o`, `podman`, `runc`, or empty.
    pub runtime: Box<[u8]>,
    /// Name.
    pub name: Box<[u8]>,
    /// Image reference.
    pub image: Box<[u8]>,
    /// Uid of the Kubernetes pod.
    pub pod_uid: Box<[u8]>,
    /// Name of the Kubernetes pod.
    pub pod: Box<[u8]>,
    /// Kubernetes namespace.
    pub namespace: Box<[u8]>,
    /// Labels of the Kubernetes pod, each ended by a NUL byte.
    pub labels: Box<[u8]>,
    /// What made the pod.
    pub owner: Box<[u8]>,
    /// Changes with everything a row of the batch shows of the container, and is never used twice.
    pub version: u64,
    /// The control group that was told to be its, if the path alone does not tell.
    told: Box<[u8]>,
    /// Whether the path's word has been taken in.
    named: bool,
    /// Whether its runtime has been asked about it.
    asked: bool,
    processes: u32,
}

impl Container {
    /// The first twelve characters of its id, as runtimes print it.
    #[must_use]
    pub fn short_id(&self) -> &[u8] {
        self.id.get(..12).unwrap_or(&self.id)
    }
}

/// Containers by id.
#[derive(Debug, Default)]
pub struct ContainerTable {
    slots: Vec<Container>,
    free: Vec<ContainerId>,
    by_id: HashMap<Box<[u8]>, ContainerId, RandomState>,
    by_cgroup: HashMap<Box<[u8]>, ContainerId, RandomState>,
    /// Nothing refers to these any more, except perhaps the attribution at hand.
    released: Vec<ContainerId>,
    version: u64,
}

impl ContainerTable {
    /// A container, if the table holds it.
    #[must_use]
    pub fn get(&self, id: ContainerId) -> Option<&Container> {
        self.slots.get(id.index()).filter(|container| !container.id.is_empty())
    }

    /// The container with this id.
    #[must_use]
    pub fn by_id(&self, id: &[u8]) -> Option<&Container> {
        self.get(*self.by_id.get(id)?)
    }

    /// The container of a control group, as far as it is held.
    #[must_use]
    pub fn by_cgroup(&self, path: &[u8]) -> Option<&Container> {
        match container::recognise(path) {
            Some(name) => self.by_id(name.id),
            None => self.get(*self.by_cgroup.get(path)?),
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// The container of a control group, by its path or because it was told.
    pub(super) fn of_cgroup(&mut self, path: &[u8]) -> Option<ContainerId> {
        if let Some(name) = container::recognise(path) {
            let id = self.slot(name.id)?;
            let container = &mut self.slots[id.index()];
            if !container.named {
                container.named = true;
                self.version += 1;
                container.version = self.version;
                // Its runtime knows better, whoever spoke first.
                if container.runtime.is_empty() {
                    container.runtime = name.runtime.name().as_bytes().into();
                }
                if container.pod_uid.is_empty() {
                    container.pod_uid = name.pod_uid.unwrap_or_default().into_boxed_slice();
                }
            }
            return Some(id);
        }
        self.by_cgroup.get(path).copied()
    }

    /// Takes in what is known of a container; empty fields say nothing.
    pub(super) fn tell(&mut self, known: &KnownContainer<'_>) {
        let Some(id) = self.slot(known.id.as_slice()) else {
            return;
        };
        let container = &mut self.slots[id.index()];
        for (old, new) in [
            (&mut container.runtime, &known.runtime),
            (&mut container.name, &known.name),
            (&mut container.image, &known.image),
            (&mut container.pod_uid, &known.pod_uid),
            (&mut container.pod, &known.pod),
            (&mut container.namespace, &known.namespace),
            (&mut container.labels, &known.labels),
            (&mut container.owner, &known.owner),
            (&mut container.told, &known.cgroup),
        ] {
            if !new.is_empty() {
                *old = new.as_slice().into();
            }
        }
        self.version += 1;
        container.version = self.version;
        if !known.cgroup.is_empty() {
            self.by_cgroup.insert(known.cgroup.as_slice().into(), id);
        }
    }

    /// A container that its runtime has not been asked about; it is taken to be from now on.
    pub(super) fn unasked(&mut self, id: ContainerId) -> Option<&Container> {
        let container = self.slots.get_mut(id.index())?;
        let is_new = !std::mem::replace(&mut container.asked, true);
        is_new.then_some(container)
    }

    pub(super) fn retain(&mut self, id: Option<ContainerId>) {
        if let Some(container) = id.and_then(|id| self.slots.get_mut(id.index())) {
            container.processes += 1;
        }
    }

    pub(super) fn release(&mut self, id: Option<ContainerId>) {
        let Some(id) = id else { return };
        let container = &mut self.slots[id.index()];
        container.processes -= 1;
        if container.processes == 0 {
            self.released.push(id);
        }
    }

    /// Forgets released containers, unless somebody came back to them.
    #[inline]
    pub(super) fn collect(&mut self) {
        if !self.released.is_empty() {
            self.collect_released();
        }
    }

    fn collect_released(&mut self) {
        while let Some(id) = self.released.pop() {
            let container = &mut self.slots[id.index()];
            if container.processes > 0 || container.id.is_empty() {
                continue;
            }
            let gone = std::mem::take(container);
            self.by_id.remove(&gone.id);
            if self.by_cgroup.get(&gone.told) == Some(&id) {
                self.by_cgroup.remove(&gone.told);
            }
            self.free.push(id);
        }
    }

    /// The slot of an id; a new one if need be, none if there are too many.
    fn slot(&mut self, id: &[u8]) -> Option<ContainerId> {
        if let Some(&slot) = self.by_id.get(id) {
            return Some(slot);
        }
        if id.is_empty() || self.by_id.len() >= MAX_CONTAINERS {
            return None;
        }
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                let slot = ContainerId(u32::try_from(self.slots.len()).ok()?);
                self.slots.push(Container::default());
                slot
            }
        };
        self.slots[slot.index()].id = id.into();
        self.by_id.insert(id.into(), slot);
        Some(slot)
    }
}
