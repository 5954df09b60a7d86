//! Label values of a connection.
use std::borrow::Cow;
use std::time::Duration;

use vespid_plugin::{Connection, Container, Direction, NameLimit, Process};

use crate::port::Class;

const FORGET_NAME_AFTER: Duration = Duration::from_secs(3600);

/// Keeps the outside world's names to a bearable number.
pub(crate) struct Namer {
    processes: NameLimit,
    containers: NameLimit,
    services: NameLimit,
}

impl Namer {
    pub(crate) fn new(processes: usize, containers: usize) -> Self {
        Namer {
            processes: NameLimit::new(processes, FORGET_NAME_AFTER),
            containers: NameLimit::new(containers, FORGET_NAME_AFTER),
            services: NameLimit::new(containers, FORGET_NAME_AFTER),
        }
    }

    /// What a connection's own end is called among services, and its process.
    pub(crate) fn service<'a>(&mut self, connection: Connection<'a>) -> (Cow<'a, [u8]>, &'a [u8]) {
        let (process, now) = (connection.process(), connection.time());
        let service = match process.and_then(Process::container).map(service) {
            Some(Cow::Borrowed(name)) => Cow::Borrowed(self.services.admit(now, name)),
            Some(Cow::Owned(name)) => Cow::Owned(self.services.admit(now, &name).to_vec()),
            None => Cow::Borrowed(&b"host"[..]),
        };
        let process = process.map_or(&b""[..], |process| self.processes.admit(now, process.comm()));
        (service, process)
    }
}

/// What people call a container: what made its pod, which stays where pods come and go, else the pod, both with the
/// namespace, else its name, else the beginning of its id.
fn service(container: Container<'_>) -> Cow<'_, [u8]> {
    let in_namespace = |name: &[u8]| Cow::Owned([container.namespace(), b"/", name].concat());
    match (container.owner(), container.pod(), container.name()) {
        (owner, ..) if names_a_service(owner) => in_namespace(owner),
        (_, pod, _) if !pod.is_empty() => in_namespace(pod),
        (_, _, name) if !name.is_empty() => Cow::Borrowed(name),
        _ => Cow::Borrowed(container.short_id()),
    }
}

/// A node has many static pods, which are as different as their names.
fn names_a_service(owner: &[u8]) -> bool {
    !owner.is_empty() && !owner.starts_with(b"Node/")
}

/// Label values of a connection, in the order in which metrics use them.
pub(crate) struct Labels<'a> {
    pub(crate) container: &'a [u8],
    pub(crate) process: &'a [u8],
    pub(crate) direction: &'static [u8],
    pub(crate) port: &'static [u8],
}

impl<'a> Labels<'a> {
    pub(crate) fn of(connection: Connection<'a>, port: Class, namer: &mut Namer) -> Self {
        let process = connection.process();
        let now = connection.time();
        let container = match process.and_then(Process::container).map(Container::short_id) {
            Some(id) => namer.containers.admit(now, id),
            None => b"host",
        };
        let direction = match connection.direction() {
            Direction::Outbound => "outbound",
            Direction::Inbound => "inbound",
            Direction::Unknown => "unknown",
        };
        Labels {
            container,
            process: process.map_or(&b""[..], |process| namer.processes.admit(now, process.comm())),
            direction: direction.as_bytes(),
            port: port.name().as_bytes(),
        }
    }

    /// Those that most metrics have.
    pub(crate) fn base(&self) -> [&'a [u8]; 4] {
        [self.container, self.process, self.direction, self.port]
    }

    /// The same and one more.
    pub(crate) fn with(&self, last: &'static str) -> [&'a [u8]; 5] {
        [self.container, self.process, self.direction, self.port, last.as_bytes()]
    }

    /// Those of histograms, each of whose series is many.
    pub(crate) fn brief(&self) -> [&'a [u8]; 3] {
        [self.container, self.process, self.direction]
    }
}
