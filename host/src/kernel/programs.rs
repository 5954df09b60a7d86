//! The programs in the kernel, and having just those run that are needed.
//!
//! Each is loaded once, when the daemon starts: from then on attaching one takes a system call, and neither the kernel's
//! types nor the verifier.
use std::io;

use aya::Ebpf;
use aya::maps::{Array, HashMap, Map, MapData, MapError};
use rustix::thread::{MembarrierCommand, membarrier};
use vespid_ebpf::usage::{COUNTERS, Samples};
use vespid_ebpf::{ASKED, ASKED_BYTES, Kind, MAX_OWNERS, NOTE_BYTES, OWNER_BYTES, REQUEST_BYTES};

use super::attach::{Loaded, Probe, State};
use super::links::Called;
use super::load::{StartError, map_error};
use super::sampling::{self, Sampler};

/// The programs, and which of them run. Dropping it detaches all of them.
pub(super) struct Programs {
    /// `None` once detached.
    object: Option<Ebpf>,
    /// Those that another calls. `None` once detached: a table keeps its programs.
    called: Option<Called>,
    loaded: Vec<Loaded>,
    samplers: Vec<Sampler>,
    /// Of those, and then of these.
    probes: Vec<Probe>,
    periods: Samples,
    /// Mask of the kinds that this kernel can deliver.
    deliverable: u32,
    /// What the programs are told to report.
    wanted: u32,
    wanted_map: Array<MapData, u32>,
    /// Owners of connections, by the sockets' cookies.
    owners: HashMap<MapData, u64, [u8; OWNER_BYTES]>,
    /// What is noted of calls in flight, by thread.
    notes: HashMap<MapData, u64, [u8; NOTE_BYTES]>,
    /// What is noted of opens in flight, by thread.
    asked: HashMap<MapData, u64, [u8; ASKED_BYTES]>,
    /// Opens through `io_uring` in flight, by the requests' addresses.
    requests: HashMap<MapData, u64, [u8; REQUEST_BYTES]>,
}

impl std::fmt::Debug for Programs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Programs")
            .field("probes", &self.probes)
            .field("wanted", &self.wanted)
            .finish_non_exhaustive()
    }
}

impl Programs {
    /// Attaches what `kinds` and the process tree need.
    pub(super) fn start(
        mut object: Ebpf,
        loaded: Vec<Loaded>,
        samplers: Vec<Sampler>,
        deliverable: u32,
        kinds: u32,
    ) -> Result<Programs, StartError> {
        let mut periods = [0; COUNTERS];
        samplers.iter().for_each(|sampler| sampler.periods(&mut periods));
        let mut programs = Programs {
            periods,
            wanted_map: Array::try_from(take_map(&mut object, "WANTED")?).map_err(unusable)?,
            owners: HashMap::try_from(take_map(&mut object, "OWNERS")?).map_err(unusable)?,
            notes: HashMap::try_from(take_map(&mut object, "NOTES")?).map_err(unusable)?,
            asked: HashMap::try_from(take_map(&mut object, "ASKED")?).map_err(unusable)?,
            requests: HashMap::try_from(take_map(&mut object, "REQUESTS")?).map_err(unusable)?,
            called: Some(Called::try_from(take_map(&mut object, "CALLED")?).map_err(unusable)?),
            object: Some(object),
            probes: (loaded.iter().map(|loaded| loaded.probe(State::NotNeeded)))
                .chain(samplers.iter().map(Sampler::probe))
                .collect(),
            loaded,
            samplers,
            deliverable,
            wanted: 0,
        };
        programs.want(kinds, true).map_err(StartError::Ring)?;
        let missing = |(loaded, probe): (&Loaded, &Probe)| {
            let reason = probe.unavailable().filter(|_| loaded.carries_the_tree())?;
            Some((probe.name, reason.to_owned()))
        };
        match programs.loaded.iter().zip(&programs.probes).find_map(missing) {
            Some((probe, reason)) => Err(StartError::Probe { probe, reason }),
            None => Ok(programs),
        }
    }

    pub(super) fn are_detached(&self) -> bool {
        self.object.is_none()
    }

    pub(super) fn probes(&self) -> &[Probe] {
        &self.probes
    }

    /// Attaches what `kinds` needs and detaches what it does not; says what changed.
    ///
    /// What is given up ends everywhere at once, before the first probe is detached. What is new begins everywhere at
    /// once, after the last probe is attached. What is wanted before and after is reported throughout.
    ///
    /// Of resources, `with_usage` says whether anything is to be measured.
    pub(super) fn want(&mut self, kinds: u32, with_usage: bool) -> io::Result<Vec<Probe>> {
        let wanted = kinds & self.deliverable;
        let begun = wanted & !self.wanted;
        self.report(self.wanted & wanted)?;
        if begun & Kind::Connection.bit() != 0 {
            self.make_room_for_owners();
        }
        // What began and was not seen to end must not be taken for what comes next.
        if begun & Kind::Change.bit() != 0 {
            clear(&mut self.notes);
        }
        if begun & Kind::Open.bit() != 0 {
            clear(&mut self.asked);
            clear(&mut self.requests);
        }
        let Programs {
            object: Some(object),
            called: Some(called),
            loaded,
            probes,
            deliverable,
            ..
        } = self
        else {
            return Err(io::Error::new(
                io::ErrorKind::NotConnected,
                "the probes were detached for good",
            ));
        };
        let mut changed = Vec::new();
        let mut caller = None;
        for (loaded, probe) in loaded.iter_mut().zip(probes) {
            let state = loaded.want(object, called, kinds, *deliverable, caller.as_deref());
            if let State::Unavailable(reason) = &state
                && loaded.is_caller()
            {
                caller = Some(reason.clone());
            }
            if state != probe.state {
                *probe = loaded.probe(state);
                changed.push(probe.clone());
            }
        }
        let is_measured = kinds & Kind::Resource.bit() != 0 && with_usage;
        let cpus = if is_measured { sampling::cpus()? } else { Vec::new() };
        changed.extend(self.sample(is_measured, &cpus));
        self.report(wanted)?;
        Ok(changed)
    }

    /// Which counters are measured, as bits.
    pub(super) fn measured(&self) -> u32 {
        self.samplers.iter().fold(0, |mask, sampler| mask | sampler.measured())
    }

    /// How much of each counter a sample stands for.
    pub(super) fn periods(&self) -> Samples {
        self.periods
    }

    /// Measures on the CPUs that are there now, if anything is measured.
    pub(super) fn follow_cpus(&mut self) -> Vec<Probe> {
        match sampling::cpus() {
            Ok(cpus) if self.measured() != 0 => self.sample(true, &cpus),
            // Those that cannot be listed are taken to be the same as before.
            _ => Vec::new(),
        }
    }

    fn sample(&mut self, is_wanted: bool, cpus: &[u32]) -> Vec<Probe> {
        let Some(object) = &mut self.object else {
            return Vec::new();
        };
        let probes = self.probes.iter_mut().skip(self.loaded.len());
        let mut changed = Vec::new();
        for (sampler, probe) in self.samplers.iter_mut().zip(probes) {
            let state = sampler.want(object, is_wanted, cpus);
            if state != probe.state {
                probe.state = state;
                probe.link = sampler.link_id();
                changed.push(probe.clone());
            }
        }
        changed
    }

    /// Detaches all of them for good.
    pub(super) fn detach(&mut self) {
        // Nothing more is written from here on, however long the rest takes; if it cannot be told, it goes on until then.
        let _as_before = self.report(0);
        self.loaded.clear();
        self.samplers.clear();
        self.called = None;
        self.object = None;
        self.probes
            .iter_mut()
            .filter(|probe| probe.state == State::Attached)
            .for_each(|probe| {
                (probe.state, probe.link) = (State::NotNeeded, None);
                probe.beside.iter_mut().for_each(|beside| beside.link = None);
            });
    }

    fn report(&mut self, kinds: u32) -> io::Result<()> {
        let notes = |probe: &Probe| probe.beside.iter().any(|beside| beside.name == "vespid_opened");
        let is_noted = |probe: &Probe| probe.state == State::Attached && notes(probe);
        let asked = if self.probes.iter().any(is_noted) { ASKED } else { 0 };
        self.wanted_map.set(0, kinds | asked, 0).map_err(map_error)?;
        self.wanted = kinds;
        Ok(())
    }

    /// Makes room in the table of owners. Those whose connection closed while nobody followed connections would stay in
    /// it for ever; the others are worth keeping, but nothing tells them apart. Cookies are never used twice, so that
    /// neither can be mistaken for another.
    fn make_room_for_owners(&mut self) {
        let cookies: Vec<u64> = self.owners.keys().filter_map(Result::ok).collect();
        if cookies.len() > MAX_OWNERS / 2 {
            for cookie in cookies {
                let _gone_already = self.owners.remove(&cookie);
            }
        }
    }
}

/// Removes all that there is in a table.
fn clear<const SIZE: usize>(table: &mut HashMap<MapData, u64, [u8; SIZE]>) {
    let keys: Vec<u64> = table.keys().filter_map(Result::ok).collect();
    for key in keys {
        let _gone_already = table.remove(&key);
    }
}

/// Waits until no program runs that did when this was called, if the kernel has a way to.
pub(super) fn wait_for_programs() {
    membarrier(MembarrierCommand::Global).unwrap_or_default();
}

pub(super) fn take_map(object: &mut Ebpf, name: &str) -> Result<Map, StartError> {
    let missing = || StartError::Ring(io::Error::other(format!("the object has no map {name}")));
    object.take_map(name).ok_or_else(missing)
}

pub(super) fn unusable(error: MapError) -> StartError {
    StartError::Ring(map_error(error))
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use vespid_ebpf::{ExecRaw, Header};
    use zerocopy::FromBytes;

    use super::*;
    use crate::kernel::links::{by_name, types};
    use crate::kernel::{Kernel, Settings, Way, btf, load};

    #[test]
    fn the_verifier_takes_the_programs_whichever_way_they_read() {
        let mut layout = btf::read().expect("types");
        for has_casts in [true, false] {
            if !has_casts && !layout.give_up_casts() {
                eprintln!("SKIPPED: this kernel has one way only");
                return;
            }
            let Ok((mut object, _)) = load::load(&Settings::default(), &layout) else {
                eprintln!("SKIPPED: BPF is not to be had here");
                return;
            };
            let loaded = Loaded::all(&mut object, &layout, Way::default()).expect("types");
            assert!(!loaded.iter().any(Loaded::is_rejected), "with casts: {has_casts}");
        }
    }

    #[test]
    fn a_kernel_that_refuses_what_reports_opens_loses_nothing_else() {
        let settings = Settings {
            kinds: 0,
            ..Settings::default()
        };
        let Ok(mut kernel) = Kernel::start(&settings) else {
            eprintln!("SKIPPED: BPF is not to be had here");
            return;
        };
        {
            let Programs { object, loaded, .. } = &mut kernel.programs;
            let mut programs = by_name(object.as_mut().expect("programs"));
            let is_for_opens = |probe: &&mut Loaded| probe.probe(State::NotNeeded).name == "vespid_open";
            let opens = loaded.iter_mut().find(is_for_opens).expect("a probe");
            let types = types().expect("types");
            while opens.refused().is_none() {
                opens.pass_over(&mut programs, "refused".to_owned());
                opens.load(&mut programs, &types);
            }
        }
        let changed = kernel.want(Kind::Open.bit() | Kind::Exec.bit()).expect("a change");
        let refused: Vec<&Probe> = (changed.iter()).filter(|probe| probe.unavailable().is_some()).collect();
        let [opens] = refused[..] else {
            panic!("{changed:?}");
        };
        assert_eq!((opens.name, opens.loses), ("vespid_open", "file opens"));

        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", ": </dev/null; exec /nowhere"]).stderr(Stdio::null());
        let mut shell = shell.spawn().expect("a shell");
        shell.wait().expect("its end");
        let mut seen = Vec::new();
        kernel.drain(usize::MAX, |record| {
            let (header, _) = Header::read_from_prefix(record).expect("a header");
            if header.pid == shell.id() {
                let errno = ExecRaw::read_from_prefix(record).map_or(0, |(exec, _)| exec.errno);
                seen.push((Kind::from_number(header.kind), errno));
            }
        });
        let failed = seen
            .iter()
            .filter(|(kind, errno)| *kind == Some(Kind::Exec) && *errno == 2);
        assert_eq!(failed.count(), 1, "{seen:?}");
        assert!(seen.iter().all(|(kind, _)| *kind != Some(Kind::Open)), "{seen:?}");
    }

    #[test]
    fn owners_of_connections_that_are_long_gone_make_room() {
        let settings = Settings {
            kinds: 0,
            ..Settings::default()
        };
        let Ok(mut kernel) = Kernel::start(&settings) else {
            eprintln!("SKIPPED: BPF is not to be had here");
            return;
        };
        // Beyond any cookie of this kernel.
        let fake = |number: usize| u64::MAX - number as u64;
        let connections = Kind::Connection.bit();
        for (count, are_kept) in [(MAX_OWNERS / 2 - 1_000, true), (MAX_OWNERS / 2 + 1, false)] {
            for number in 0..count {
                let owners = &mut kernel.programs.owners;
                owners.insert(fake(number), [0; OWNER_BYTES], 0).expect("room");
            }
            kernel.want(connections).expect("a change");
            let kept = |number: &usize| kernel.programs.owners.get(&fake(*number), 0).is_ok();
            assert_eq!((0..count).filter(kept).count(), if are_kept { count } else { 0 });
            kernel.want(0).expect("a change");
        }
    }
}
