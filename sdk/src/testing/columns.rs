//! Rows to columns.
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use super::BatchBuilder;
use crate::bindings::vespid::plugin::events;

#[derive(Default)]
struct Strings {
    table: events::Strings,
    ids: HashMap<Vec<u8>, u32>,
}

impl Strings {
    fn id(&mut self, bytes: &[u8]) -> u32 {
        if let Some(id) = self.ids.get(bytes) {
            return *id;
        }
        let id = index(self.table.ends.len());
        self.table.blob.extend_from_slice(bytes);
        self.table.ends.push(index(self.table.blob.len()));
        self.ids.insert(bytes.to_vec(), id);
        id
    }
}

fn index(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

const NONE: u32 = u32::MAX;

fn address(addresses: &mut Vec<u8>, end: SocketAddr) {
    let ip = match end.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    addresses.extend_from_slice(&ip.octets());
}

impl BatchBuilder {
    /// The batch as the daemon would hand it over.
    #[must_use]
    pub fn columns(&self) -> events::Batch {
        let mut strings = Strings::default();
        strings.id(b"");
        let header = events::Header {
            node: "test".to_owned(),
            boot_id: "00000000-0000-0000-0000-000000000000".to_owned(),
            first: self.first,
            last: self.last(),
            lost: events::Lost::default(),
        };
        let processes = self.process_columns(&mut strings);
        let containers = (!self.containers.is_empty()).then(|| self.container_columns(&mut strings));
        let execs = (!self.execs.is_empty()).then(|| self.exec_columns(&mut strings));
        let exits = (!self.exits.is_empty()).then(|| self.exit_columns());
        let connections = (!self.connections.is_empty()).then(|| self.connection_columns());
        let opens = (!self.opens.is_empty()).then(|| self.open_columns(&mut strings));
        let changes = (!self.changes.is_empty()).then(|| self.change_columns(&mut strings));
        let privileged = (!self.privileged.is_empty()).then(|| self.privileged_columns(&mut strings));
        let sockets = (!self.sockets.is_empty()).then(|| self.socket_columns(&mut strings));
        let resources = (!self.resources.is_empty()).then(|| self.resource_columns(&mut strings));
        events::Batch {
            header,
            strings: strings.table,
            processes,
            containers,
            execs,
            exits,
            connections,
            opens,
            changes,
            privileged,
            sockets,
            resources,
        }
    }

    fn process_columns(&self, strings: &mut Strings) -> events::Processes {
        let mut table = events::Processes::default();
        for process in &self.processes {
            table.pid.push(process.pid);
            table.ppid.push(process.ppid);
            table.parent.push(process.parent.unwrap_or(NONE));
            table.start.push(process.start);
            table.uid.push(process.uid);
            table.gid.push(process.uid);
            table.euid.push(process.uid);
            table.login_uid.push(NONE);
            table.comm.push(strings.id(&process.comm));
            table.exe.push(strings.id(&process.exe));
            table.args.push(strings.id(&process.args));
            table.cwd.push(strings.id(&process.cwd));
            table.tty.push(strings.id(&process.tty));
            table.cgroup.push(0);
            table.container.push(process.container.unwrap_or(NONE));
            table.flags.push(process.flags);
            table.capabilities.push(process.capabilities);
            table.namespaces.extend([0; 8]);
            table.user.push(strings.id(&process.user));
            table.group.push(strings.id(&process.group));
        }
        table
    }

    fn container_columns(&self, strings: &mut Strings) -> events::Containers {
        let mut table = events::Containers::default();
        for container in &self.containers {
            table.id.push(strings.id(&container.id));
            table.runtime.push(0);
            table.name.push(strings.id(&container.name));
            table.image.push(strings.id(&container.image));
            table.pod_uid.push(0);
            table.pod.push(strings.id(&container.pod));
            table.namespace.push(strings.id(&container.namespace));
            table.labels.push(strings.id(&container.labels));
            table.owner.push(strings.id(&container.owner));
        }
        table
    }

    fn exec_columns(&self, strings: &mut Strings) -> events::Execs {
        let mut table = events::Execs::default();
        for exec in &self.execs {
            table.seq.push(exec.seq);
            table.time.push(exec.time);
            table.process.push(exec.process.unwrap_or(NONE));
            table.previous.push(exec.previous.unwrap_or(NONE));
            table.filename.push(strings.id(&exec.filename));
            table.errno.push(exec.errno);
        }
        table
    }

    fn exit_columns(&self) -> events::Exits {
        let mut table = events::Exits::default();
        for exit in &self.exits {
            let start = exit
                .process
                .and_then(|row| Some(self.processes.get(row as usize)?.start));
            table.seq.push(exit.seq);
            table.time.push(exit.time);
            table.process.push(exit.process.unwrap_or(NONE));
            table.code.push(exit.code);
            table.signal.push(exit.signal);
            table
                .lifetime
                .push(exit.time.saturating_sub(start.unwrap_or(exit.time)));
        }
        table
    }

    fn connection_columns(&self) -> events::Connections {
        let mut table = events::Connections::default();
        for connection in &self.connections {
            table.seq.push(connection.seq);
            table.time.push(connection.time);
            table.process.push(connection.process.unwrap_or(NONE));
            table.op.push(connection.op);
            table.direction.push(connection.direction);
            address(&mut table.addresses, connection.local);
            address(&mut table.addresses, connection.remote);
            table.local_port.push(connection.local.port().into());
            table.remote_port.push(connection.remote.port().into());
            table.cookie.push(connection.cookie);
            table.sent.push(connection.sent);
            table.received.push(connection.received);
            table.duration.push(connection.duration);
            table.srtt.push(connection.srtt);
            table.retransmits.push(connection.retransmits);
            table.errno.push(connection.errno);
            table.netns.push(connection.netns);
            table.local_isn.push(connection.local_isn);
            table.remote_isn.push(connection.remote_isn);
        }
        table
    }

    fn open_columns(&self, strings: &mut Strings) -> events::Opens {
        let mut table = events::Opens::default();
        for open in &self.opens {
            table.seq.push(open.seq);
            table.time.push(open.time);
            table.process.push(open.process.unwrap_or(NONE));
            table.path.push(strings.id(&open.path));
            table.typed.push(strings.id(&open.typed));
            table.flags.push(open.flags);
            table.mode.push(open.mode);
            table.result.push(open.result);
            table.path_kind.push(open.path_kind);
            table.traits.push(open.traits);
            table.count.push(open.count);
        }
        table
    }

    fn change_columns(&self, strings: &mut Strings) -> events::Changes {
        let mut table = events::Changes::default();
        for change in &self.changes {
            table.seq.push(change.seq);
            table.time.push(change.time);
            table.process.push(change.process.unwrap_or(NONE));
            table.op.push(change.op);
            table.path.push(strings.id(&change.path));
            table.typed.push(strings.id(&change.typed));
            table.target.push(strings.id(&change.target));
            table.target_typed.push(strings.id(&change.target_typed));
            table.detail.push(strings.id(&change.detail));
            table.flags.push(change.flags);
            table.mode.push(change.mode);
            table.value.push(change.value);
            table.result.push(change.result);
            table.path_kind.push(change.path_kind);
            table.target_kind.push(change.target_kind);
        }
        table
    }

    fn privileged_columns(&self, strings: &mut Strings) -> events::Privileged {
        let mut table = events::Privileged::default();
        for call in &self.privileged {
            table.seq.push(call.seq);
            table.time.push(call.time);
            table.process.push(call.process.unwrap_or(NONE));
            table.op.push(call.op);
            table.code.push(call.code);
            table.argument.push(call.argument);
            table.target.push(call.target.unwrap_or(NONE));
            table.detail.push(strings.id(&call.detail));
            table.result.push(call.result);
        }
        table
    }

    fn resource_columns(&self, strings: &mut Strings) -> events::Resources {
        let mut table = events::Resources::default();
        for resource in &self.resources {
            table.seq.push(resource.seq);
            table.time.push(resource.time);
            table.process.push(resource.process.unwrap_or(NONE));
            table.container.push(resource.container.unwrap_or(NONE));
            table.cgroup.push(strings.id(&resource.cgroup));
            table.op.push(resource.op);
            table.interval.push(resource.interval);
            table.measured.push(resource.measured);
            table.cpu.push(resource.cpu);
            table.minor_faults.push(resource.minor_faults);
            table.major_faults.push(resource.major_faults);
            table.voluntary_switches.push(resource.voluntary_switches);
            table.involuntary_switches.push(resource.involuntary_switches);
            table.cycles.push(resource.cycles);
            table.instructions.push(resource.instructions);
            table.cache_misses.push(resource.cache_misses);
            table.memory.push(resource.memory);
        }
        table
    }

    fn socket_columns(&self, strings: &mut Strings) -> events::Sockets {
        let mut table = events::Sockets::default();
        for socket in &self.sockets {
            table.seq.push(socket.seq);
            table.time.push(socket.time);
            table.process.push(socket.process.unwrap_or(NONE));
            table.op.push(socket.op);
            table.family.push(socket.family);
            table.protocol.push(socket.protocol);
            for end in [socket.local, socket.remote] {
                match end {
                    Some(end) => address(&mut table.addresses, end),
                    None => table.addresses.extend([0; 16]),
                }
            }
            let port = |end: Option<SocketAddr>| end.map_or(0, |end| end.port().into());
            table.local_port.push(port(socket.local));
            table.remote_port.push(port(socket.remote));
            table.name.push(strings.id(&socket.name));
            table.code.push(socket.code);
            table.result.push(socket.result);
            table.netns.push(0);
        }
        table
    }
}
