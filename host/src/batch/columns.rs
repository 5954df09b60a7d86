//! Tables in the making: columns that keep their memory from one batch to the next.
use crate::interface::vespid::plugin::events::{
    Changes, Connections, Containers, Execs, Exits, Opens, Privileged, Processes, Resources, Sockets, Strings,
};

/// How many times larger than its last rows a table's memory may be and still be used again: a burst's goes.
const MOST_ROOM: usize = 4;
/// Rows for which there may always be room.
const FEW_ROWS: usize = 1024;

/// A table of columns of equal length.
pub(super) trait Columns: Sized {
    /// An empty table with room for so many rows.
    fn with_room(rows: usize) -> Self;

    /// Its rows.
    fn rows(&self) -> usize;

    /// Rows that there is room for.
    fn room(&self) -> usize;

    /// Takes all rows out.
    fn clear(&mut self);
}

/// A table in the making, and the memory of one that nobody reads any more.
pub(super) struct Making<T> {
    pub(super) table: T,
    spare: Option<T>,
}

impl<T: Columns> Making<T> {
    pub(super) fn new() -> Making<T> {
        Making {
            table: T::with_room(0),
            spare: None,
        }
    }

    /// What was gathered; goes on with an empty table that expects to grow as large.
    pub(super) fn take(&mut self) -> T {
        let rows = self.table.rows();
        let fits = |spare: &T| spare.room() <= MOST_ROOM * rows.max(FEW_ROWS);
        let empty = self.spare.take().filter(fits).unwrap_or_else(|| T::with_room(rows));
        std::mem::replace(&mut self.table, empty)
    }

    /// The same, if anything was gathered.
    pub(super) fn take_some(&mut self) -> Option<T> {
        (self.table.rows() > 0).then(|| self.take())
    }

    /// Takes back what [`Making::take`] gave away.
    pub(super) fn reuse(&mut self, mut table: T) {
        table.clear();
        self.spare = Some(table);
    }
}

macro_rules! tables {
    ($($table:ident by $first:ident { $($column:ident $(* $width:literal)?),* $(,)? })*) => {
        $(impl Columns for $table {
            fn with_room(rows: usize) -> $table {
                $table { $($column: Vec::with_capacity(rows $(* $width)?)),* }
            }

            fn rows(&self) -> usize {
                self.$first.len()
            }

            fn room(&self) -> usize {
                self.$first.capacity()
            }

            fn clear(&mut self) {
                $(self.$column.clear();)*
            }
        })*
    };
}

tables! {
    Processes by pid {
        pid, ppid, parent, start, uid, gid, euid, login_uid, comm, exe, args, cwd, tty, cgroup, container, flags,
        capabilities, namespaces * 8, user, group,
    }
    Containers by id { id, runtime, name, image, pod_uid, pod, namespace, labels, owner }
    Execs by seq { seq, time, process, previous, filename, errno }
    Exits by seq { seq, time, process, code, signal, lifetime }
    Connections by seq {
        seq, time, process, op, direction, addresses * 32, local_port, remote_port, cookie, sent, received, duration,
        srtt, retransmits, errno, netns, local_isn, remote_isn,
    }
    Opens by seq { seq, time, process, path, typed, flags, mode, result, path_kind, traits, count }
    Changes by seq {
        seq, time, process, op, path, typed, target, target_typed, detail, flags, mode, value, result, path_kind,
        target_kind,
    }
    Privileged by seq { seq, time, process, op, code, argument, target, detail, result }
    Sockets by seq {
        seq, time, process, op, family, protocol, addresses * 32, local_port, remote_port, name, code, result, netns,
    }
    Resources by seq {
        seq, time, process, container, cgroup, op, interval, measured, cpu, minor_faults, major_faults,
        voluntary_switches, involuntary_switches, cycles, instructions, cache_misses, memory,
    }
}

/// An empty text is string 0. Of strings, it is the bytes that need room; few batches have texts shorter than 8 on the average.
impl Columns for Strings {
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
