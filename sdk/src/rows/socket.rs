//! Sockets beside the connections of TCP.
use std::net::SocketAddr;

use super::{Fact, Process, address, cell, fact, op, string};
use crate::bindings::vespid::plugin::{events, reports};

fact!(
    /// What a socket did, beside the connections of TCP.
    ///
    /// ```
    /// # use vespid_plugin::testing::BatchBuilder;
    /// # use vespid_plugin::{Batch, SocketOp};
    /// # let mut builder = BatchBuilder::new();
    /// # let dig = builder.process("/usr/bin/dig").id();
    /// # builder.socket(dig, SocketOp::DnsAnswer).udp(([192, 0, 2, 53], 53)).name("example.org").code(1).result(3);
    /// # builder.socket(dig, SocketOp::UnixConnect).unix("/run/containerd/containerd.sock");
    /// # let columns = builder.columns();
    /// # let mut sockets = Batch::new(&columns).sockets();
    /// let answer = sockets.next().unwrap();
    /// assert_eq!((answer.op(), answer.name()), (SocketOp::DnsAnswer, &b"example.org"[..]));
    /// assert_eq!((answer.code(), answer.result()), (1, 3), "the type A, and the response NXDOMAIN");
    /// assert_eq!(answer.remote().unwrap().to_string(), "192.0.2.53:53");
    /// assert_eq!((answer.family(), answer.protocol()), (2, 17));
    /// assert_eq!(answer.process().unwrap().name(), b"dig");
    ///
    /// let connect = sockets.next().unwrap();
    /// assert_eq!(connect.name(), b"/run/containerd/containerd.sock");
    /// assert!(!connect.failed() && connect.errno() == 0 && connect.local().is_none());
    /// println!("in network namespace {}", connect.netns());
    /// ```
    Socket, Sockets, Socket
);

op! {
    /// What a socket did.
    ///
    /// ```
    /// use vespid_plugin::{Socket, SocketOp};
    ///
    /// fn offers_a_service(socket: Socket<'_>) -> bool {
    ///     socket.op() == SocketOp::Listening && !socket.failed()
    /// }
    /// ```
    SocketOp {
        /// It took an address.
        Bound = 1,
        /// It waits for connections; the code is the length of the queue.
        Listening = 2,
        /// It sent its first datagram to an address.
        Sent = 3,
        /// It received the first datagram from an address.
        Received = 4,
        /// It was connected to a Unix socket.
        UnixConnect = 5,
        /// It asked DNS for a name; the code is the type of the question.
        DnsQuestion = 6,
        /// It got DNS's answer; the result is the response code.
        DnsAnswer = 7,
    }
}

impl<'a> Socket<'a> {
    /// What it did.
    #[must_use]
    #[inline]
    pub fn op(self) -> SocketOp {
        SocketOp::from_column(cell(&self.table.op, self.row))
    }

    /// Address family: 1 Unix, 2 IPv4, 10 IPv6, 16 netlink, 17 packet.
    #[must_use]
    #[inline]
    pub fn family(self) -> u8 {
        cell(&self.table.family, self.row)
    }

    /// Protocol of IP (6 TCP, 17 UDP), or 0.
    #[must_use]
    #[inline]
    pub fn protocol(self) -> u8 {
        cell(&self.table.protocol, self.row)
    }

    fn end(self, end: usize, port: &[u32]) -> Option<SocketAddr> {
        let ip = address(&self.table.addresses, self.row, end);
        let port = u16::try_from(cell(port, self.row)).unwrap_or(0);
        // An IPv4 address is never all zeroes in its IPv6-mapped form.
        let at = self.row * 32 + end * 16;
        let is_absent = port == 0
            && self
                .table
                .addresses
                .get(at..at + 16)
                .is_none_or(|bytes| bytes == [0; 16]);
        (!is_absent).then_some(SocketAddr::new(ip, port))
    }

    /// This end, if it has an address of IP.
    #[must_use]
    pub fn local(self) -> Option<SocketAddr> {
        self.end(0, &self.table.local_port)
    }

    /// The other end, if it has an address of IP.
    #[must_use]
    pub fn remote(self) -> Option<SocketAddr> {
        self.end(1, &self.table.remote_port)
    }

    /// Path of a Unix socket (an abstract one begins with `@`), or the name that DNS was asked for.
    #[must_use]
    #[inline]
    pub fn name(self) -> &'a [u8] {
        string(self.batch, cell(&self.table.name, self.row))
    }

    /// Length of the queue, or type of the DNS question.
    #[must_use]
    #[inline]
    pub fn code(self) -> u32 {
        cell(&self.table.code, self.row)
    }

    /// What the call returned; of an answer, its response code.
    #[must_use]
    #[inline]
    pub fn result(self) -> i64 {
        cell(&self.table.result, self.row)
    }

    /// Whether the call failed.
    #[must_use]
    #[inline]
    pub fn failed(self) -> bool {
        self.result() < 0
    }

    /// Why the call failed, or 0.
    #[must_use]
    #[inline]
    pub fn errno(self) -> u32 {
        u32::try_from(self.result().saturating_neg()).unwrap_or(0)
    }

    /// Inode number of the network namespace.
    #[must_use]
    #[inline]
    pub fn netns(self) -> u32 {
        cell(&self.table.netns, self.row)
    }
}
