//! The whole table in words, for a recording that begins in the middle of a node's life.
use std::collections::HashSet;

use super::Found;
use super::process::ProcessId;
use super::table::ProcessTable;

impl ProcessTable {
    /// Says everything that the table holds, such that another one that learns it in this order holds the same.
    pub fn restate_all(&self, mut say: impl FnMut(Found)) {
        self.names.all().for_each(|name| say(Found::Account(name)));
        let mut told = HashSet::new();
        for id in self.parents_first() {
            if let Some(process) = self.get(id)
                && let Some(container) = process.container()
                && told.insert(container.index())
                && let Some(container) = self.containers().get(container)
            {
                say(Found::Container(container.state(process.cgroup())));
            }
            if let Some(process) = self.state(id) {
                say(Found::Process(process));
            }
        }
    }

    /// All processes, each after its parent, and of one process id each after its predecessors.
    fn parents_first(&self) -> Vec<ProcessId> {
        let mut order = Vec::with_capacity(self.len());
        let mut is_listed = vec![false; self.slots.len()];
        let mut path = Vec::new();
        for &latest in self.by_pid.values() {
            path.push(latest);
            while let Some(&id) = path.last() {
                let process = &self.slots[id.index()];
                let missing = [process.older, process.parent]
                    .into_iter()
                    .flatten()
                    .find(|before| !is_listed[before.index()] && !path.contains(before));
                match missing {
                    Some(before) => path.push(before),
                    None => {
                        path.pop();
                        if !std::mem::replace(&mut is_listed[id.index()], true) {
                            order.push(id);
                        }
                    }
                }
            }
        }
        order
    }
}
