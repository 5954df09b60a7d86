//! Events become a batch: the small star schema of `wit/vespid.wit`, in columns.
//!
//! A batch is built directly in the types that the interface's description generates, so it crosses into a plugin
//! without another copy of the schema. Events of kinds that were not subscribed to leave no trace in it.
mod columns;
mod dimensions;
mod facts;
mod shared;
#[cfg(test)]
mod view;

#[cfg(test)]
mod tests;

pub use dimensions::NONE;

use columns::Table;
use dimensions::Dimensions;

use crate::enrich::{Attribution, ProcessTable};
use crate::event::{Body, Event, process_flags};
use crate::filter::{Subscription, Whose};
use crate::interface::vespid::plugin::describe::Kinds;
use crate::interface::vespid::plugin::events::{
    Batch, Changes, Connections, Execs, Exits, Header, Lost, Opens, Privileged, Resources, Sockets,
};

/// Collects events into batches, for all plugins with the same subscription.
pub struct Builder {
    subscription: Subscription,
    /// The kinds of its tables, as bits.
    wanted: u32,
    node: String,
    boot_id: String,
    dimensions: Dimensions,
    execs: Table<Execs>,
    exits: Table<Exits>,
    connections: Table<Connections>,
    opens: Table<Opens>,
    changes: Table<Changes>,
    privileged: Table<Privileged>,
    sockets: Table<Sockets>,
    resources: Table<Resources>,
    rows: usize,
    first: u64,
    last: u64,
    /// Of the events in it; meaningless without any.
    oldest_time: u64,
    newest_time: u64,
}

impl Builder {
    /// An empty batch for this subscription, from this node.
    #[must_use]
    pub fn new(subscription: Subscription, node: &str, boot_id: &str) -> Builder {
        let wanted = Kinds::TABLES
            .iter()
            .filter(|(_, table, _)| subscription.tables.contains(*table));
        Builder {
            wanted: wanted.fold(0, |mask, (.., kind)| mask | kind.bit()),
            subscription,
            node: node.into(),
            boot_id: boot_id.into(),
            dimensions: Dimensions::new(),
            execs: Table::new(),
            exits: Table::new(),
            connections: Table::new(),
            opens: Table::new(),
            changes: Table::new(),
            privileged: Table::new(),
            sockets: Table::new(),
            resources: Table::new(),
            rows: 0,
            first: 0,
            last: 0,
            oldest_time: 0,
            newest_time: 0,
        }
    }

    /// Appends an event, right after the table observed it. Returns whether it was subscribed to.
    pub fn push(&mut self, seq: u64, event: &Event<'_>, whose: &Attribution, processes: &ProcessTable) -> bool {
        let process = whose.process.and_then(|id| Some((id, processes.get(id)?)));
        if let (Body::Exit(_), Some((id, process))) = (&event.body, process) {
            self.dimensions.set_flags_if_present(id, process, process_flags::EXITED);
        }
        if self.wanted & event.body.kind().bit() == 0 {
            return false;
        }
        let filters = &self.subscription.filters;
        let by = || Whose {
            process: process.map(|(_, process)| process),
            is_contained: whose.container.is_some(),
            node: processes.node_namespaces(),
        };
        if !filters.is_empty() && !filters.want(event, &by()) {
            return false;
        }
        // The image before comes first, so that a row found for the process is that of the image after.
        let previous = match (processes.previous(), whose.process) {
            (Some(previous), Some(id)) if whose.has_previous => self.dimensions.row_of(id, previous, processes),
            _ => NONE,
        };
        let start = process.map_or(0, |(_, process)| process.start);
        let process = process.map_or(NONE, |(id, process)| self.dimensions.row_of(id, process, processes));
        let row = facts::Start {
            seq,
            time: event.time,
            process,
        };
        let texts = &mut self.dimensions;
        match &event.body {
            Body::Fork(_) => return false,
            Body::Exec(exec) => self.execs.push(facts::exec(row, exec, previous, texts)),
            Body::Exit(exit) => self.exits.push(facts::exit(row, exit, start)),
            Body::Connection(connection) => self.connections.push(facts::connection(row, connection)),
            Body::Open(open) => self.opens.push(facts::open(row, open, texts)),
            Body::Change(change) => self.changes.push(facts::change(row, change, texts)),
            Body::Privileged(call) => {
                let target = whose.target.map_or(NONE, |id| texts.row(id, processes));
                self.privileged.push(facts::privileged(row, call, target, texts));
            }
            Body::Socket(socket) => self.sockets.push(facts::socket(row, socket, texts)),
            Body::Resource(resource) => {
                let container = whose.container.map_or(NONE, |id| texts.container(id, processes));
                let cgroup = match whose.process.and_then(|id| processes.get(id)) {
                    Some(process) => texts.text(process.cgroup()),
                    None => texts.text(resource.cgroup.as_slice()),
                };
                self.resources.push(facts::resource(row, resource, container, cgroup));
            }
        }
        if self.rows == 0 {
            (self.first, self.oldest_time, self.newest_time) = (seq, event.time, event.time);
        }
        self.rows += 1;
        self.last = seq;
        self.oldest_time = self.oldest_time.min(event.time);
        self.newest_time = self.newest_time.max(event.time);
        true
    }

    /// Events in the batch.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there is no event in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Bytes of text in the batch. One batch takes less than 4 GiB.
    #[must_use]
    pub fn text_len(&self) -> usize {
        self.dimensions.text_len()
    }

    /// Time of the oldest event in the batch, in Unix nanoseconds.
    #[must_use]
    pub fn oldest_time(&self) -> Option<u64> {
        (self.rows > 0).then_some(self.oldest_time)
    }

    /// Time of the newest event, in Unix nanoseconds.
    #[must_use]
    pub fn newest_time(&self) -> Option<u64> {
        (self.rows > 0).then_some(self.newest_time)
    }

    /// The batch; the builder goes on with an empty one, which expects to grow as large.
    pub fn finish(&mut self, lost: Lost) -> Batch {
        let (strings, processes, containers) = self.dimensions.finish();
        let header = Header {
            node: self.node.clone(),
            boot_id: self.boot_id.clone(),
            first: self.first,
            last: self.last,
            lost,
        };
        (self.rows, self.first, self.last) = (0, 0, 0);
        Batch {
            header,
            strings,
            processes,
            containers,
            execs: self.execs.take_some(),
            exits: self.exits.take_some(),
            connections: self.connections.take_some(),
            opens: self.opens.take_some(),
            changes: self.changes.take_some(),
            privileged: self.privileged.take_some(),
            sockets: self.sockets.take_some(),
            resources: self.resources.take_some(),
        }
    }

    /// Takes back a batch that nobody reads any more: its memory is that of a later one.
    pub fn reuse(&mut self, batch: Batch) {
        macro_rules! reuse {
            ($($table:ident)*) => {
                $(if let Some(table) = batch.$table {
                    self.$table.reuse(table);
                })*
            };
        }
        reuse!(execs exits connections opens changes privileged sockets resources);
        self.dimensions.reuse(batch.strings, batch.processes, batch.containers);
    }
}
