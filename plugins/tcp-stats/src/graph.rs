//! Who calls whom: the two ends of a connection on this node, put together.
//!
//! Both ends of a connection within the node are events of their own. They have the two initial sequence numbers in
//! common, even where addresses and ports are translated on the way (a service address, a published port, a masquerade).
//! Where these are not known (recordings of earlier versions have none), it is the caller's address and port that they
//! have in common, unless those are translated. The end that comes first waits for the other one; if that does not come,
//! it is elsewhere.
use std::net::SocketAddr;
use std::time::Duration;

use vespid_plugin::prelude::*;
use vespid_plugin::{Connection, Direction, Keyed};

use crate::labels::Namer;
use crate::port;

/// How long an end waits for the other: both ends are events of the same moment, batches are not much longer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Ends that may wait. Beyond, the oldest is taken to be alone.
const CAPACITY: usize = 1 << 14;
/// What stands for an end that is not on this node.
const ELSEWHERE: &[u8] = b"elsewhere";

pub(crate) const CALL_LABELS: [&str; 5] = ["client", "client_process", "server", "server_process", "port"];

/// What both ends of a connection have in common.
#[derive(PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Common {
    /// Their initial sequence numbers, the caller's first. Each is random enough; of two, none is met twice at a time.
    Numbers(u32, u32),
    /// The caller's address. Each network namespace has loopback addresses of its own; other addresses are of the node.
    Caller {
        /// And port.
        address: SocketAddr,
        /// Of a loopback address, else 0.
        netns: u32,
    },
}

/// An end that waits for the other.
#[derive(Serialize, Deserialize)]
pub(crate) struct Half {
    is_client: bool,
    /// The port that was called, as this end knows it.
    port: u16,
    service: Box<[u8]>,
    process: Box<[u8]>,
}

/// Ends that wait, as another instance goes on with them.
pub(crate) type Halves = Keyed<Common, Half>;

/// The same, as version 2 of the state had them.
pub(crate) type HalvesByAddress = Keyed<(SocketAddr, u32), Half>;

pub(crate) struct Graph {
    pub(crate) halves: Halves,
}

impl Default for Graph {
    fn default() -> Self {
        Graph {
            halves: Keyed::new(CAPACITY, PATIENCE),
        }
    }
}

impl Graph {
    /// Takes in an end that begins.
    pub(crate) fn begin(&mut self, connection: Connection<'_>, namer: &mut Namer, calls: &Counter<5>) {
        let (is_client, address, port) = match connection.direction() {
            Direction::Outbound => (true, connection.local(), connection.remote_port()),
            Direction::Inbound => (false, connection.remote(), connection.local_port()),
            Direction::Unknown => return,
        };
        let common = match connection.isns() {
            Some((caller, called)) => Common::Numbers(caller, called),
            None => Common::Caller {
                address,
                netns: if address.ip().is_loopback() {
                    connection.netns()
                } else {
                    0
                },
            },
        };
        let (service, process) = namer.service(connection);
        let half = Half {
            is_client,
            port,
            service,
            process,
        };
        match self.halves.remove(&common) {
            Some(other) if other.is_client != is_client => half.meet(&other, calls),
            earlier => {
                // The same end twice: its port has been used again.
                earlier.into_iter().for_each(|earlier| earlier.stay_alone(calls));
                let (_, gone) = self.halves.touch(connection.time(), common, || half);
                gone.into_iter().for_each(|(_, gone)| gone.stay_alone(calls));
            }
        }
    }

    /// Gives up on ends whose other one did not come.
    pub(crate) fn tick(&mut self, now: u64, calls: &Counter<5>) {
        self.halves
            .expire(now)
            .iter()
            .for_each(|(_, half)| half.stay_alone(calls));
    }

    pub(crate) fn restore(&mut self, halves: Halves) {
        self.halves.adopt(halves);
    }
}

impl Half {
    fn meet(&self, other: &Half, calls: &Counter<5>) {
        let (client, server) = if self.is_client { (self, other) } else { (other, self) };
        calls.with(client.to(server)).inc();
    }

    fn stay_alone(&self, calls: &Counter<5>) {
        let other = Half {
            port: self.port,
            is_client: !self.is_client,
            service: ELSEWHERE.into(),
            process: Box::default(),
        };
        self.meet(&other, calls);
    }

    /// Label values of a call. The port is the server's own, where it is known.
    fn to<'a>(&'a self, server: &'a Half) -> [&'a [u8]; 5] {
        let port = port::class(server.port).as_bytes();
        [&self.service, &self.process, &server.service, &server.process, port]
    }
}
