//! A batch as rows to walk over.
use crate::bindings::vespid::plugin::events;
use crate::rows::{Change, Connection, Exec, Exit, Open, Privileged, Resource, Socket};

/// A batch of events. Rows are views on the batch's columns: making one costs two pointers, and a getter one load.
///
/// ```
/// # use vespid_plugin::testing::BatchBuilder;
/// use vespid_plugin::{Batch, Row};
/// # let mut builder = BatchBuilder::new();
/// # let cat = builder.process("/bin/cat").id();
/// # builder.exec(cat);
/// # builder.open(cat, "/etc/passwd");
/// # builder.connect(cat, ([10, 0, 0, 2], 80));
/// # builder.exit(cat);
/// # let columns = builder.columns();
///
/// let batch = Batch::new(&columns);
/// assert_eq!(batch.execs().count() + batch.exits().count(), 2);
/// assert_eq!(batch.connections().count() + batch.opens().count(), 2);
/// assert_eq!(batch.lost(), 0, "nothing is missing before this batch");
/// println!("{} has {} processes", batch.node(), batch.columns().processes.pid.len());
/// ```
#[derive(Clone, Copy)]
pub struct Batch<'a>(&'a events::Batch);

/// An event of any kind.
///
/// ```
/// # use vespid_plugin::testing::BatchBuilder;
/// # use vespid_plugin::{Batch, Row};
/// # let mut builder = BatchBuilder::new();
/// # let cat = builder.process("/bin/cat").id();
/// # builder.exec(cat);
/// # builder.open(cat, "/etc/passwd");
/// # builder.exit(cat);
/// # let columns = builder.columns();
/// # let batch = Batch::new(&columns);
/// let story = batch.in_order().map(|row| match row {
///     Row::Exec(exec) => exec.filename(),
///     Row::Open(open) => open.path(),
///     Row::Exit(_) => b"the end",
///     Row::Connection(_) => b"a connection",
///     Row::Change(change) => change.path(),
///     Row::Privileged(_) => b"a privileged call",
///     Row::Socket(_) => b"a socket",
///     Row::Resource(_) => b"what a control group used",
/// });
/// assert_eq!(story.collect::<Vec<_>>(), [&b"/bin/cat"[..], b"/etc/passwd", b"the end"]);
/// ```
#[derive(Clone, Copy, Debug)]
pub enum Row<'a> {
    /// An `execve`.
    Exec(Exec<'a>),
    /// The end of a process.
    Exit(Exit<'a>),
    /// A change of a TCP connection.
    Connection(Connection<'a>),
    /// A file open.
    Open(Open<'a>),
    /// A changed name or attribute of a file, or a mount.
    Change(Change<'a>),
    /// A privileged call.
    Privileged(Privileged<'a>),
    /// A socket beside TCP connections.
    Socket(Socket<'a>),
    /// What a control group used, or a process killed for want of memory.
    Resource(Resource<'a>),
}

/// The rows of a table, in order.
macro_rules! rows {
    ($(#[$doc:meta])* $method:ident -> $row:ident) => {
        $(#[$doc])*
        pub fn $method(self) -> impl Iterator<Item = $row<'a>> {
            let table = self.0.$method.as_ref();
            (0..table.map_or(0, |table| table.seq.len())).filter_map(move |row| {
                Some($row {
                    batch: self.0,
                    table: table?,
                    row,
                })
            })
        }
    };
}

impl<'a> Batch<'a> {
    /// A view on the columns.
    #[must_use]
    pub fn new(columns: &'a events::Batch) -> Self {
        Batch(columns)
    }

    /// The columns.
    #[must_use]
    pub fn columns(self) -> &'a events::Batch {
        self.0
    }

    /// Name of the node.
    #[must_use]
    pub fn node(self) -> &'a str {
        &self.0.header.node
    }

    /// How many events are missing between the previous batch and this one, wherever they were lost.
    #[must_use]
    pub fn lost(self) -> u64 {
        let lost = &self.0.header.lost;
        lost.kernel.saturating_add(lost.decode).saturating_add(lost.queue)
    }

    rows! {
        /// `execve` and `execveat`, in order.
        execs -> Exec
    }
    rows! {
        /// Ends of processes, in order.
        exits -> Exit
    }
    rows! {
        /// TCP connections, in order.
        connections -> Connection
    }
    rows! {
        /// File opens, in order.
        opens -> Open
    }
    rows! {
        /// Changed names and attributes of files, and mounts, in order.
        changes -> Change
    }
    rows! {
        /// Privileged calls, in order.
        privileged -> Privileged
    }
    rows! {
        /// Sockets beside TCP connections, in order.
        sockets -> Socket
    }
    rows! {
        /// What control groups used, and processes killed for want of memory, in order.
        resources -> Resource
    }

    /// All events in the order of their sequence numbers.
    pub fn in_order(self) -> impl Iterator<Item = Row<'a>> {
        let mut execs = self.execs().peekable();
        let mut exits = self.exits().peekable();
        let mut connections = self.connections().peekable();
        let mut opens = self.opens().peekable();
        let mut changes = self.changes().peekable();
        let mut privileged = self.privileged().peekable();
        let mut sockets = self.sockets().peekable();
        let mut resources = self.resources().peekable();
        std::iter::from_fn(move || {
            let heads = [
                execs.peek().map(|row| row.seq()),
                exits.peek().map(|row| row.seq()),
                connections.peek().map(|row| row.seq()),
                opens.peek().map(|row| row.seq()),
                changes.peek().map(|row| row.seq()),
                privileged.peek().map(|row| row.seq()),
                sockets.peek().map(|row| row.seq()),
                resources.peek().map(|row| row.seq()),
            ];
            let (_, table) = heads
                .iter()
                .enumerate()
                .filter_map(|(table, seq)| Some(((*seq)?, table)))
                .min()?;
            match table {
                0 => execs.next().map(Row::Exec),
                1 => exits.next().map(Row::Exit),
                2 => connections.next().map(Row::Connection),
                3 => opens.next().map(Row::Open),
                4 => changes.next().map(Row::Change),
                5 => privileged.next().map(Row::Privileged),
                6 => sockets.next().map(Row::Socket),
                _ => resources.next().map(Row::Resource),
            }
        })
    }
}
