//! Finding the fields that the programs read in the running kernel's own type information.
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use btf::{Btf, Struct, Type};
use vespid_ebpf::{ABSENT, FIELDS, Offsets};
use zerocopy::{FromBytes, IntoBytes};

use super::load::StartError;

/// Where the kernel shows its types (`CONFIG_DEBUG_INFO_BTF`).
pub(super) const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// Deepest nesting of anonymous members that is descended into.
const MAX_NESTING: usize = 8;

/// What was found.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) offsets: Offsets,
    pub(super) missing: Vec<Missing>,
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
    /// Why a kind cannot be had on this kernel.
    pub(super) fn obstacle(&self, kind: u32) -> Option<&str> {
        self.missing
            .iter()
            .find(|missing| missing.needed_by & kind != 0)
            .map(|missing| missing.what.as_str())
    }
}

/// Reads the running kernel's types.
pub(super) fn read() -> Result<Layout, StartError> {
    let began = Instant::now();
    if !Path::new(VMLINUX).exists() {
        return Err(StartError::NoBtf);
    }
    let btf = Btf::from_file(VMLINUX).map_err(|error| StartError::UnreadableBtf(error.to_string()))?;
    let (offsets, missing) = Types::of(&btf).find();
    Ok(Layout {
        offsets,
        missing,
        read_in: began.elapsed(),
    })
}

/// The kernel's types by name, as far as they are of interest.
struct Types<'a> {
    btf: &'a Btf,
    structs: HashMap<&'a str, &'a Struct>,
}

impl<'a> Types<'a> {
    fn of(btf: &'a Btf) -> Types<'a> {
        let mut structs: HashMap<&str, &Struct> = FIELDS
            .iter()
            .flat_map(|field| field.paths)
            .copied()
            .chain(ADJACENT.iter().map(|(before, _, _)| *before))
            .filter_map(|path| path.split_once('.'))
            .map(|(name, _)| (name, &EMPTY))
            .collect();
        for ty in btf.get_types() {
            if let (0, Type::Struct(found) | Type::Union(found), Some(name)) = (ty.num_refs, &ty.base_type, &ty.name)
                && let Some(known) = structs.get_mut(name.as_str())
                && known.members.is_empty()
            {
                *known = found;
            }
        }
        Types { btf, structs }
    }

    fn find(&self) -> (Offsets, Vec<Missing>) {
        let mut missing = Vec::new();
        let mut words = vec![ABSENT; FIELDS.len()];
        for (word, field) in words.iter_mut().zip(FIELDS) {
            match field.paths.iter().find_map(|path| self.offset(path)) {
                Some(offset) => *word = offset,
                None => missing.push(Missing {
                    what: format!("this kernel has no {}", field.paths.join(" or ")),
                    needed_by: field.needed_by,
                }),
            }
        }
        for (before, after, distance) in ADJACENT {
            let needed_by = FIELDS
                .iter()
                .filter(|field| field.paths.contains(&before))
                .map(|field| field.needed_by);
            if self.offset(before).map(|offset| offset + distance) != self.offset(after) {
                missing.push(Missing {
                    what: format!("{after} does not follow {before} in this kernel"),
                    needed_by: needed_by.fold(0, |mask, kinds| mask | kinds),
                });
            }
        }
        let numbers = [
            self.css_v1().unwrap_or(ABSENT),
            u32::from(self.parameters("btf_trace_sched_process_exit") == Some(3)),
            self.enumerator("sock_flags", "SOCK_DONE").unwrap_or(ABSENT),
            vespid_ebpf::OFFSETS_VERSION,
        ];
        words.extend(numbers);
        // Cannot fail: the table's length is pinned where it is defined.
        (
            Offsets::read_from_bytes(words.as_bytes()).unwrap_or(Offsets::UNKNOWN),
            missing,
        )
    }

    /// Offset in bytes of `struct.member.member`.
    fn offset(&self, path: &str) -> Option<u32> {
        let (name, members) = path.split_once('.')?;
        let mut within = *self.structs.get(name)?;
        let mut bits = 0;
        let mut members = members.split('.').peekable();
        while let Some(member) = members.next() {
            let (at, type_id) = self.member(within, member, MAX_NESTING)?;
            bits += at;
            if members.peek().is_some() {
                within = self.as_struct(type_id)?;
            }
        }
        (bits % 8 == 0).then_some(bits / 8)
    }

    /// Offset in bits and type of a member, those of anonymous members included.
    fn member(&self, within: &Struct, name: &str, nesting: usize) -> Option<(u32, u32)> {
        within.members.iter().find_map(|member| match &member.name {
            Some(found) if !found.is_empty() => {
                let is_bitfield = member.bits.is_some_and(|bits| bits != 0);
                (found == name && !is_bitfield).then_some((member.offset, member.type_id))
            }
            _ => {
                let inner = self.as_struct(member.type_id).filter(|_| nesting > 0)?;
                let (at, type_id) = self.member(inner, name, nesting - 1)?;
                Some((member.offset + at, type_id))
            }
        })
    }

    fn as_struct(&self, type_id: u32) -> Option<&'a Struct> {
        let ty = self.btf.get_type_by_id(type_id).ok().filter(|ty| ty.num_refs == 0)?;
        match &ty.base_type {
            Type::Struct(found) | Type::Union(found) => Some(found),
            _ => None,
        }
    }

    fn enumerator(&self, name: &str, entry: &str) -> Option<u32> {
        let Type::Enum32(found) = &self.btf.get_type_by_name(name).ok()?.base_type else {
            return None;
        };
        let found = found
            .entries
            .iter()
            .find(|known| known.name.as_deref() == Some(entry))?;
        u32::try_from(found.value).ok()
    }

    /// How many parameters a function type takes.
    fn parameters(&self, name: &str) -> Option<usize> {
        let Type::FunctionProto(found) = &self.btf.get_type_by_name(name).ok()?.base_type else {
            return None;
        };
        Some(found.params.len())
    }

    /// Where `css_set` points to the task's place in a cgroup v1 hierarchy, if there is one.
    fn css_v1(&self) -> Option<u32> {
        let table = fs::read_to_string("/proc/cgroups").ok()?;
        let controller = ["memory", "pids", "cpu"].into_iter().find(|name| is_v1(&table, name))?;
        let index = self.enumerator("cgroup_subsys_id", &format!("{controller}_cgrp_id"))?;
        Some(self.offset("css_set.subsys")? + index * 8)
    }
}

/// Whether a controller is mounted as a v1 hierarchy: `name hierarchy count enabled` in `/proc/cgroups`, where the v2
/// hierarchy has number 0.
fn is_v1(table: &str, controller: &str) -> bool {
    table.lines().any(|line| {
        let mut words = line.split_whitespace();
        words.next() == Some(controller) && words.next().is_some_and(|hierarchy| hierarchy != "0")
    })
}

static EMPTY: Struct = Struct { members: Vec::new() };

/// Members that the programs read in one go, and the distance that this takes for granted.
const ADJACENT: [(&str, &str, u32); 5] = [
    ("dentry.d_parent", "dentry.d_name", 8),
    ("qstr.hash_len", "qstr.name", 8),
    ("qstr.hash", "qstr.len", 4),
    ("path.mnt", "path.dentry", 8),
    ("upid.nr", "upid.ns", 8),
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
