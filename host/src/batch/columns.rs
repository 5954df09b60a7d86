//! Empty tables with room for a number of rows.
use crate::interface::vespid::plugin::events::{
    Changes, Connections, Containers, Execs, Exits, Opens, Privileged, Processes, Sockets, Strings,
};

macro_rules! tables {
    ($($name:ident -> $table:ident { $($column:ident $(* $width:literal)?),* $(,)? })*) => {
        $(pub(super) fn $name(rows: usize) -> $table {
            $table { $($column: Vec::with_capacity(rows $(* $width)?)),* }
        })*
    };
}

tables! {
    processes -> Processes {
        pid, ppid, parent, start, uid, gid, euid, login_uid, comm, exe, args, cwd, tty, cgroup, container, flags,
        capabilities, namespaces * 8,
    }
    containers -> Containers { id, runtime, name, image, pod_uid, pod, namespace }
    execs -> Execs { seq, time, process, previous, filename, errno }
    exits -> Exits { seq, time, process, code, signal, lifetime }
    connections -> Connections {
        seq, time, process, op, direction, addresses * 32, local_port, remote_port, cookie, sent, received, duration,
        srtt, retransmits, errno, netns,
    }
    opens -> Opens { seq, time, process, path, typed, flags, mode, result, path_kind, traits }
    changes -> Changes {
        seq, time, process, op, path, typed, target, target_typed, detail, flags, mode, value, result, path_kind,
        target_kind,
    }
    privileged -> Privileged { seq, time, process, op, code, argument, target, detail, result }
    sockets -> Sockets {
        seq, time, process, op, family, protocol, addresses * 32, local_port, remote_port, name, code, result, netns,
    }
}

/// With string 0, the empty one.
pub(super) fn strings(count: usize, bytes: usize) -> Strings {
    let mut ends = Vec::with_capacity(count.max(1));
    ends.push(0);
    Strings {
        ends,
        blob: Vec::with_capacity(bytes),
    }
}
