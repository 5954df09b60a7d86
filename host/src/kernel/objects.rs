//! What the daemon has in the kernel: its programs and maps, as the kernel's own books describe them.
//!
//! The kernel shows them in /proc beside the descriptors, to every thread of the process and without a capability.
use std::fs;
use std::os::fd::{AsFd, AsRawFd, RawFd};

use aya::Ebpf;
use aya::maps::{Map, MapData};
use serde::{Deserialize, Serialize};

/// Where to look. Cheap to clone; holds nothing open.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    programs: Vec<(String, RawFd)>,
    maps: Vec<(String, RawFd)>,
}

/// A program in the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Program {
    /// Its name, as `bpftool prog` shows it.
    pub name: String,
    /// Its id in the kernel.
    pub id: u32,
    /// How often it ran while the kernel counted (`kernel.bpf_stats_enabled`).
    pub runs: u64,
    /// For how long all these runs took together, in nanoseconds.
    pub run_ns: u64,
    /// Times it was not run since it was just running on that CPU.
    pub missed: u64,
    /// Instructions that the verifier went through.
    pub verified_instructions: u64,
    /// Memory that it takes in the kernel, in bytes.
    pub bytes: u64,
}

/// A map in the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MapFacts {
    /// Its name in the programs.
    pub name: String,
    /// Its id in the kernel.
    pub id: u32,
    /// Its type, by the kernel's number (`enum bpf_map_type`).
    pub kind: u32,
    /// Most entries; of a ring, its size in bytes.
    pub entries: u64,
    /// Memory that it takes in the kernel, in bytes.
    pub bytes: u64,
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Inventory {
    /// The programs.
    pub programs: Vec<Program>,
    /// The maps.
    pub maps: Vec<MapFacts>,
}

impl Objects {
    /// What an object holds. To be called once its programs are loaded, and before its maps are taken out of it.
    pub(super) fn of_maps(object: &Ebpf) -> Objects {
        let maps = object
            .maps()
            .filter_map(|(name, map)| Some((name.to_owned(), data(map)?.fd().as_fd().as_raw_fd())));
        Objects {
            programs: Vec::new(),
            maps: maps.collect(),
        }
    }

    pub(super) fn with_programs(self, object: &Ebpf) -> Objects {
        let programs = object
            .programs()
            .filter_map(|(name, program)| Some((name.to_owned(), program.fd().ok()?.as_fd().as_raw_fd())));
        Objects {
            programs: programs.collect(),
            ..self
        }
    }

    /// What the kernel says of them now. What has been closed meanwhile is left out.
    #[must_use]
    pub fn read(&self) -> Inventory {
        let programs = self.programs.iter().filter_map(|(name, fd)| {
            let facts = Facts::of(*fd);
            Some(Program {
                name: name.clone(),
                id: facts.number("prog_id")?,
                runs: facts.number("run_cnt").unwrap_or(0),
                run_ns: facts.number("run_time_ns").unwrap_or(0),
                missed: facts.number("recursion_misses").unwrap_or(0),
                verified_instructions: facts.number("verified_insns").unwrap_or(0),
                bytes: facts.number("memlock").unwrap_or(0),
            })
        });
        let maps = self.maps.iter().filter_map(|(name, fd)| {
            let facts = Facts::of(*fd);
            Some(MapFacts {
                name: name.clone(),
                id: facts.number("map_id")?,
                kind: facts.number("map_type").unwrap_or(0),
                entries: facts.number("max_entries").unwrap_or(0),
                bytes: facts.number("memlock").unwrap_or(0),
            })
        });
        Inventory {
            programs: programs.collect(),
            maps: maps.collect(),
        }
    }

    /// All programs together: see [`Program::missed`].
    pub(super) fn missed(&self) -> u64 {
        let missed = |(_, fd): &(String, RawFd)| Facts::of(*fd).number::<u64>("recursion_misses");
        self.programs.iter().filter_map(missed).sum()
    }
}

/// What the kernel says of a descriptor, a line each: `name:`, white space, value.
struct Facts(String);

impl Facts {
    fn of(fd: RawFd) -> Facts {
        Facts(fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap_or_default())
    }

    fn number<N: std::str::FromStr>(&self, name: &str) -> Option<N> {
        let mut lines = self.0.lines().filter_map(|line| line.split_once(':'));
        let (_, value) = lines.find(|(known, _)| *known == name)?;
        value.trim().parse().ok()
    }
}

fn data(map: &Map) -> Option<&MapData> {
    match map {
        Map::Array(data)
        | Map::HashMap(data)
        | Map::LruHashMap(data)
        | Map::PerCpuArray(data)
        | Map::ProgramArray(data)
        | Map::PerCpuHashMap(data)
        | Map::PerCpuLruHashMap(data)
        | Map::LpmTrie(data)
        | Map::RingBuf(data)
        | Map::Unsupported(data) => Some(data),
        _ => None,
    }
}
