//! Rows of processes and containers, and of how processes begin and end.

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
    pub(super) row: u32,
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
