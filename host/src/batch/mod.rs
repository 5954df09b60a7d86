//! Events become a batch: the small star schema of `wit/vespid.wit`, in columns.
//!
//! A batch is built directly in the types that the interface's description generates, so it crosses into a plugin
//! without another copy of the schema. Events of kinds that were not subscribed to leave no trace in it.
mod columns;
mod dimensions;
#[cfg(test)]
mod view;

#[cfg(test)]
mod tests;

pub use dimensions::NONE;

use std::net::{IpAddr, SocketAddr};

use dimensions::Dimensions;

use crate::enrich::{Attribution, ProcessTable};
use crate::event::{Body, Connection, Event, process_flags};
use crate::interface::vespid::plugin::describe::Kinds;
use crate::interface::vespid::plugin::events::{Batch, Connections, Execs, Exits, Header, Lost, Opens};

/// Collects events into batches, for all plugins with the same subscription.
pub struct Builder {
    kinds: Kinds,
    node: String,
    boot_id: String,
    dimensions: Dimensions,
    execs: Execs,
    exits: Exits,
    connections: Connections,
    opens: Opens,
    first: u64,
    last: u64,
    oldest_time: Option<u64>,
    newest_time: Option<u64>,
}

impl Builder {
    /// An empty batch of these kinds, from this node.
    #[must_use]
    pub fn new(kinds: Kinds, node: &str, boot_id: &str) -> Builder {
        Builder {
            kinds,
            node: node.into(),
            boot_id: boot_id.into(),
            dimensions: Dimensions::new(),
            execs: columns::execs(0),
            exits: columns::exits(0),
            connections: columns::connections(0),
            opens: columns::opens(0),
            first: 0,
            last: 0,
            oldest_time: None,
            newest_time: None,
        }
    }

    /// Appends an event, right after the table observed it. Returns whether it was subscribed to.
    pub fn push(&mut self, seq: u64, event: &Event<'_>, whose: &Attribution, table: &ProcessTable) -> bool {
        if let (Body::Exit(_), Some(process)) = (&event.body, whose.process) {
            self.dimensions
                .set_flags_if_present(process, table, process_flags::EXITED);
        }
        if !self.wants(&event.body) {
            return false;
        }
        // The image before comes first, so that a row found for the process is that of the image after.
        let previous = match (&event.body, whose.process, &whose.previous) {
            (Body::Exec(_), Some(id), Some(previous)) => self.dimensions.row_of(id, previous, table),
            _ => NONE,
        };
        let process = whose.process.map_or(NONE, |id| self.dimensions.row(id, table));
        match &event.body {
            Body::Fork(_) => return false,
            Body::Exec(exec) => {
                self.execs.seq.push(seq);
                self.execs.time.push(event.time);
                self.execs.process.push(process);
                self.execs.previous.push(previous);
                self.execs.filename.push(self.dimensions.text(exec.filename.as_slice()));
                self.execs.errno.push(exec.errno);
            }
            Body::Exit(exit) => {
                let start = whose
                    .process
                    .and_then(|id| table.get(id))
                    .map_or(0, |process| process.start);
                self.exits.seq.push(seq);
                self.exits.time.push(event.time);
                self.exits.process.push(process);
                self.exits.code.push(exit.code);
                self.exits.signal.push(exit.signal);
                self.exits.lifetime.push(if start == 0 {
                    0
                } else {
                    event.time.saturating_sub(start)
                });
            }
            Body::Connection(connection) => self.push_connection(seq, event.time, process, connection),
            Body::Open(open) => {
                let path = self.dimensions.text(open.path.as_slice());
                let typed = if open.typed == open.path {
                    path
                } else {
                    self.dimensions.text(open.typed.as_slice())
                };
                self.opens.seq.push(seq);
                self.opens.time.push(event.time);
                self.opens.process.push(process);
                self.opens.path.push(path);
                self.opens.typed.push(typed);
                self.opens.flags.push(open.flags);
                self.opens.mode.push(open.mode);
                self.opens.result.push(i64::from(open.result));
                self.opens.path_kind.push(open.path_kind);
            }
        }
        if self.oldest_time.is_none() {
            self.first = seq;
        }
        self.last = seq;
        self.oldest_time = Some(self.oldest_time.map_or(event.time, |oldest| oldest.min(event.time)));
        self.newest_time = self.newest_time.max(Some(event.time));
        true
    }

    fn push_connection(&mut self, seq: u64, time: u64, process: u32, connection: &Connection) {
        let table = &mut self.connections;
        table.seq.push(seq);
        table.time.push(time);
        table.process.push(process);
        table.op.push(connection.op as u8);
        table.direction.push(connection.direction);
        table.addresses.extend_from_slice(&octets(connection.local));
        table.addresses.extend_from_slice(&octets(connection.remote));
        table.local_port.push(u32::from(connection.local.port()));
        table.remote_port.push(u32::from(connection.remote.port()));
        table.cookie.push(connection.cookie);
        table.sent.push(connection.sent);
        table.received.push(connection.received);
        table.duration.push(connection.duration);
        table.srtt.push(connection.srtt);
        table.retransmits.push(connection.retransmits);
        table.errno.push(connection.errno);
        table.netns.push(connection.netns);
    }

    /// Events in the batch.
    #[must_use]
    pub fn len(&self) -> usize {
        self.execs.seq.len() + self.exits.seq.len() + self.connections.seq.len() + self.opens.seq.len()
    }

    /// Whether there is no event in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.oldest_time.is_none()
    }

    /// Bytes of text in the batch. One batch takes less than 4 GiB.
    #[must_use]
    pub fn text_len(&self) -> usize {
        self.dimensions.text_len()
    }

    /// Time of the oldest event in the batch, in Unix nanoseconds.
    #[must_use]
    pub fn oldest_time(&self) -> Option<u64> {
        self.oldest_time
    }

    /// Time of the newest event, in Unix nanoseconds.
    #[must_use]
    pub fn newest_time(&self) -> Option<u64> {
        self.newest_time
    }

    /// The batch; the builder goes on with an empty one, which expects to grow as large.
    pub fn finish(&mut self, lost: Lost) -> Batch {
        let execs = columns::execs(self.execs.seq.len());
        let exits = columns::exits(self.exits.seq.len());
        let connections = columns::connections(self.connections.seq.len());
        let opens = columns::opens(self.opens.seq.len());
        let execs = std::mem::replace(&mut self.execs, execs);
        let exits = std::mem::replace(&mut self.exits, exits);
        let connections = std::mem::replace(&mut self.connections, connections);
        let opens = std::mem::replace(&mut self.opens, opens);
        let (strings, processes, containers) = self.dimensions.finish();
        let header = Header {
            node: self.node.clone(),
            boot_id: self.boot_id.clone(),
            first: self.first,
            last: self.last,
            lost,
        };
        (self.first, self.last, self.oldest_time, self.newest_time) = (0, 0, None, None);
        Batch {
            header,
            strings,
            processes,
            containers,
            execs: Some(execs).filter(|table| !table.seq.is_empty()),
            exits: Some(exits).filter(|table| !table.seq.is_empty()),
            connections: Some(connections).filter(|table| !table.seq.is_empty()),
            opens: Some(opens).filter(|table| !table.seq.is_empty()),
        }
    }

    fn wants(&self, body: &Body<'_>) -> bool {
        match body {
            Body::Fork(_) => false,
            Body::Exec(_) => self.kinds.contains(Kinds::EXECS),
            Body::Exit(_) => self.kinds.contains(Kinds::EXITS),
            Body::Connection(_) => self.kinds.contains(Kinds::CONNECTIONS),
            Body::Open(_) => self.kinds.contains(Kinds::OPENS),
        }
    }
}

fn octets(end: SocketAddr) -> [u8; 16] {
    match end.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}
