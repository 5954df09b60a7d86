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

use vespid_ebpf::Kind;

use columns::Table;
use dimensions::Dimensions;
use facts::Start;

use crate::enrich::{Attribution, Process, ProcessTable};
use crate::event::{Body, Event, process_flags};
use crate::filter::{Subscription, Whose};
use crate::interface::vespid::plugin::describe::Kinds;
use crate::interface::vespid::plugin::events::{
    Batch, Changes, Connections, Execs, Exits, Header, Lost, Opens, Privileged, Resources, Sockets,
};

/// An event, right after the table observed it.
pub struct Observed<'a> {
    seq: u64,
    event: &'a Event<'a>,
    whose: &'a Attribution,
    /// Looked up once for all batches.
    process: Option<&'a Process>,
    processes: &'a ProcessTable,
}

impl<'a> Observed<'a> {
    /// The event with this number, of which the table said whose it is.
    #[must_use]
    pub fn new(seq: u64, event: &'a Event<'a>, whose: &'a Attribution, processes: &'a ProcessTable) -> Observed<'a> {
        Observed {
            seq,
            event,
            whose,
            process: whose.process.and_then(|id| processes.get(id)),
            processes,
        }
    }
}

/// Collects events into batches, for all plugins with the same subscription.
pub struct Builder {
    subscription: Subscription,
    /// The kinds of its tables, as bits.
    wanted: u32,
    /// Those of them of which every event is wanted.
    whole: u32,
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
    /// Of the events in it; without any, later than every time.
    oldest_time: u64,
    /// Of the events in it; without any, earlier than every time.
    newest_time: u64,
}

impl Builder {
    /// An empty batch for this subscription, from this node.
    #[must_use]
    pub fn new(subscription: Subscription, node: &str, boot_id: &str) -> Builder {
        Builder {
            wanted: bits(subscription.tables),
            whole: bits(subscription.whole_tables()),
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
            oldest_time: u64::MAX,
            newest_time: 0,
        }
    }

    /// Appends an event. Returns whether it was subscribed to.
    ///
    /// Each kind has a function of its own, for which the questions about kinds are answered. They are not inlined: the
    /// caller is a loop, before which all that they need of an event would be read, whatever kind it is of.
    pub fn push(&mut self, observed: &Observed<'_>) -> bool {
        match &observed.event.body {
            Body::Open(_) => self.open(observed),
            Body::Connection(_) => self.connection(observed),
            Body::Exec(_) => self.exec(observed),
            Body::Exit(_) => self.exit(observed),
            _ => self.other(observed),
        }
    }

    #[inline(never)]
    fn open(&mut self, observed: &Observed<'_>) -> bool {
        let Body::Open(open) = &observed.event.body else {
            return false;
        };
        let Some(row) = self.begin(Kind::Open, observed) else {
            return false;
        };
        self.opens.push(facts::open(row, open, &mut self.dimensions));
        true
    }

    #[inline(never)]
    fn connection(&mut self, observed: &Observed<'_>) -> bool {
        let Body::Connection(connection) = &observed.event.body else {
            return false;
        };
        let Some(row) = self.begin(Kind::Connection, observed) else {
            return false;
        };
        self.connections.push(facts::connection(row, connection));
        true
    }

    #[inline(never)]
    fn exec(&mut self, observed: &Observed<'_>) -> bool {
        let Body::Exec(exec) = &observed.event.body else {
            return false;
        };
        if !self.wants(Kind::Exec, observed) {
            return false;
        }
        // The image before comes first, so that a row found for the process is that of the image after.
        let previous = match observed.whose.has_previous {
            true => self
                .dimensions
                .row_of(observed.whose, observed.processes.previous(), observed.processes),
            false => NONE,
        };
        let row = self.count(observed);
        self.execs.push(facts::exec(row, exec, previous, &mut self.dimensions));
        true
    }

    #[inline(never)]
    fn exit(&mut self, observed: &Observed<'_>) -> bool {
        let Body::Exit(exit) = &observed.event.body else {
            return false;
        };
        let Some(row) = self.begin(Kind::Exit, observed) else {
            if let (Some(id), Some(process)) = (observed.whose.process, observed.process) {
                self.dimensions.set_flags_if_present(id, process, process_flags::EXITED);
            }
            return false;
        };
        self.dimensions.set_flags(row.process, process_flags::EXITED);
        let began = observed.process.map_or(0, |process| process.start);
        self.exits.push(facts::exit(row, exit, began));
        true
    }

    #[inline(never)]
    fn other(&mut self, observed: &Observed<'_>) -> bool {
        let Observed {
            event,
            whose,
            processes,
            ..
        } = *observed;
        let Some(row) = self.begin(event.body.kind(), observed) else {
            return false;
        };
        let texts = &mut self.dimensions;
        match &event.body {
            Body::Change(change) => self.changes.push(facts::change(row, change, texts)),
            Body::Privileged(call) => {
                let target = whose.target.map_or(NONE, |id| texts.row(id, processes));
                self.privileged.push(facts::privileged(row, call, target, texts));
            }
            Body::Socket(socket) => self.sockets.push(facts::socket(row, socket, texts)),
            Body::Resource(resource) => {
                let container = whose.container.map_or(NONE, |id| texts.container(id, processes));
                let cgroup = match observed.process {
                    Some(process) => texts.text(process.cgroup()),
                    None => texts.text(resource.cgroup.as_slice()),
                };
                self.resources.push(facts::resource(row, resource, container, cgroup));
            }
            // No subscription has forks, and the others have been seen to.
            Body::Fork(_) | Body::Exec(_) | Body::Exit(_) | Body::Connection(_) | Body::Open(_) => {}
        }
        true
    }

    /// What a row of this kind begins with, if it is wanted. Inlined, so that it does not go through memory.
    #[inline(always)]
    fn begin(&mut self, kind: Kind, observed: &Observed<'_>) -> Option<Start> {
        self.wants(kind, observed).then(|| self.count(observed))
    }

    #[inline(always)]
    fn wants(&self, kind: Kind, observed: &Observed<'_>) -> bool {
        self.whole & kind.bit() != 0 || self.wanted & kind.bit() != 0 && self.lets_through(observed)
    }

    /// Whether its filters do.
    #[inline(never)]
    fn lets_through(&self, observed: &Observed<'_>) -> bool {
        let whose = Whose {
            process: observed.process,
            is_contained: observed.whose.container.is_some(),
            node: observed.processes.node_namespaces(),
        };
        self.subscription.filters.want(observed.event, &whose)
    }

    /// Counts an event that is wanted, and sees to its process.
    #[inline(always)]
    fn count(&mut self, observed: &Observed<'_>) -> Start {
        let process = self
            .dimensions
            .row_of(observed.whose, observed.process, observed.processes);
        let (seq, time) = (observed.seq, observed.event.time);
        if time <= self.oldest_time {
            self.oldest_time = time;
            if self.rows == 0 {
                self.first = seq;
            }
        }
        if time > self.newest_time {
            self.newest_time = time;
        }
        self.rows += 1;
        self.last = seq;
        Start { seq, time, process }
    }

    /// How many rows there are of each kind, in the order of [`Kind::ALL`].
    #[must_use]
    pub fn rows(&self) -> [u64; Kind::ALL.len()] {
        Kind::ALL.map(|kind| match kind {
            Kind::Fork => 0,
            Kind::Exec => self.execs.len(),
            Kind::Exit => self.exits.len(),
            Kind::Connection => self.connections.len(),
            Kind::Open => self.opens.len(),
            Kind::Change => self.changes.len(),
            Kind::Privileged => self.privileged.len(),
            Kind::Socket => self.sockets.len(),
            Kind::Resource => self.resources.len(),
        } as u64)
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

    /// Whether its oldest event is older than `age` at `now`, both in nanoseconds.
    #[must_use]
    #[inline]
    pub fn is_older(&self, now: u64, age: u64) -> bool {
        now.saturating_sub(self.oldest_time) > age
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
        (self.oldest_time, self.newest_time) = (u64::MAX, 0);
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

/// The kinds of these tables, as bits.
fn bits(tables: Kinds) -> u32 {
    let kinds = Kinds::TABLES.iter().filter(|(_, table, _)| tables.contains(*table));
    kinds.fold(0, |bits, (.., kind)| bits | kind.bit())
}
