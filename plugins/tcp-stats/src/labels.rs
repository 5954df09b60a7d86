//! Label values of a connection.
use std::time::Duration;

use vespid_plugin::{Connection, Container, Direction, NameLimit, Process};

use crate::port;

const FORGET_NAME_AFTER: Duration = Duration::from_secs(3600);

/// Keeps the outside world's names to a bearable number.
pub(crate) struct Namer {
    processes: NameLimit,
    containers: NameLimit,
}

impl Namer {
    pub(crate) fn new(processes: usize, containers: usize) -> Self {
        Namer {
            processes: NameLimit::new(processes, FORGET_NAME_AFTER),
            containers: NameLimit::new(containers, FORGET_NAME_AFTER),
        }
    }
}

/// Label values of a connection, in the order in which metrics use them.
pub(crate) struct Labels<'a> {
    pub(crate) container: &'a [u8],
    pub(crate) process: &'a [u8],
    pub(crate) direction: &'static [u8],
    pub(crate) port: &'static [u8],
}

impl<'a> Labels<'a> {
    pub(crate) fn of(connection: Connection<'a>, namer: &mut Namer) -> Self {
        let process = connection.process();
        let now = connection.time();
        let container = match process.and_then(Process::container).map(Container::short_id) {
            Some(id) => namer.containers.admit(now, id),
            None => b"host",
        };
        let (direction, port) = match connection.direction() {
            Direction::Outbound => ("outbound", connection.remote_port()),
            Direction::Inbound => ("inbound", connection.local_port()),
            // Servers sit on low ports.
            Direction::Unknown => ("unknown", connection.remote_port().min(connection.local_port())),
        };
        Labels {
            container,
            process: process.map_or(&b""[..], |process| namer.processes.admit(now, process.comm())),
            direction: direction.as_bytes(),
            port: port::class(port).as_bytes(),
        }
    }
}
