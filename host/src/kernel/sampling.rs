//! Performance events, each on every CPU: when a counter overflows, a program charges whoever runs.
//!
//! The periods are primes: what happens in a regular order would otherwise be charged to the same one each time.
use std::io;

use aya::Ebpf;
use aya::programs::links::FdLink;
use aya::programs::perf_event::{HardwareEvent, PerfEventConfig, PerfEventScope, SamplePolicy, SoftwareEvent};
use aya::programs::{PerfEvent, ProgramError};
use vespid_ebpf::Kind;
use vespid_ebpf::usage::{Counter, Samples};

use super::attach::{Probe, State};
use super::btf::Layout;
use super::load::program_reason;

/// How often a second the CPU clock is looked at, unless configured: not in step with what happens a hundred times a
/// second.
pub const DEFAULT_SAMPLE_HZ: u32 = 99;

/// A counter of the kernel, and the program that it runs.
struct Source {
    program: &'static str,
    name: &'static str,
    config: PerfEventConfig,
    period: Period,
    counters: &'static [Counter],
    loses: &'static str,
}

/// How much of a counter a sample stands for.
#[derive(Clone, Copy)]
enum Period {
    /// Nanoseconds between two looks at the clock.
    Clock,
    Every(u64),
}

const fn software(event: SoftwareEvent) -> PerfEventConfig {
    PerfEventConfig::Software(event)
}

const fn hardware(event: HardwareEvent) -> PerfEventConfig {
    PerfEventConfig::Hardware(event)
}

const SOURCES: [Source; 7] = [
    Source {
        program: "vespid_cpu",
        name: "cpu-clock",
        config: software(SoftwareEvent::CpuClock),
        period: Period::Clock,
        counters: &[Counter::Cpu],
        loses: "time on processors by control group",
    },
    Source {
        program: "vespid_minor",
        name: "minor-faults",
        config: software(SoftwareEvent::PageFaultsMin),
        period: Period::Every(31),
        counters: &[Counter::MinorFaults],
        loses: "minor page faults by control group",
    },
    Source {
        program: "vespid_major",
        name: "major-faults",
        config: software(SoftwareEvent::PageFaultsMaj),
        // They wait for a disk anyway.
        period: Period::Every(1),
        counters: &[Counter::MajorFaults],
        loses: "major page faults by control group",
    },
    Source {
        program: "vespid_switch",
        name: "context-switches",
        config: software(SoftwareEvent::ContextSwitches),
        period: Period::Every(31),
        counters: &[Counter::VoluntarySwitches, Counter::InvoluntarySwitches],
        loses: "context switches by control group",
    },
    Source {
        program: "vespid_cycles",
        name: "cycles",
        config: hardware(HardwareEvent::CpuCycles),
        period: Period::Every(20_000_003),
        counters: &[Counter::Cycles],
        loses: "cycles by control group",
    },
    Source {
        program: "vespid_instr",
        name: "instructions",
        config: hardware(HardwareEvent::Instructions),
        period: Period::Every(20_000_003),
        counters: &[Counter::Instructions],
        loses: "instructions by control group",
    },
    Source {
        program: "vespid_misses",
        name: "cache-misses",
        config: hardware(HardwareEvent::CacheMisses),
        period: Period::Every(100_003),
        counters: &[Counter::CacheMisses],
        loses: "cache misses by control group",
    },
];

/// A source whose program the kernel has verified, or refused.
pub(super) struct Sampler {
    source: &'static Source,
    hz: u32,
    refused: Option<String>,
    /// On which CPUs its program is attached, and by what. Closing it detaches.
    links: Vec<(u32, FdLink)>,
}

impl Sampler {
    /// Has the kernel verify the programs of all sources.
    pub(super) fn all(programs: &mut Ebpf, layout: &Layout, hz: u32) -> Vec<Sampler> {
        let obstacle = layout.obstacle(Kind::Resource.bit());
        let loaded = SOURCES.iter().map(|source| {
            let loaded = program(programs, source).and_then(PerfEvent::load);
            Sampler {
                source,
                hz,
                refused: obstacle
                    .map(str::to_owned)
                    .or_else(|| loaded.err().map(|error| program_reason(&error))),
                links: Vec::new(),
            }
        });
        loaded.collect()
    }

    /// The probe, before anybody asked for it.
    pub(super) fn probe(&self) -> Probe {
        let name = self.source.name;
        let often = match self.source.period {
            Period::Clock => format!("{} times a second", self.hz),
            Period::Every(1) => "each".to_owned(),
            Period::Every(period) => format!("every {period}"),
        };
        Probe {
            name: self.source.program,
            hook: format!("perf_event/{name} ({often})"),
            state: State::NotNeeded,
            loses: self.source.loses,
            link: None,
            variant: None,
            passed_over: Vec::new(),
            beside: Vec::new(),
        }
    }

    /// Attaches the program to every CPU that is there, or detaches it.
    pub(super) fn want(&mut self, programs: &mut Ebpf, is_wanted: bool, cpus: &[u32]) -> State {
        if !is_wanted {
            self.links.clear();
            return State::NotNeeded;
        }
        if let Some(reason) = &self.refused {
            return State::Unavailable(reason.clone());
        }
        self.links.retain(|(cpu, _)| cpus.contains(cpu));
        for cpu in cpus {
            if self.links.iter().any(|(attached, _)| attached == cpu) {
                continue;
            }
            match self.attach(programs, *cpu) {
                Ok(link) => self.links.push((*cpu, link)),
                Err(error) => {
                    self.links.clear();
                    return State::Unavailable(self.reason(&error));
                }
            }
        }
        State::Attached
    }

    /// What attaches it to the first CPU, by its id in the kernel.
    pub(super) fn link_id(&self) -> Option<u32> {
        let (_, link) = self.links.first()?;
        Some(link.info().ok()?.id())
    }

    /// Adds its counters to those that are measured, if it runs.
    pub(super) fn measured(&self) -> u32 {
        let counters = self.source.counters.iter().filter(|_| !self.links.is_empty());
        counters.fold(0, |mask, counter| mask | counter.bit())
    }

    /// Fills in how much of its counters a sample stands for.
    pub(super) fn periods(&self, periods: &mut Samples) {
        for counter in self.source.counters {
            periods[counter.index()] = self.period();
        }
    }

    fn period(&self) -> u64 {
        match self.source.period {
            Period::Clock => 1_000_000_000 / u64::from(self.hz.max(1)),
            Period::Every(period) => period,
        }
    }

    fn attach(&self, programs: &mut Ebpf, cpu: u32) -> Result<FdLink, ProgramError> {
        let program = program(programs, self.source)?;
        let scope = PerfEventScope::AllProcessesOneCpu { cpu };
        let id = program.attach(self.source.config, scope, SamplePolicy::Period(self.period()), false)?;
        // Kernels that have no such links (before 5.15) are too old for anything else here, too.
        FdLink::try_from(program.take_link(id)?).map_err(|_| ProgramError::NotAttached)
    }

    /// Why it cannot be attached. The kernel says no more than that there is no such event.
    fn reason(&self, error: &ProgramError) -> String {
        let is_hardware = matches!(self.source.config, PerfEventConfig::Hardware(_));
        let kind = match error {
            ProgramError::SyscallError(call) => call.io_error.raw_os_error(),
            _ => None,
        };
        match kind {
            Some(libc::ENOENT | libc::EOPNOTSUPP | libc::ENODEV) if is_hardware => {
                "there is no hardware counter for it here, as in most virtual machines".to_owned()
            }
            _ => program_reason(error),
        }
    }
}

/// The CPUs that are there now.
pub(super) fn cpus() -> io::Result<Vec<u32>> {
    aya::util::online_cpus().map_err(|(_, error)| error)
}

fn program<'a>(programs: &'a mut Ebpf, source: &Source) -> Result<&'a mut PerfEvent, ProgramError> {
    programs
        .program_mut(source.program)
        .ok_or(ProgramError::NotLoaded)?
        .try_into()
}
