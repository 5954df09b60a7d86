//! A batch as one plugin gets it: the shared columns, under a header of its own.
//!
//! What was lost before a batch differs from plugin to plugin, since each has its own queue. The columns are megabytes
//! and shared; so they are lent to the call, and only the header is made anew.
use wasmtime::component::{ComponentType, Lower};

use crate::interface::vespid::plugin::describe::Kinds;
use crate::interface::vespid::plugin::events::{
    Batch, Changes, Connections, Containers, Execs, Exits, Lost, Opens, Privileged, Processes, Resources, Sockets,
    Strings,
};

/// Field by field the interface's `header`.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct HeaderView<'a> {
    node: &'a str,
    #[component(name = "boot-id")]
    boot_id: &'a str,
    first: u64,
    last: u64,
    lost: Lost,
}

/// Field by field the interface's `batch`.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct BatchView<'a> {
    header: HeaderView<'a>,
    strings: &'a Strings,
    processes: &'a Processes,
    containers: Option<&'a Containers>,
    execs: Option<&'a Execs>,
    exits: Option<&'a Exits>,
    connections: Option<&'a Connections>,
    opens: Option<&'a Opens>,
    changes: Option<&'a Changes>,
    privileged: Option<&'a Privileged>,
    sockets: Option<&'a Sockets>,
    resources: Option<&'a Resources>,
}

impl<'a> BatchView<'a> {
    /// The tables of `batch` that were subscribed to, before which `lost` was lost. While one version of a plugin
    /// replaces another, batches carry what either of them wants.
    pub(super) fn new(batch: &'a Batch, subscription: Kinds, lost: Lost) -> BatchView<'a> {
        let header = &batch.header;
        let wants = |kind| subscription.contains(kind);
        BatchView {
            header: HeaderView {
                node: &header.node,
                boot_id: &header.boot_id,
                first: header.first,
                last: header.last,
                lost,
            },
            strings: &batch.strings,
            processes: &batch.processes,
            containers: batch.containers.as_ref(),
            execs: batch.execs.as_ref().filter(|_| wants(Kinds::EXECS)),
            exits: batch.exits.as_ref().filter(|_| wants(Kinds::EXITS)),
            connections: batch.connections.as_ref().filter(|_| wants(Kinds::CONNECTIONS)),
            opens: batch.opens.as_ref().filter(|_| wants(Kinds::OPENS)),
            changes: batch.changes.as_ref().filter(|_| wants(Kinds::CHANGES)),
            privileged: batch.privileged.as_ref().filter(|_| wants(Kinds::PRIVILEGED)),
            sockets: batch.sockets.as_ref().filter(|_| wants(Kinds::SOCKETS)),
            resources: batch.resources.as_ref().filter(|_| wants(Kinds::RESOURCES)),
        }
    }
}
