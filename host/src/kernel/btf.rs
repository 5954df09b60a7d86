//! Finding the fields that the programs read in the running kernel's own type information.
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use vespid_ebpf::{ABSENT, FIELDS, Offsets, TypeIds};
use zerocopy::{FromBytes, IntoBytes};

use super::types::Types;

/// Where the kernel shows its types (`CONFIG_DEBUG_INFO_BTF`).
pub(super) const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// Why nothing was found.
#[derive(Debug)]
pub(super) enum NoLayout {
    /// The kernel does not show its types.
    Hidden,
    /// They cannot be read, or not be understood.
    Unreadable(String),
}

/// What was found.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) offsets: Offsets,
    pub(super) missing: Vec<Missing>,
    /// Id of the function that [`vespid_ebpf::CAST`] stands for, if the programs may call it.
    pub(super) cast: Option<u32>,
    pub(super) read_in: Duration,
}

/// A field that this kernel does not have, or not as the programs take it to be.
#[derive(Debug)]
pub(super) struct Missing {
    pub(super) what: String,
    /// Mask of the kinds that cannot be had without it.
    pub(super) needed_by: u32,
}

impl Layout {
    /// Has the programs do without plain loads. Whether they did not before.
    pub(super) fn give_up_casts(&mut self) -> bool {
        self.offsets.types = TypeIds::UNKNOWN;
        self.cast.take().is_some()
    }

    /// Why a kind cannot be had on this kernel.
    pub(super) fn obstacle(&self, kind: u32) -> Option<&str> {
        self.missing
            .iter()
            .find(|missing| missing.needed_by & kind != 0)
            .map(|missing| missing.what.as_str())
    }
}

/// Reads the running kernel's types.
pub(super) fn read() -> Result<Layout, NoLayout> {
    let began = Instant::now();
    if !Path::new(VMLINUX).exists() {
        return Err(NoLayout::Hidden);
    }
    let bytes = fs::read(VMLINUX).map_err(|error| NoLayout::Unreadable(error.to_string()))?;
    let types = Types::parse(&bytes).map_err(|error| NoLayout::Unreadable(error.to_string()))?;
    let (mut offsets, missing) = find(&types);
    let cast = types.function("bpf_rdonly_cast");
    if cast.is_some() {
        offsets.types = TypeIds::find(|structure| types.structure(structure));
    }
    Ok(Layout {
        offsets,
        missing,
        cast,
        read_in: began.elapsed(),
    })
}

/// Ids of what an empty program can be attached to, to see whether that is granted.
#[derive(Debug, Default)]
pub(super) struct Hooks {
    pub(super) tracepoint: Option<u32>,
    pub(super) function: Option<u32>,
    pub(super) lsm: Option<u32>,
    pub(super) iterator: Option<u32>,
}

/// Looks for them in the running kernel's types.
pub(super) fn hooks() -> Option<Hooks> {
    let bytes = fs::read(VMLINUX).ok()?;
    let types = Types::parse(&bytes).ok()?;
    Some(Hooks {
        tracepoint: types.typedef("btf_trace_sched_process_exit"),
        function: types.function("security_file_open"),
        lsm: types.function("bpf_lsm_file_open"),
        iterator: types.function("bpf_iter_task"),
    })
}

fn find(types: &Types<'_>) -> (Offsets, Vec<Missing>) {
    let mut missing = Vec::new();
    let mut words = vec![ABSENT; FIELDS.len()];
    for (word, field) in words.iter_mut().zip(FIELDS) {
        match field.paths.iter().find_map(|path| types.offset(path)) {
            Some(offset) => *word = offset,
            None => missing.push(Missing {
                what: format!("this kernel has no {}", field.paths.join(" or ")),
                needed_by: field.needed_by,
            }),
        }
    }
    for (older, newer) in EITHER {
        if types.offset(older).is_some() || types.offset(newer).is_some() {
            let is_of_them = |what: &str| what.ends_with(older) || what.ends_with(newer);
            missing.retain(|missing| !is_of_them(&missing.what));
        }
    }
    for (before, after, distance) in ADJACENT {
        let needed_by = FIELDS
            .iter()
            .filter(|field| field.paths.contains(&before))
            .map(|field| field.needed_by);
        if types.offset(before).and_then(|offset| offset.checked_add(distance)) != types.offset(after) {
            missing.push(Missing {
                what: format!("{after} does not follow {before} in this kernel"),
                needed_by: needed_by.fold(0, |mask, kinds| mask | kinds),
            });
        }
    }
    let resident = resident(types);
    let numbers = [
        css_v1(types).unwrap_or(ABSENT),
        u32::from(types.parameters("btf_trace_sched_process_exit") == Some(3)),
        types.enumerator("sock_flags", "SOCK_DONE").unwrap_or(ABSENT),
        u32::from(types.parameters("btf_trace_mark_victim") == Some(3)),
        resident.map_or(ABSENT, |(first, _)| first),
        resident.map_or(ABSENT, |(_, stride)| stride),
        types.size("inode").unwrap_or(ABSENT),
        vespid_ebpf::OFFSETS_VERSION,
    ];
    words.extend(numbers);
    words.resize(size_of::<Offsets>() / size_of::<u32>(), ABSENT);
    // Cannot fail: the table's length is pinned where it is defined.
    (
        Offsets::read_from_bytes(words.as_bytes()).unwrap_or(Offsets::UNKNOWN),
        missing,
    )
}

/// The first of the counters of a process's resident pages, and how far apart they are: numbers until 6.2, since then
/// counters with a part for each CPU.
fn resident(types: &Types<'_>) -> Option<(u32, u32)> {
    if let Some(first) = types.offset("mm_struct.rss_stat.count") {
        return Some((first, 8));
    }
    let first = types.offset("mm_struct.rss_stat")?;
    let within = types.offset("percpu_counter.count")?;
    Some((first.checked_add(within)?, types.size("percpu_counter")?))
}

/// Where `css_set` points to the task's place in a cgroup v1 hierarchy, if there is one.
fn css_v1(types: &Types<'_>) -> Option<u32> {
    let controller = v1_controller()?;
    let index = types.enumerator("cgroup_subsys_id", &format!("{controller}_cgrp_id"))?;
    types.offset("css_set.subsys")?.checked_add(index.checked_mul(8)?)
}

/// The controller whose v1 hierarchy is looked at where the v2 one tells nothing apart.
pub(super) fn v1_controller() -> Option<&'static str> {
    let table = fs::read_to_string("/proc/cgroups").ok()?;
    ["memory", "pids", "cpu"].into_iter().find(|name| is_v1(&table, name))
}

/// Whether a controller is mounted as a v1 hierarchy: `name hierarchy count enabled` in `/proc/cgroups`, where the v2
/// hierarchy has number 0.
fn is_v1(table: &str, controller: &str) -> bool {
    table.lines().any(|line| {
        let mut words = line.split_whitespace();
        words.next() == Some(controller) && words.next().is_some_and(|hierarchy| hierarchy != "0")
    })
}

/// Members of which the programs need one: a later kernel keeps the same elsewhere.
const EITHER: [(&str, &str); 1] = [("proc_ns_operations.type", "ns_common.ns_type")];

/// Members that the programs read in one go, and the distance that this takes for granted.
const ADJACENT: [(&str, &str, u32); 10] = [
    ("dentry.d_parent", "dentry.d_name", 8),
    ("qstr.hash_len", "qstr.name", 8),
    ("qstr.hash", "qstr.len", 4),
    ("path.mnt", "path.dentry", 8),
    ("upid.nr", "upid.ns", 8),
    ("socket.file", "socket.sk", 8),
    ("sock_common.skc_daddr", "sock_common.skc_rcv_saddr", 4),
    ("sock_common.skc_daddr", "sock_common.skc_dport", 12),
    ("sock_common.skc_daddr", "sock_common.skc_num", 14),
    ("sock_common.skc_daddr", "sock_common.skc_family", 16),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_controllers_of_a_hybrid_node_are_told_apart() {
        let table = "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t0\t70\t1\nmemory\t4\t71\t1\n";
        assert!(is_v1(table, "memory"));
        assert!(!is_v1(table, "cpu"));
        assert!(!is_v1(table, "pids"));
    }

    #[test]
    fn the_running_kernel_has_every_field() {
        let Ok(layout) = read() else {
            eprintln!("SKIPPED: this kernel shows no types in {VMLINUX}");
            return;
        };
        eprintln!("{:?} in {:?}", layout.offsets, layout.read_in);
        let needed: Vec<_> = layout.missing.iter().filter(|missing| missing.needed_by != 0).collect();
        assert!(needed.is_empty(), "{needed:?}");
        assert!(layout.offsets.task_tgid > 0 && layout.offsets.task_tgid == layout.offsets.task_pid + 4);
    }
}
