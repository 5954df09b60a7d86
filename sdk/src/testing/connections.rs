//! Rows of connections.
use std::net::SocketAddr;

/// A change of a TCP connection.
///
/// ```
/// # use vespid_plugin::{errno, testing::BatchBuilder};
/// let mut batch = BatchBuilder::new();
/// let (sshd, peer) = (batch.process("/usr/sbin/sshd").id(), ([192, 0, 2, 1], 50_000));
/// let cookie = batch.connect(sshd, peer).accepted(22).cookie;
/// batch.connect(sshd, peer).accepted(22).closes(cookie).bytes(4_000, 1_000);
/// batch.connect(sshd, ([192, 0, 2, 1], 389)).fails(errno::ECONNREFUSED);
/// ```
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the columns of `connections`, documented in wit/vespid.wit")]
pub struct ConnectionRow {
    pub seq: u64,
    pub time: u64,
    pub process: Option<u32>,
    pub op: u8,
    pub direction: u8,
    pub local: SocketAddr,
    pub remote: SocketAddr,
    pub cookie: u64,
    pub sent: u64,
    pub received: u64,
    pub duration: u64,
    pub srtt: u32,
    pub retransmits: u32,
    pub errno: u32,
    pub netns: u32,
    pub local_isn: u32,
    pub remote_isn: u32,
}

impl ConnectionRow {
    /// Makes it one that the peer opened, to `port` here.
    pub fn accepted(&mut self, port: u16) -> &mut Self {
        self.op = 2;
        self.direction = 1;
        self.local.set_port(port);
        self
    }

    /// Lets it fail.
    pub fn fails(&mut self, errno: u32) -> &mut Self {
        self.op = 3;
        self.errno = errno;
        self
    }

    /// Makes it the end of the connection with this cookie.
    pub fn closes(&mut self, cookie: u64) -> &mut Self {
        self.op = 4;
        self.cookie = cookie;
        self
    }

    /// Sets the payload bytes.
    pub fn bytes(&mut self, sent: u64, received: u64) -> &mut Self {
        self.sent = sent;
        self.received = received;
        self
    }
}
