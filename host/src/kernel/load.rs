//! Loading the BPF object, and what can stop that.
use std::io;

use aya::maps::MapError;
use aya::programs::ProgramError;
use aya::{Ebpf, EbpfError, EbpfLoader};
use caps::{CapSet, Capability};
use vespid_ebpf::{CAST, Kind};
use zerocopy::IntoBytes;

use super::Settings;
use super::btf::{Layout, NoLayout, VMLINUX};

/// The programs, built by `build.rs`.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/vespid-programs.o"));

/// Why the kernel side did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The process may not load BPF programs.
    #[error(
        "not permitted to load BPF programs: missing {}; run as root, or grant them \
         (`setcap cap_bpf,cap_perfmon+ep`, or `AmbientCapabilities=` in the unit)",
        .0.join(" and ")
    )]
    MissingCapabilities(Vec<&'static str>),
    /// The kernel does not show its types.
    #[error("{VMLINUX} is missing: this kernel was built without CONFIG_DEBUG_INFO_BTF, or /sys is not mounted here")]
    NoBtf,
    /// The kernel's types cannot be understood.
    #[error("the kernel's types in {VMLINUX} cannot be read: {0}")]
    UnreadableBtf(String),
    /// The ring's size is not one the kernel takes.
    #[error("a ring of {0} bytes is not possible: it has to be a power of two and a multiple of the page size (4096)")]
    RingSize(u32),
    /// The kernel lacks something that the process tree needs.
    #[error("cannot follow processes on this kernel: {0}; Linux 5.17 or newer with BTF is needed")]
    Unsupported(String),
    /// The object was refused as a whole.
    #[error("the kernel refused the BPF maps or types: {}", reason(.0))]
    Load(#[source] Box<EbpfError>),
    /// A probe that the process tree needs was refused.
    #[error("the kernel refused the probe {probe}, without which processes cannot be followed: {reason}")]
    Probe {
        /// The probe.
        probe: &'static str,
        /// The kernel's answer.
        reason: String,
    },
    /// The ring or the counters cannot be reached.
    #[error("the ring buffer cannot be opened: {0}")]
    Ring(#[source] io::Error),
}

impl From<NoLayout> for StartError {
    fn from(why: NoLayout) -> StartError {
        match why {
            NoLayout::Hidden => StartError::NoBtf,
            NoLayout::Unreadable(error) => StartError::UnreadableBtf(error),
        }
    }
}

/// Checks that this process may do what follows, as the kernel's own answer would only be `EPERM`.
pub(super) fn check_capabilities() -> Result<(), StartError> {
    let missing = missing_capabilities();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(StartError::MissingCapabilities(missing))
    }
}

/// What is missing of `CAP_BPF` and `CAP_PERFMON`, for both of which `CAP_SYS_ADMIN` stands in.
pub(super) fn missing_capabilities() -> Vec<&'static str> {
    let has = |capability| caps::has_cap(None, CapSet::Effective, capability).unwrap_or(false);
    if has(Capability::CAP_SYS_ADMIN) {
        return Vec::new();
    }
    let needed = [
        (Capability::CAP_BPF, "CAP_BPF"),
        (Capability::CAP_PERFMON, "CAP_PERFMON"),
    ];
    needed
        .into_iter()
        .filter(|(capability, _)| !has(*capability))
        .map(|(_, name)| name)
        .collect()
}

/// Creates the maps and sets what is constant to the programs. Also says which kinds this kernel can deliver.
pub(super) fn load(settings: &Settings, layout: &Layout) -> Result<(Ebpf, u32), StartError> {
    if !settings.ring_bytes.is_power_of_two() || settings.ring_bytes < 4096 {
        return Err(StartError::RingSize(settings.ring_bytes));
    }
    let mut deliverable = 0;
    for kind in Kind::ALL.map(Kind::bit) {
        match layout.obstacle(kind) {
            Some(obstacle) if kind & Kind::TREE != 0 => return Err(StartError::Unsupported(obstacle.to_owned())),
            Some(_) => {}
            None => deliverable |= kind,
        }
    }
    let cpus = aya::util::nr_cpus().map_err(|(_, error)| StartError::Ring(error))?;
    let programs = EbpfLoader::new()
        // There is nothing to relocate by it, and parsing it takes as long as everything else.
        .btf(None)
        .override_global("OFFSETS", layout.offsets.as_bytes(), true)
        .override_global("SELF_TGID", &std::process::id(), true)
        .override_global("DELIVERABLE", &deliverable, true)
        .override_global("RING_BYTES", &u64::from(settings.ring_bytes), true)
        .override_global("FAIR", &u32::from(settings.fair), true)
        .map_max_entries("RECORDS", settings.ring_bytes)
        .map_max_entries("EXEC_SCRATCH", u32::try_from(cpus).unwrap_or(u32::MAX))
        .load(object(layout.cast).as_bytes())
        .map_err(|error| StartError::Load(Box::new(error)))?;
    Ok((programs, deliverable))
}

/// The programs, with their calls of [`CAST`] made what this kernel has: its function, or nothing but `r0 = r1`.
fn object(function: Option<u32>) -> Vec<u64> {
    const CALL: u64 = 0x85;
    const CALL_OF_KERNEL: u64 = 0x2085;
    const MOVE: u64 = 0x10bf;
    let immediate = |word: u32| u64::from(word) << 32;
    let call = function.map_or(MOVE, |id| CALL_OF_KERNEL | immediate(id));
    // Words, as an object has to lie at a multiple of eight; and so do the instructions in it.
    let (words, rest) = OBJECT.as_chunks();
    let last = [rest, &[0; 8]].concat();
    let words = words.iter().chain(last.first_chunk());
    let instructions = words.map(|word| u64::from_le_bytes(*word));
    let changed = |word| if word == CALL | immediate(CAST) { call } else { word };
    instructions.map(changed).collect()
}

/// An error with its causes, in one line.
pub(super) fn reason(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// What the kernel said to a program, in one line: of the verifier's log only the sentence that ends it.
pub(super) fn program_reason(error: &ProgramError) -> String {
    const STATISTICS: [&str; 3] = ["processed ", "verification time ", "stack depth "];
    let ProgramError::LoadError { io_error, verifier_log } = error else {
        return reason(error);
    };
    let log = verifier_log.to_string();
    let is_statistics = |line: &&str| STATISTICS.iter().any(|start| line.starts_with(start));
    match log.lines().rev().find(|line| !line.is_empty() && !is_statistics(line)) {
        Some(sentence) => format!("{io_error} ({sentence})"),
        None => io_error.to_string(),
    }
}

/// A map error as an I/O error of the kind that the kernel gave.
pub(super) fn map_error(error: MapError) -> io::Error {
    let kind = match &error {
        MapError::SyscallError(call) => call.io_error.kind(),
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, reason(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_the_kernels_function_are_put_in_or_done_away_with() {
        let count = |object: &[u64], wanted: u64| object.iter().filter(|word| **word == wanted).count();
        let (with, without) = (object(Some(7)), object(None));
        assert_eq!(with.as_bytes()[..64], OBJECT[..64]);
        let placeholder = 0x85 | u64::from(CAST) << 32;
        assert_eq!((count(&with, placeholder), count(&without, placeholder)), (0, 0));
        assert!(count(&with, 0x0000_0007_0000_2085) > 20);
    }
}
