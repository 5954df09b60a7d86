//! Batches by hand, a line an event.
use std::net::SocketAddr;

use super::EPOCH;
use super::resources::ResourceRow;
use super::syscalls::{ChangeRow, PrivilegedRow, SocketRow};

/// Makes a batch. Events get the time that [`at`](BatchBuilder::at) set last, and sequence numbers in order.
///
/// ```
/// use vespid_plugin::errno;
/// use vespid_plugin::testing::{BatchBuilder, MILLISECOND, SECOND};
///
/// let mut batch = BatchBuilder::new();
/// let web = batch.container("3f2a9c", "nginx:1.27");
/// let nginx = batch.process("/usr/sbin/nginx").container(web).id();
/// let sh = batch.process("/bin/sh").parent(nginx).args(["sh", "-c", "id"]).cwd("/srv").id();
/// batch.exec(sh).filename("sh");
/// batch.at(5 * MILLISECOND).open(sh, "/etc/shadow").fails(errno::EACCES);
/// batch.connect(sh, ([192, 0, 2, 1], 443)).bytes(10, 20);
/// batch.at(2 * SECOND).exit(sh).signal = 9;
/// assert_eq!(batch.columns().opens.unwrap().seq, [2]);
///
/// // The same processes in the batch that comes next.
/// batch.next_batch().exec(nginx);
/// ```
#[derive(Debug)]
pub struct BatchBuilder {
    pub(super) processes: Vec<ProcessRow>,
    pub(super) containers: Vec<ContainerRow>,
    pub(super) execs: Vec<ExecRow>,
    pub(super) exits: Vec<ExitRow>,
    pub(super) connections: Vec<ConnectionRow>,
    pub(super) opens: Vec<OpenRow>,
    pub(super) changes: Vec<ChangeRow>,
    pub(super) privileged: Vec<PrivilegedRow>,
    pub(super) sockets: Vec<SocketRow>,
    pub(super) resources: Vec<ResourceRow>,
    pub(super) first: u64,
    seq: u64,
    time: u64,
}

/// A process. Fields are the columns of the interface; the methods set the frequent ones.
///
/// ```
/// # use vespid_plugin::testing::BatchBuilder;
/// let mut batch = BatchBuilder::new();
/// let worker = batch.process("/usr/sbin/nginx").comm("worker").id();
/// batch.process("/bin/sh").parent(worker).tty = b"pts/0".to_vec();
/// // Of all of them at once.
/// batch.processes_mut().iter_mut().for_each(|process| process.uid = 33);
/// ```
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "the columns of `processes`, documented in wit/vespid.wit")]
pub struct ProcessRow {
    row: u32,
    pub pid: u32,
    pub ppid: u32,
    pub parent: Option<u32>,
    pub start: u64,
    pub uid: u32,
    pub comm: Vec<u8>,
    pub exe: Vec<u8>,
    pub args: Vec<u8>,
    pub cwd: Vec<u8>,
    pub tty: Vec<u8>,
    pub container: Option<u32>,
    pub flags: u32,
    pub capabilities: u64,
    pub user: Vec<u8>,
    pub group: Vec<u8>,
}

/// A container.
///
/// ```
/// # use vespid_plugin::testing::{BatchBuilder, ContainerRow};
/// let mut batch = BatchBuilder::new();
/// let shop = batch.described_container(ContainerRow {
///     id: b"3f2a9c".to_vec(),
///     namespace: b"shop".to_vec(),
///     labels: b"app=shop\0tier=front\0".to_vec(),
///     ..ContainerRow::default()
/// });
/// batch.process("/app/shop").container(shop);
/// ```
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "the columns of `containers`, documented in wit/vespid.wit")]
pub struct ContainerRow {
    pub id: Vec<u8>,
    pub name: Vec<u8>,
    pub image: Vec<u8>,
    pub pod: Vec<u8>,
    pub namespace: Vec<u8>,
    pub labels: Vec<u8>,
    pub owner: Vec<u8>,
}

/// An `execve`.
///
/// ```
/// # use vespid_plugin::{errno, testing::BatchBuilder};
/// let mut batch = BatchBuilder::new();
/// let (sh, ls) = (batch.process("/bin/sh").id(), batch.process("/bin/ls").id());
/// batch.exec(ls).filename("ls").previous(sh);
/// batch.exec(sh).filename("/root/bin/ls").fails(errno::EACCES);
/// ```
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "the columns of `execs`, documented in wit/vespid.wit")]
pub struct ExecRow {
    pub seq: u64,
    pub time: u64,
    pub process: Option<u32>,
    pub previous: Option<u32>,
    pub filename: Vec<u8>,
    pub errno: u32,
}

/// The end of a process.
///
/// ```
/// # use vespid_plugin::testing::BatchBuilder;
/// let mut batch = BatchBuilder::new();
/// let sh = batch.process("/bin/sh").id();
/// batch.exit(sh).code = 127;
/// ```
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "the columns of `exits`, documented in wit/vespid.wit")]
pub struct ExitRow {
    pub seq: u64,
    pub time: u64,
    pub process: Option<u32>,
    pub code: u32,
    pub signal: u32,
}

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

impl Default for BatchBuilder {
    fn default() -> Self {
        BatchBuilder::new()
    }
}

pub(super) fn pushed<T>(rows: &mut Vec<T>, row: T) -> &mut T {
    rows.push_mut(row)
}

impl BatchBuilder {
    /// An empty batch at [`EPOCH`].
    #[must_use]
    pub fn new() -> Self {
        BatchBuilder {
            processes: Vec::new(),
            containers: Vec::new(),
            execs: Vec::new(),
            exits: Vec::new(),
            connections: Vec::new(),
            opens: Vec::new(),
            changes: Vec::new(),
            privileged: Vec::new(),
            sockets: Vec::new(),
            resources: Vec::new(),
            first: 1,
            seq: 0,
            time: EPOCH,
        }
    }

    /// Sets the time of the events that follow, in nanoseconds since [`EPOCH`].
    pub fn at(&mut self, nanoseconds: u64) -> &mut Self {
        self.time = EPOCH + nanoseconds;
        self
    }

    /// Drops the events and keeps processes and containers, for the batch that comes next.
    pub fn next_batch(&mut self) -> &mut Self {
        self.execs.clear();
        self.exits.clear();
        self.connections.clear();
        self.opens.clear();
        self.changes.clear();
        self.privileged.clear();
        self.sockets.clear();
        self.resources.clear();
        self.first = self.seq + 1;
        self
    }

    pub(super) fn last(&self) -> u64 {
        self.seq
    }

    pub(super) fn next(&mut self) -> (u64, u64) {
        (self.next_seq(), self.time)
    }

    fn next_seq(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }

    /// Adds a container.
    pub fn container(&mut self, id: &str, image: &str) -> u32 {
        self.described_container(ContainerRow {
            id: id.into(),
            image: image.into(),
            ..ContainerRow::default()
        })
    }

    /// Adds a container of which more is known. Returns its row.
    pub fn described_container(&mut self, row: ContainerRow) -> u32 {
        self.containers.push(row);
        index(self.containers.len() - 1)
    }

    /// Adds a process: comm and arguments are made from the path, the pid from its place (1000 and up).
    pub fn process(&mut self, exe: &str) -> &mut ProcessRow {
        let row = index(self.processes.len());
        let name = crate::basename(exe.as_bytes());
        let process = ProcessRow {
            row,
            pid: 1000 + row,
            start: EPOCH - super::SECOND + u64::from(row),
            comm: name.get(..15).unwrap_or(name).to_vec(),
            exe: exe.into(),
            args: [exe.as_bytes(), b"\0"].concat(),
            cwd: b"/".to_vec(),
            ..ProcessRow::default()
        };
        pushed(&mut self.processes, process)
    }

    /// All processes, to change what no method changes.
    pub fn processes_mut(&mut self) -> &mut [ProcessRow] {
        &mut self.processes
    }

    /// A process executes its image; the file name is that of the executable.
    pub fn exec(&mut self, process: u32) -> &mut ExecRow {
        let filename = self
            .processes
            .get(process as usize)
            .map(|process| process.exe.clone())
            .unwrap_or_default();
        let (seq, time) = (self.next_seq(), self.time);
        pushed(
            &mut self.execs,
            ExecRow {
                seq,
                time,
                process: Some(process),
                filename,
                ..ExecRow::default()
            },
        )
    }

    /// A process ends with code 0.
    pub fn exit(&mut self, process: u32) -> &mut ExitRow {
        let (seq, time) = (self.next_seq(), self.time);
        pushed(
            &mut self.exits,
            ExitRow {
                seq,
                time,
                process: Some(process),
                ..ExitRow::default()
            },
        )
    }

    /// A process opens a file for reading, with success.
    pub fn open(&mut self, process: u32, path: &str) -> &mut OpenRow {
        let (seq, time) = (self.next_seq(), self.time);
        let path: Vec<u8> = path.into();
        let row = OpenRow {
            seq,
            time,
            process: Some(process),
            typed: path.clone(),
            path,
            flags: 0,
            mode: 0o100_644,
            result: 3,
            path_kind: 0,
            traits: 0,
            count: 1,
        };
        pushed(&mut self.opens, row)
    }

    /// A process opens a connection from `10.0.0.1:40000`, with success. The cookie is the sequence number.
    pub fn connect(&mut self, process: u32, remote: impl Into<SocketAddr>) -> &mut ConnectionRow {
        let (seq, time) = (self.next_seq(), self.time);
        let row = ConnectionRow {
            seq,
            time,
            process: Some(process),
            op: 1,
            direction: 0,
            local: ([10, 0, 0, 1], 40_000).into(),
            remote: remote.into(),
            cookie: seq,
            sent: 0,
            received: 0,
            duration: 0,
            srtt: 0,
            retransmits: 0,
            errno: 0,
            netns: 0,
            local_isn: 0,
            remote_isn: 0,
        };
        pushed(&mut self.connections, row)
    }
}

fn index(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

impl ProcessRow {
    /// Its row, by which others refer to it.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.row
    }

    /// Sets the parent.
    pub fn parent(&mut self, parent: u32) -> &mut Self {
        self.parent = Some(parent);
        self.ppid = 1000 + parent;
        self
    }

    /// Sets the arguments.
    pub fn args<const N: usize>(&mut self, args: [&str; N]) -> &mut Self {
        self.args = args.iter().flat_map(|arg| [arg.as_bytes(), b"\0"].concat()).collect();
        self
    }

    /// Sets the working directory.
    pub fn cwd(&mut self, cwd: &str) -> &mut Self {
        self.cwd = cwd.into();
        self
    }

    /// Sets the short name.
    pub fn comm(&mut self, comm: impl AsRef<[u8]>) -> &mut Self {
        self.comm = comm.as_ref().to_vec();
        self
    }

    /// Puts it into a container.
    pub fn container(&mut self, container: u32) -> &mut Self {
        self.container = Some(container);
        self
    }

    /// Sets flag bits.
    pub fn flags(&mut self, flags: u32) -> &mut Self {
        self.flags |= flags;
        self
    }
}

impl ExecRow {
    /// Sets the file name.
    pub fn filename(&mut self, filename: &str) -> &mut Self {
        self.filename = filename.into();
        self
    }

    /// Sets the image that was replaced.
    pub fn previous(&mut self, process: u32) -> &mut Self {
        self.previous = Some(process);
        self
    }

    /// Lets it fail.
    pub fn fails(&mut self, errno: u32) -> &mut Self {
        self.errno = errno;
        self
    }
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
