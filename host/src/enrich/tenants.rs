//! Whose a control group is, by its number.
use std::collections::BTreeMap;

use super::ProcessTable;
use super::containers::ContainerId;

/// Who runs in a control group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tenant {
    /// A container.
    Container(ContainerId),
    /// Processes of the host.
    Host,
    /// Several: where containers live in v1 hierarchies, their v2 group is one and the same.
    Several,
}

impl ProcessTable {
    /// The tenants of these control groups (ids of the v2 hierarchy), as far as a process of theirs is known.
    #[must_use]
    pub fn tenants(&self, cgroups: impl IntoIterator<Item = u64>) -> BTreeMap<u64, Tenant> {
        let mut tenants: BTreeMap<u64, Option<Tenant>> = cgroups.into_iter().map(|cgroup| (cgroup, None)).collect();
        for id in self.by_pid.values() {
            let process = &self.slots[id.index()];
            let Some(known) = tenants.get_mut(&process.cgroup_id) else {
                continue;
            };
            let tenant = process.container().map_or(Tenant::Host, Tenant::Container);
            *known = match *known {
                Some(other) if other != tenant => Some(Tenant::Several),
                _ => Some(tenant),
            };
        }
        let known = tenants.into_iter();
        known.filter_map(|(cgroup, tenant)| Some((cgroup, tenant?))).collect()
    }
}
