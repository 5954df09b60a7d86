//! Batches by hand, a line an event.
use std::net::SocketAddr;

use super::connections::ConnectionRow;
use super::processes::{ContainerRow, ExecRow, ExitRow, ProcessRow};
use super::resources::ResourceRow;
use super::syscalls::{ChangeRow, OpenRow, PrivilegedRow, SocketRow};
use super::{EPOCH, SECOND};
use crate::rows::measured;
use crate::{ChangeOp, PrivilegedOp, ResourceOp, SocketOp};

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

impl Default for BatchBuilder {
    fn default() -> Self {
        BatchBuilder::new()
    }
}

fn pushed<T>(rows: &mut Vec<T>, row: T) -> &mut T {
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

    /// Sequence number and time of the next event.
    fn next(&mut self) -> (u64, u64) {
        self.seq += 1;
        (self.seq, self.time)
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
            start: EPOCH - SECOND + u64::from(row),
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
        let (seq, time) = self.next();
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
        let (seq, time) = self.next();
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
        let (seq, time) = self.next();
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
        let (seq, time) = self.next();
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

    /// A process changes a file, by its path, with success.
    pub fn change(&mut self, process: u32, op: ChangeOp, path: &str) -> &mut ChangeRow {
        let (seq, time) = self.next();
        let row = ChangeRow {
            seq,
            time,
            process: Some(process),
            op: op.to_column(),
            path: path.into(),
            typed: path.into(),
            path_kind: 1,
            ..ChangeRow::default()
        };
        pushed(&mut self.changes, row)
    }

    /// A process makes a privileged call, with success.
    pub fn privileged(&mut self, process: u32, op: PrivilegedOp) -> &mut PrivilegedRow {
        let (seq, time) = self.next();
        let row = PrivilegedRow {
            seq,
            time,
            process: Some(process),
            op: op.to_column(),
            ..PrivilegedRow::default()
        };
        pushed(&mut self.privileged, row)
    }

    /// One of a process's sockets does something, with success.
    pub fn socket(&mut self, process: u32, op: SocketOp) -> &mut SocketRow {
        let (seq, time) = self.next();
        let row = SocketRow {
            seq,
            time,
            process: Some(process),
            op: op.to_column(),
            ..SocketRow::default()
        };
        pushed(&mut self.sockets, row)
    }

    /// The control groups of the host used nothing for so many nanoseconds, as software's counters say.
    pub fn usage(&mut self, interval: u64) -> &mut ResourceRow {
        let (seq, time) = self.next();
        let row = ResourceRow {
            seq,
            time,
            cgroup: b"/".to_vec(),
            op: ResourceOp::Usage.to_column(),
            interval,
            measured: measured::CPU
                | measured::MINOR_FAULTS
                | measured::MAJOR_FAULTS
                | measured::VOLUNTARY_SWITCHES
                | measured::INVOLUNTARY_SWITCHES,
            ..ResourceRow::default()
        };
        pushed(&mut self.resources, row)
    }

    /// A process that has so many bytes of memory is killed for want of more.
    pub fn oom_kill(&mut self, process: u32, memory: u64) -> &mut ResourceRow {
        let (seq, time) = self.next();
        let container = self.processes.get(process as usize).and_then(|row| row.container);
        let row = ResourceRow {
            seq,
            time,
            process: Some(process),
            container,
            op: ResourceOp::OomKill.to_column(),
            memory,
            ..ResourceRow::default()
        };
        pushed(&mut self.resources, row)
    }
}

fn index(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
