//! Tables in the making. Rows are gathered in columns of fixed length, which are appended to the table's when they are
//! full: a row is then written after one look at whether there is room, instead of as many as it has columns. A table
//! keeps its memory from one batch to the next.
use crate::interface::vespid::plugin::events::{
    Changes, Connections, Containers, Execs, Exits, Opens, Privileged, Processes, Resources, Sockets, Strings,
};

/// How many times larger than its last rows a table's memory may be and still be used again: a burst's goes.
const MOST_ROOM: usize = 4;
/// Rows for which there may always be room.
const FEW_ROWS: usize = 1024;
/// Rows that are appended at once: few enough to stay in the nearest cache until then. A power of two.
const GATHERED: usize = 128;

/// What can be emptied, and its memory used again.
pub(super) trait Memory: Sized {
    /// An empty one with room for so much.
    fn with_room(rows: usize) -> Self;

    /// How much is in it.
    fn rows(&self) -> usize;

    /// How much there is room for.
    fn room(&self) -> usize;

    /// Takes all out.
    fn clear(&mut self);
}

/// A table of columns of equal length.
pub(super) trait Columns: Memory {
    /// One element of each.
    type Row;
    /// The same columns, with room for [`GATHERED`] rows.
    type Gathered: Gathered<Self>;
}

/// Rows before they are in their table.
pub(super) trait Gathered<T: Columns> {
    /// None.
    fn none() -> Box<Self>;

    /// Puts in a row; its number is taken modulo [`GATHERED`], of which the compiler makes one check for all columns.
    fn put(&mut self, at: usize, row: T::Row);

    /// Appends the first `rows` to their table.
    fn append(&self, rows: usize, table: &mut T);
}

/// Something in the making, and the memory of one that nobody reads any more.
pub(super) struct Making<T> {
    pub(super) made: T,
    spare: Option<T>,
}

impl<T: Memory> Making<T> {
    pub(super) fn new() -> Making<T> {
        Making {
            made: T::with_room(0),
            spare: None,
        }
    }

    /// What was gathered; goes on with an empty one that expects to grow as large.
    pub(super) fn take(&mut self) -> T {
        let rows = self.made.rows();
        let fits = |spare: &T| spare.room() <= MOST_ROOM * rows.max(FEW_ROWS);
        let empty = self.spare.take().filter(fits).unwrap_or_else(|| T::with_room(rows));
        std::mem::replace(&mut self.made, empty)
    }

    /// Takes back what [`Making::take`] gave away.
    pub(super) fn reuse(&mut self, mut made: T) {
        made.clear();
        self.spare = Some(made);
    }
}

/// A table in the making.
pub(super) struct Table<T: Columns> {
    columns: Making<T>,
    /// The last rows, so many.
    gathered: Box<T::Gathered>,
    count: usize,
}

impl<T: Columns> Table<T> {
    pub(super) fn new() -> Table<T> {
        Table {
            columns: Making::new(),
            gathered: Gathered::none(),
            count: 0,
        }
    }

    /// How many rows it has.
    pub(super) fn len(&self) -> usize {
        self.columns.made.rows() + self.count
    }

    #[inline]
    pub(super) fn push(&mut self, row: T::Row) {
        if self.count == GATHERED {
            self.settle();
        }
        self.gathered.put(self.count, row);
        self.count += 1;
    }

    /// A cell of a column, wherever its row is by now.
    pub(super) fn cell<C>(
        &mut self,
        row: usize,
        gathered: fn(&mut T::Gathered) -> &mut [C; GATHERED],
        column: fn(&mut T) -> &mut Vec<C>,
    ) -> &mut C {
        match row.checked_sub(self.columns.made.rows()) {
            Some(row) => &mut gathered(&mut self.gathered)[row],
            None => &mut column(&mut self.columns.made)[row],
        }
    }

    /// The table; goes on with an empty one that expects to grow as large.
    pub(super) fn take(&mut self) -> T {
        self.settle();
        self.columns.take()
    }

    /// The same, if it has rows.
    pub(super) fn take_some(&mut self) -> Option<T> {
        (self.len() > 0).then(|| self.take())
    }

    /// Takes back what [`Table::take`] gave away.
    pub(super) fn reuse(&mut self, table: T) {
        self.columns.reuse(table);
    }

    #[inline(never)]
    fn settle(&mut self) {
        self.gathered.append(self.count, &mut self.columns.made);
        self.count = 0;
    }
}

/// For each table its rows: columns of one number a row, then those of several.
macro_rules! tables {
    ($($table:ident by $first:ident of $row:ident in $gathered:ident {
        $($column:ident: $type:ty,)*
        $(; $($wide:ident: [$each:ty; $width:literal],)*)?
    })*) => {
        $(pub(super) struct $row {
            $(pub(super) $column: $type,)*
            $($(pub(super) $wide: [$each; $width],)*)?
        }

        pub(super) struct $gathered {
            $(pub(super) $column: [$type; GATHERED],)*
            $($(pub(super) $wide: [[$each; $width]; GATHERED],)*)?
        }

        impl Memory for $table {
            fn with_room(rows: usize) -> $table {
                $table {
                    $($column: Vec::with_capacity(rows),)*
                    $($($wide: Vec::with_capacity(rows * $width),)*)?
                }
            }

            fn rows(&self) -> usize {
                self.$first.len()
            }

            fn room(&self) -> usize {
                self.$first.capacity()
            }

            fn clear(&mut self) {
                $(self.$column.clear();)*
                $($(self.$wide.clear();)*)?
            }
        }

        impl Columns for $table {
            type Row = $row;
            type Gathered = $gathered;
        }

        impl Gathered<$table> for $gathered {
            fn none() -> Box<$gathered> {
                Box::new($gathered {
                    $($column: [0; GATHERED],)*
                    $($($wide: [[0; $width]; GATHERED],)*)?
                })
            }

            #[inline]
            fn put(&mut self, at: usize, row: $row) {
                let at = at % GATHERED;
                $(self.$column[at] = row.$column;)*
                $($(self.$wide[at] = row.$wide;)*)?
            }

            fn append(&self, rows: usize, table: &mut $table) {
                $(table.$column.extend_from_slice(&self.$column[..rows]);)*
                $($(table.$wide.extend_from_slice(self.$wide[..rows].as_flattened());)*)?
            }
        })*
    };
}

tables! {
    Processes by pid of ProcessRow in GatheredProcesses {
        pid: u32,
        ppid: u32,
        parent: u32,
        start: u64,
        uid: u32,
        gid: u32,
        euid: u32,
        login_uid: u32,
        comm: u32,
        exe: u32,
        args: u32,
        cwd: u32,
        tty: u32,
        cgroup: u32,
        container: u32,
        flags: u32,
        capabilities: u64,
        user: u32,
        group: u32,
        ;
        namespaces: [u32; 8],
    }
    Containers by id of ContainerRow in GatheredContainers {
        id: u32,
        runtime: u32,
        name: u32,
        image: u32,
        pod_uid: u32,
        pod: u32,
        namespace: u32,
        labels: u32,
        owner: u32,
    }
    Execs by seq of ExecRow in GatheredExecs {
        seq: u64,
        time: u64,
        process: u32,
        previous: u32,
        filename: u32,
        errno: u32,
    }
    Exits by seq of ExitRow in GatheredExits {
        seq: u64,
        time: u64,
        process: u32,
        code: u32,
        signal: u32,
        lifetime: u64,
    }
    Connections by seq of ConnectionRow in GatheredConnections {
        seq: u64,
        time: u64,
        process: u32,
        op: u8,
        direction: u8,
        local_port: u32,
        remote_port: u32,
        cookie: u64,
        sent: u64,
        received: u64,
        duration: u64,
        srtt: u32,
        retransmits: u32,
        errno: u32,
        netns: u32,
        local_isn: u32,
        remote_isn: u32,
        ;
        addresses: [u8; 32],
    }
    Opens by seq of OpenRow in GatheredOpens {
        seq: u64,
        time: u64,
        process: u32,
        path: u32,
        typed: u32,
        flags: u32,
        mode: u32,
        result: i64,
        path_kind: u8,
        traits: u8,
        count: u32,
    }
    Changes by seq of ChangeRow in GatheredChanges {
        seq: u64,
        time: u64,
        process: u32,
        op: u8,
        path: u32,
        typed: u32,
        target: u32,
        target_typed: u32,
        detail: u32,
        flags: u32,
        mode: u32,
        value: u64,
        result: i64,
        path_kind: u8,
        target_kind: u8,
    }
    Privileged by seq of PrivilegedRow in GatheredPrivileged {
        seq: u64,
        time: u64,
        process: u32,
        op: u8,
        code: u32,
        argument: u64,
        target: u32,
        detail: u32,
        result: i64,
    }
    Sockets by seq of SocketRow in GatheredSockets {
        seq: u64,
        time: u64,
        process: u32,
        op: u8,
        family: u8,
        protocol: u8,
        local_port: u32,
        remote_port: u32,
        name: u32,
        code: u32,
        result: i64,
        netns: u32,
        ;
        addresses: [u8; 32],
    }
    Resources by seq of ResourceRow in GatheredResources {
        seq: u64,
        time: u64,
        process: u32,
        container: u32,
        cgroup: u32,
        op: u8,
        interval: u64,
        measured: u32,
        cpu: u64,
        minor_faults: u64,
        major_faults: u64,
        voluntary_switches: u64,
        involuntary_switches: u64,
        cycles: u64,
        instructions: u64,
        cache_misses: u64,
        memory: u64,
    }
}

/// An empty text is string 0. Of strings, it is the bytes that need room; few batches have texts shorter than 8 on the average.
impl Memory for Strings {
    fn with_room(bytes: usize) -> Strings {
        let mut ends = Vec::with_capacity(1 + bytes / 8);
        ends.push(0);
        Strings {
            ends,
            blob: Vec::with_capacity(bytes),
        }
    }

    fn rows(&self) -> usize {
        self.blob.len()
    }

    fn room(&self) -> usize {
        self.blob.capacity()
    }

    fn clear(&mut self) {
        self.ends.truncate(1);
        self.blob.clear();
    }
}
