//! TCP connections.
use std::net::SocketAddr;

use super::{Fact, Process, address, cell, fact, op};
use crate::bindings::vespid::plugin::{events, reports};

fact!(
    /// A change of a TCP connection.
    ///
    /// ```
    /// # use vespid_plugin::testing::{BatchBuilder, EPOCH};
    /// # use vespid_plugin::{Batch, ConnectionOp, Direction, errno};
    /// # let mut builder = BatchBuilder::new();
    /// # let curl = builder.process("/usr/bin/curl").id();
    /// # builder.connect(curl, ([192, 0, 2, 1], 443)).bytes(100, 2000);
    /// # builder.connect(curl, ([192, 0, 2, 1], 80)).fails(errno::ECONNREFUSED);
    /// # let columns = builder.columns();
    /// # let mut connections = Batch::new(&columns).connections();
    /// let connection = connections.next().unwrap();
    /// assert_eq!((connection.seq(), connection.time()), (1, EPOCH));
    /// assert_eq!((connection.op(), connection.direction()), (ConnectionOp::Opened, Direction::Outbound));
    /// assert_eq!(connection.local().to_string(), "10.0.0.1:40000");
    /// assert_eq!(connection.remote().to_string(), "192.0.2.1:443");
    /// assert_eq!((connection.local_port(), connection.remote_port()), (40_000, 443));
    /// assert_eq!((connection.sent(), connection.received()), (100, 2000));
    /// assert_eq!(connection.process().unwrap().name(), b"curl");
    /// println!("{:?} ns, {:?} us", connection.duration(), connection.srtt());
    /// println!("{} of {}", connection.retransmits(), connection.cookie());
    /// println!("in network namespace {}", connection.netns());
    /// assert_eq!((connection.local_isn(), connection.remote_isn(), connection.isns()), (0, 0, None));
    ///
    /// let connection = connections.next().unwrap();
    /// assert_eq!(connection.op(), ConnectionOp::Failed);
    /// assert_eq!(errno::name(connection.errno()), "ECONNREFUSED");
    /// ```
    Connection, Connections, Connection
);

op!(
    /// What happened to a connection.
    ///
    /// ```
    /// use vespid_plugin::{Connection, ConnectionOp};
    ///
    /// fn has_begun(connection: Connection<'_>) -> bool {
    ///     matches!(connection.op(), ConnectionOp::Opened | ConnectionOp::Accepted)
    /// }
    /// ```
    ConnectionOp {
        /// This end opened it, and the peer answered.
        Opened = 1,
        /// The peer opened it, and this end took it.
        Accepted = 2,
        /// This end tried to open it, in vain.
        Failed = 3,
        /// It ended.
        Closed = 4,
    }
);

/// Who opened a connection.
///
/// ```
/// use vespid_plugin::{Connection, Direction};
///
/// /// The port that says which service it is.
/// fn service(connection: Connection<'_>) -> u16 {
///     match connection.direction() {
///         Direction::Inbound => connection.local_port(),
///         Direction::Outbound | Direction::Unknown => connection.remote_port(),
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Direction {
    /// This end.
    Outbound,
    /// The peer.
    Inbound,
    /// Not known: the connection is older than the daemon.
    Unknown,
}

impl Connection<'_> {
    /// What happened to it.
    #[must_use]
    #[inline]
    pub fn op(self) -> ConnectionOp {
        ConnectionOp::from_column(cell(&self.table.op, self.row))
    }

    /// Who opened it.
    #[must_use]
    #[inline]
    pub fn direction(self) -> Direction {
        match self.table.direction.get(self.row) {
            Some(0) => Direction::Outbound,
            Some(1) => Direction::Inbound,
            _ => Direction::Unknown,
        }
    }

    /// This end.
    #[must_use]
    pub fn local(self) -> SocketAddr {
        SocketAddr::new(address(&self.table.addresses, self.row, 0), self.local_port())
    }

    /// The peer.
    #[must_use]
    pub fn remote(self) -> SocketAddr {
        SocketAddr::new(address(&self.table.addresses, self.row, 1), self.remote_port())
    }

    /// Port of this end.
    #[must_use]
    #[inline]
    pub fn local_port(self) -> u16 {
        u16::try_from(cell(&self.table.local_port, self.row)).unwrap_or(0)
    }

    /// Port of the peer.
    #[must_use]
    #[inline]
    pub fn remote_port(self) -> u16 {
        u16::try_from(cell(&self.table.remote_port, self.row)).unwrap_or(0)
    }

    /// Names this end of the connection in all its rows.
    #[must_use]
    #[inline]
    pub fn cookie(self) -> u64 {
        cell(&self.table.cookie, self.row)
    }

    /// Payload bytes that the peer has acknowledged.
    #[must_use]
    #[inline]
    pub fn sent(self) -> u64 {
        cell(&self.table.sent, self.row)
    }

    /// Payload bytes received.
    #[must_use]
    #[inline]
    pub fn received(self) -> u64 {
        cell(&self.table.received, self.row)
    }

    /// Nanoseconds since the attempt began or the connection was accepted, if known.
    #[must_use]
    #[inline]
    pub fn duration(self) -> Option<u64> {
        Some(cell(&self.table.duration, self.row)).filter(|duration| *duration != 0)
    }

    /// Smoothed round-trip time in microseconds, if there was a sample.
    #[must_use]
    #[inline]
    pub fn srtt(self) -> Option<u32> {
        Some(cell(&self.table.srtt, self.row)).filter(|srtt| *srtt != 0)
    }

    /// Segments sent again so far.
    #[must_use]
    #[inline]
    pub fn retransmits(self) -> u32 {
        cell(&self.table.retransmits, self.row)
    }

    /// Why it failed or was cut, or 0.
    #[must_use]
    #[inline]
    pub fn errno(self) -> u32 {
        cell(&self.table.errno, self.row)
    }

    /// Inode number of the network namespace.
    #[must_use]
    #[inline]
    pub fn netns(self) -> u32 {
        cell(&self.table.netns, self.row)
    }

    /// Sequence number of this end's SYN, or 0 if it is not known. See [`Connection::isns`].
    #[must_use]
    #[inline]
    pub fn local_isn(self) -> u32 {
        cell(&self.table.local_isn, self.row)
    }

    /// Sequence number of the peer's SYN, or 0 if there was none, or if it is not known. See [`Connection::isns`].
    #[must_use]
    #[inline]
    pub fn remote_isn(self) -> u32 {
        cell(&self.table.remote_isn, self.row)
    }

    /// Initial sequence numbers of the end that connected and of the one that accepted, if both are known. They are the
    /// same in the rows of both ends, whatever addresses and ports are translated in between.
    #[must_use]
    #[inline]
    pub fn isns(self) -> Option<(u32, u32)> {
        let (local, remote) = (self.local_isn(), self.remote_isn());
        match self.direction() {
            _ if local == 0 || remote == 0 => None,
            Direction::Outbound => Some((local, remote)),
            Direction::Inbound => Some((remote, local)),
            Direction::Unknown => None,
        }
    }
}
