//! Rows of the tables that system calls fill: opens, changes, privileged calls, sockets.
use std::net::SocketAddr;

/// A file open.
///
/// ```
/// # use vespid_plugin::{errno, testing::BatchBuilder};
/// let mut batch = BatchBuilder::new();
/// let cat = batch.process("/bin/cat").id();
/// batch.open(cat, "/etc/shadow").typed("../etc/shadow").fails(errno::EACCES);
/// ```
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the columns of `opens`, documented in wit/vespid.wit")]
pub struct OpenRow {
    pub seq: u64,
    pub time: u64,
    pub process: Option<u32>,
    pub path: Vec<u8>,
    pub typed: Vec<u8>,
    pub flags: u32,
    pub mode: u32,
    pub result: i64,
    pub path_kind: u8,
    pub traits: u8,
    pub count: u32,
}

/// A changed name or attribute of a file, or a mount.
///
/// ```
/// # use vespid_plugin::{ChangeOp, errno, testing::BatchBuilder};
/// let mut batch = BatchBuilder::new();
/// let mv = batch.process("/bin/mv").id();
/// batch.change(mv, ChangeOp::Rename, "/tmp/x").target("/etc/sudoers").fails(errno::EACCES);
/// batch.change(mv, ChangeOp::Mode, "/tmp/x").mode(0o4755);
/// ```
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "the columns of `changes`, documented in wit/vespid.wit")]
pub struct ChangeRow {
    pub seq: u64,
    pub time: u64,
    pub process: Option<u32>,
    pub op: u8,
    pub path: Vec<u8>,
    pub typed: Vec<u8>,
    pub target: Vec<u8>,
    pub target_typed: Vec<u8>,
    pub detail: Vec<u8>,
    pub flags: u32,
    pub mode: u32,
    pub value: u64,
    pub result: i64,
    pub path_kind: u8,
    pub target_kind: u8,
}

/// A privileged call.
///
/// ```
/// # use vespid_plugin::{PrivilegedOp, testing::BatchBuilder};
/// let mut batch = BatchBuilder::new();
/// let (gdb, sshd) = (batch.process("/usr/bin/gdb").id(), batch.process("/usr/sbin/sshd").id());
/// batch.privileged(gdb, PrivilegedOp::Ptrace).code(16).target(sshd);
/// ```
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "the columns of `privileged`, documented in wit/vespid.wit")]
pub struct PrivilegedRow {
    pub seq: u64,
    pub time: u64,
    pub process: Option<u32>,
    pub op: u8,
    pub code: u32,
    pub argument: u64,
    pub target: Option<u32>,
    pub detail: Vec<u8>,
    pub result: i64,
}

/// What a socket did.
///
/// ```
/// # use vespid_plugin::{SocketOp, testing::BatchBuilder};
/// let mut batch = BatchBuilder::new();
/// let dig = batch.process("/usr/bin/dig").id();
/// batch.socket(dig, SocketOp::DnsQuestion).udp(([192, 0, 2, 53], 53)).name("example.org").code(1);
/// batch.socket(dig, SocketOp::Listening).tcp(([0, 0, 0, 0], 8080));
/// ```
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "the columns of `sockets`, documented in wit/vespid.wit")]
pub struct SocketRow {
    pub seq: u64,
    pub time: u64,
    pub process: Option<u32>,
    pub op: u8,
    pub family: u8,
    pub protocol: u8,
    pub local: Option<SocketAddr>,
    pub remote: Option<SocketAddr>,
    pub name: Vec<u8>,
    pub code: u32,
    pub result: i64,
}

impl OpenRow {
    /// Sets the `O_*` flags.
    pub fn flags(&mut self, flags: u32) -> &mut Self {
        self.flags = flags;
        self
    }

    /// Has it stand for so many opens.
    pub fn count(&mut self, count: u32) -> &mut Self {
        self.count = count;
        self
    }

    /// Sets what was typed.
    pub fn typed(&mut self, typed: &str) -> &mut Self {
        self.typed = typed.into();
        self
    }

    /// Lets it fail.
    pub fn fails(&mut self, errno: u32) -> &mut Self {
        self.result = -i64::from(errno);
        self.path_kind = 1;
        self
    }
}

impl ChangeRow {
    /// Sets the name that the call makes.
    pub fn target(&mut self, target: &str) -> &mut Self {
        self.target = target.into();
        self.target_typed = target.into();
        self.target_kind = 1;
        self
    }

    /// Sets the mode.
    pub fn mode(&mut self, mode: u32) -> &mut Self {
        self.mode = mode;
        self
    }

    /// Lets it fail.
    pub fn fails(&mut self, errno: u32) -> &mut Self {
        self.result = -i64::from(errno);
        self
    }
}

impl PrivilegedRow {
    /// Sets the code.
    pub fn code(&mut self, code: u32) -> &mut Self {
        self.code = code;
        self
    }

    /// Sets the argument.
    pub fn argument(&mut self, argument: u64) -> &mut Self {
        self.argument = argument;
        self
    }

    /// Sets the process that it is done to.
    pub fn target(&mut self, process: u32) -> &mut Self {
        self.target = Some(process);
        self
    }

    /// Sets the detail.
    pub fn detail(&mut self, detail: &str) -> &mut Self {
        self.detail = detail.into();
        self
    }

    /// Lets it fail.
    pub fn fails(&mut self, errno: u32) -> &mut Self {
        self.result = -i64::from(errno);
        self
    }
}

impl SocketRow {
    /// Makes it a socket of UDP with this remote end, from `10.0.0.1:40000`.
    pub fn udp(&mut self, remote: impl Into<SocketAddr>) -> &mut Self {
        let remote = remote.into();
        (self.family, self.protocol) = (if remote.is_ipv4() { 2 } else { 10 }, 17);
        self.local = Some(([10, 0, 0, 1], 40_000).into());
        self.remote = Some(remote);
        self
    }

    /// Makes it one of TCP at this local end.
    pub fn tcp(&mut self, local: impl Into<SocketAddr>) -> &mut Self {
        let local = local.into();
        (self.family, self.protocol) = (if local.is_ipv4() { 2 } else { 10 }, 6);
        self.local = Some(local);
        self
    }

    /// Makes it a Unix socket of this path.
    pub fn unix(&mut self, path: &str) -> &mut Self {
        self.family = 1;
        self.name(path)
    }

    /// Sets the name.
    pub fn name(&mut self, name: &str) -> &mut Self {
        self.name = name.into();
        self
    }

    /// Sets the code.
    pub fn code(&mut self, code: u32) -> &mut Self {
        self.code = code;
        self
    }

    /// Sets what the call returned.
    pub fn result(&mut self, result: i64) -> &mut Self {
        self.result = result;
        self
    }
}
