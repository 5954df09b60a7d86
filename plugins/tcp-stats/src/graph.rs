//! Who calls whom: the two ends of a connection on this node, put together.
//!
//! Both ends of a connection within the node are events of their own. They have the two initial sequence numbers in
//! common, even where addresses and ports are translated on the way (a service address, a published port, a masquerade).
//! Where these are not known (recordings of earlier versions have none), it is the caller's address and port that they
//! have in common, unless those are translated. The end that comes first waits for the other one; if that does not come,
//! it is elsewhere.
use std::hash::{Hash, Hasher};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use vespid_plugin::prelude::*;
use vespid_plugin::{Connection, Direction, Keyed, SeriesId};

use crate::port::Class;

/// How long an end waits for the other: both ends are events of the same moment, batches are not much longer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Ends that may wait. Beyond, the oldest is taken to be alone.
const CAPACITY: usize = 1 << 14;
/// Ends, and pairs of ends, that are found without their names being hashed.
const KNOWN: usize = 1 << 12;
/// What stands for an end that is not on this node.
const ELSEWHERE: &[u8] = b"elsewhere";

pub(crate) const CALL_LABELS: [&str; 5] = ["client", "client_process", "server", "server_process", "port"];

/// What both ends of a connection have in common.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
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

impl Hash for Common {
    /// One word where that says it.
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Common::Numbers(caller, called) => state.write_u64(u64::from(*caller) << 32 | u64::from(*called)),
            Common::Caller { address, netns } => (address, netns).hash(state),
        }
    }
}

/// What ends that look the same in the graph have in common.
#[derive(Serialize, Deserialize)]
pub(crate) struct End {
    /// Names it as long as the instance lives; not in a snapshot.
    #[serde(skip)]
    number: u32,
    service: Box<[u8]>,
    process: Box<[u8]>,
}

/// Of a service and of its process.
type Names = (Box<[u8]>, Box<[u8]>);

/// An end that waits for the other.
#[derive(Serialize, Deserialize)]
pub(crate) struct Half {
    is_client: bool,
    /// The port that was called, as this end knows it.
    port: u16,
    #[serde(with = "shared")]
    end: Rc<End>,
}

/// Ends that wait, as another instance goes on with them.
pub(crate) type Halves = Keyed<Common, Half>;

/// The same, as version 2 of the state had them.
pub(crate) type HalvesByAddress = Keyed<(SocketAddr, u32), Half>;

pub(crate) struct Graph {
    pub(crate) halves: Halves,
    ends: Keyed<Names, Rc<End>>,
    /// How many ends have been numbered.
    numbered: u32,
    elsewhere: Rc<End>,
    /// Series by the numbers of client and server.
    series: Keyed<(u32, u32, Class), SeriesId>,
}

impl Default for Graph {
    fn default() -> Self {
        Graph {
            halves: Keyed::new(CAPACITY, PATIENCE),
            ends: Keyed::new(KNOWN, Duration::MAX),
            numbered: 0,
            elsewhere: Rc::new(End {
                number: 0,
                service: ELSEWHERE.into(),
                process: Box::default(),
            }),
            series: Keyed::new(KNOWN, Duration::MAX),
        }
    }
}

impl Graph {
    /// The end of this name.
    pub(crate) fn end(&mut self, service: &[u8], process: &[u8]) -> Rc<End> {
        let numbered = &mut self.numbered;
        let (end, _) = self.ends.touch(0, (service.into(), process.into()), || {
            *numbered = numbered.wrapping_add(1);
            Rc::new(End {
                number: *numbered,
                service: service.into(),
                process: process.into(),
            })
        });
        Rc::clone(end)
    }

    /// Takes in an end that begins.
    #[inline]
    pub(crate) fn begin(&mut self, connection: Connection<'_>, end: &Rc<End>, calls: &Counter<5>) {
        let (is_client, port) = match connection.direction() {
            Direction::Outbound => (true, connection.remote_port()),
            Direction::Inbound => (false, connection.local_port()),
            Direction::Unknown => return,
        };
        let common = match connection.isns() {
            Some((caller, called)) => Common::Numbers(caller, called),
            None => by_address(connection, is_client),
        };
        let half = Half {
            is_client,
            port,
            end: Rc::clone(end),
        };
        match self.halves.remove(&common) {
            Some(other) if other.is_client != is_client => self.meet(&half, &other, calls),
            earlier => {
                // The same end twice: its port has been used again.
                if let Some(earlier) = earlier {
                    self.leave_alone(&earlier, calls);
                }
                let (_, gone) = self.halves.touch(connection.time(), common, || half);
                if let Some((_, gone)) = gone {
                    self.leave_alone(&gone, calls);
                }
            }
        }
    }

    /// Gives up on ends whose other one did not come.
    pub(crate) fn tick(&mut self, now: u64, calls: &Counter<5>) {
        for (_, half) in self.halves.expire(now) {
            self.leave_alone(&half, calls);
        }
    }

    pub(crate) fn restore(&mut self, mut halves: Halves) {
        for (_, half) in halves.iter_mut() {
            half.end = self.end(&half.end.service, &half.end.process);
        }
        self.halves.adopt(halves);
    }

    fn meet(&mut self, one: &Half, other: &Half, calls: &Counter<5>) {
        let (client, server) = if one.is_client { (one, other) } else { (other, one) };
        // The port is the server's own.
        self.count(&client.end, &server.end, server.port, calls);
    }

    fn leave_alone(&mut self, half: &Half, calls: &Counter<5>) {
        let elsewhere = Rc::clone(&self.elsewhere);
        let (client, server) = if half.is_client {
            (&half.end, &elsewhere)
        } else {
            (&elsewhere, &half.end)
        };
        self.count(client, server, half.port, calls);
    }

    fn count(&mut self, client: &End, server: &End, port: u16, calls: &Counter<5>) {
        let port = Class::of(port);
        let (series, _) = self.series.touch(0, (client.number, server.number, port), || {
            let port = port.name().as_bytes();
            let labels = [
                &*client.service,
                &client.process,
                &server.service,
                &server.process,
                port,
            ];
            calls.with(labels).id()
        });
        calls.at(*series).inc();
    }
}

/// What both ends have in common where the sequence numbers are not known.
#[cold]
fn by_address(connection: Connection<'_>, is_client: bool) -> Common {
    let address = if is_client {
        connection.local()
    } else {
        connection.remote()
    };
    let netns = if address.ip().is_loopback() {
        connection.netns()
    } else {
        0
    };
    Common::Caller { address, netns }
}

/// An end is written wherever it is named, so that the form of a snapshot does not depend on who shares it.
mod shared {
    use std::rc::Rc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::End;

    pub(super) fn serialize<S: Serializer>(end: &Rc<End>, to: S) -> Result<S::Ok, S::Error> {
        End::serialize(end, to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Rc<End>, D::Error> {
        End::deserialize(from).map(Rc::new)
    }
}
