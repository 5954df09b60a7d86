//! The kernel side seen from the daemon: loading the programs, draining their ring, reading their books.
//!
//! The programs themselves are in `host-ebpf`. A probe that cannot run says why and what is lost without it; only the
//! probes that carry the process tree stop the daemon.
mod answers;
mod attach;
mod btf;
mod cgroups;
mod counters;
mod hooks;
mod links;
mod load;
mod merged;
mod objects;
mod programs;
mod ring;
mod sampling;
mod shares;
mod sieve;
mod survey;
mod types;
mod usage;

use std::io;
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit, setrlimit};
use vespid_ebpf::{Kind, ResourceOp};

use crate::filter::Sift;

pub use answers::{Images, Introduced};
pub use attach::{Beside, PassedOver, Probe, State};
pub use cgroups::Cgroups;
pub use counters::Counters;
pub use hooks::Way;
pub use load::StartError;
pub use objects::{Inventory, MapFacts, Objects, Program};
pub use sampling::DEFAULT_SAMPLE_HZ;
pub use survey::{CgroupLayout, Check, Level, Survey, Topic, survey};
pub use usage::{Group, Used};

/// Ring size that is enough for about 50,000 records.
pub const DEFAULT_RING_BYTES: u32 = 8 * 1024 * 1024;

/// What the kernel side is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Mask of the kinds ([`Kind::bit`]) that are wanted at first: see [`Kernel::want`].
    pub kinds: u32,
    /// Size of the ring in bytes: a power of two, at least a page.
    pub ring_bytes: u32,
    /// Whether control groups get no more than their share of a ring that fills: see [`vespid_ebpf::share`].
    pub fair: bool,
    /// How often a second the CPU clock is looked at, on each CPU.
    pub sample_hz: u32,
    /// The best way in which probes are tried.
    pub prefer: Way,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            kinds: Kind::ALL.iter().fold(0, |mask, kind| mask | kind.bit()),
            ring_bytes: DEFAULT_RING_BYTES,
            fair: true,
            sample_hz: DEFAULT_SAMPLE_HZ,
            prefer: Way::default(),
        }
    }
}

/// The running probes. Dropping it detaches all of them and frees their maps.
#[derive(Debug)]
pub struct Kernel {
    ring: ring::Ring,
    books: counters::Books,
    programs: programs::Programs,
    sieves: sieve::Sieves,
    shares: shares::Shares,
    remainders: merged::Remainders,
    usage: usage::Usage,
    objects: Objects,
    started_in: Duration,
    btf_read_in: Duration,
    reads_by_loads: bool,
}

/// Allows as many descriptors as can be allowed: each probe on each CPU of a large machine takes one.
fn allow_descriptors() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::debug!("the limit of open files stays as it is: {error}");
    }
}

impl Kernel {
    /// Loads and attaches what `settings` asks for. Events arrive from here on.
    ///
    /// # Errors
    /// If no process tree can be had: see [`StartError`]. Nothing stays attached then.
    pub fn start(settings: &Settings) -> Result<Kernel, StartError> {
        let began = Instant::now();
        load::check_capabilities()?;
        allow_descriptors();
        let mut layout = btf::read()?;
        let (mut object, deliverable) = load::load(settings, &layout)?;
        let mut loaded = attach::Loaded::all(&mut object, &layout, settings.prefer)?;
        // What a kernel has against a program may be how that reads.
        if loaded.iter().any(attach::Loaded::is_rejected) && layout.give_up_casts() {
            tracing::debug!("the kernel rejects a program; all of them read by its helper instead");
            object = load::load(settings, &layout)?.0;
            loaded = attach::Loaded::all(&mut object, &layout, settings.prefer)?;
        }
        let objects = Objects::of_maps(&object);
        let samplers = sampling::Sampler::all(&mut object, &layout, settings.sample_hz);
        let objects = objects.with_programs(&object);
        let ring = ring::Ring::open(&mut object).map_err(StartError::Ring)?;
        let books = counters::Books::open(&mut object, objects.clone()).map_err(StartError::Ring)?;
        let sieves = sieve::Sieves::open(&mut object)?;
        let shares = shares::Shares::open(&mut object)?;
        let remainders = merged::Remainders::open(&mut object)?;
        let usage = usage::Usage::open(&mut object)?;
        let programs = programs::Programs::start(object, loaded, samplers, deliverable, settings.kinds)?;
        Ok(Kernel {
            ring,
            books,
            programs,
            sieves,
            shares,
            remainders,
            usage,
            objects,
            started_in: began.elapsed(),
            btf_read_in: layout.read_in,
            reads_by_loads: layout.cast.is_some(),
        })
    }

    /// Has just the probes run that these kinds need, and says which of them changed. What was wanted before and still
    /// is goes on without a gap: no event is lost, and the ring and the counters continue.
    ///
    /// Forks, execs and exits are always reported, since processes are known by them. [`Kind::Exec`] in `kinds` asks for
    /// execs that failed as well; they, like opens and accepted connections, can only be seen where every system call
    /// returns, which costs each of them some 100 ns. Without any of these kinds nothing is attached there.
    ///
    /// A connection that began while nobody wanted connections has no owner in what is reported of it later.
    ///
    /// A probe that cannot be attached is not an error: its [`State`] says why, and it is tried again next time.
    /// Before Linux 5.19 the calling thread needs the same capabilities as for [`Kernel::start`].
    ///
    /// # Errors
    /// If the programs cannot be told, or after [`Kernel::detach`].
    pub fn want(&mut self, kinds: u32) -> io::Result<Vec<Probe>> {
        let passing = self.sieves.may_pass(Kind::Resource, ResourceOp::Usage as usize);
        let begins = self.programs.measured() == 0;
        let changed = self.programs.want(kinds, passing)?;
        if begins && self.programs.measured() != 0 {
            // What is there has been there since nobody wanted it any more. The little of the new interval that goes with it
            // is before its beginning.
            self.usage.take(true, &self.programs.periods(), |_| {});
        }
        Ok(changed)
    }

    /// Which [counters](vespid_ebpf::usage::Counter) of resources are measured at the moment, as bits. None if nobody
    /// wants usage.
    #[must_use]
    pub fn measured(&self) -> u32 {
        self.programs.measured()
    }

    /// Begins another interval of usage. What was used until now can be had by [`Kernel::take_usage`]: soon, but not at
    /// once, as a program may just be charging somebody.
    ///
    /// Also follows CPUs that have come and gone; what changes by that is returned.
    ///
    /// # Errors
    /// If the programs cannot be told.
    pub fn turn_usage(&mut self) -> io::Result<Vec<Probe>> {
        self.usage.turn()?;
        Ok(self.programs.follow_cpus())
    }

    /// What control groups used in the interval before this one, once. After [`Kernel::detach`], in this one too.
    pub fn take_usage(&mut self, f: impl FnMut(Used)) {
        let is_all = self.programs.measured() == 0;
        self.usage.take(is_all, &self.programs.periods(), f);
    }

    /// Has the programs leave out what `sift` does: calls that nobody wants, of kinds that somebody does. At first nothing
    /// is left out. From one moment on every call is judged anew; none is judged by neither.
    ///
    /// # Errors
    /// If the programs cannot be told. They go on as before then.
    pub fn sift(&mut self, sift: &Sift) -> io::Result<()> {
        self.sieves.put(sift)?;
        self.remainders.expect(sift.sieve.merge_ns > 0);
        Ok(())
    }

    /// Waits until enough is pending to be worth it, but no longer than `timeout`: little stays in the ring without a
    /// wakeup, so this should be some 10 ms.
    ///
    /// # Errors
    /// If the ring cannot be polled. An interrupting signal is not an error.
    pub fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        self.ring.wait(timeout)
    }

    /// Gives up to `limit` records to `f`, oldest first and in place, and says how many there were.
    pub fn drain(&mut self, limit: usize, f: impl FnMut(&[u8])) -> usize {
        self.ring.drain(limit, f)
    }

    /// Like [`Kernel::drain`], for who answers what the programs ask of images.
    pub fn drain_answering(&mut self, limit: usize, mut f: impl FnMut(&[u8], &mut Images<'_>)) -> usize {
        let Kernel { ring, sieves, .. } = self;
        let mut images = sieves.images();
        ring.drain(limit, |record| f(record, &mut images))
    }

    /// What the programs are told of who runs what.
    pub fn images(&mut self) -> Images<'_> {
        self.sieves.images()
    }

    /// Gives to `f` a record for each file of which opens were merged and none has followed since, and says how many there
    /// were. To be called some times a second; after [`Kernel::detach`] it gives all that is left. Where nothing is merged
    /// it costs nothing.
    ///
    /// # Errors
    /// If the programs' books cannot be reached.
    pub fn take_merged(&mut self, f: impl FnMut(&[u8])) -> io::Result<usize> {
        let all = self.programs.are_detached();
        self.remainders.take(all, f)
    }

    /// Detaches all probes. What is in the ring can still be drained, and the counters do not move any more.
    pub fn detach(&mut self) {
        self.books.close();
        self.programs.detach();
    }

    /// What the programs wrote and what they had to give up, since the start.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let mut counters = self.records();
        counters.missed_runs = self.missed_runs();
        counters
    }

    /// The same without [`Counters::missed_runs`], which is most of the work: a system call for each counter.
    #[must_use]
    pub fn records(&self) -> Counters {
        self.books.records()
    }

    /// [`Counters::missed_runs`] alone, for which each program's file in /proc is read: some ten system calls.
    #[must_use]
    pub fn missed_runs(&self) -> u64 {
        self.books.missed_runs()
    }

    /// By control group (its id in the v2 hierarchy), how many records of each kind were given up for want of room, as far
    /// as that is still known: those that gave up nothing for long are forgotten when there are too many. To be read after
    /// [`Kernel::counters`], so that nothing is counted there that is not here.
    pub fn given_up(&self) -> Vec<(u64, [u64; Kind::ALL.len()])> {
        self.shares.given_up()
    }

    /// Each probe, running or not.
    #[must_use]
    pub fn probes(&self) -> &[Probe] {
        self.programs.probes()
    }

    /// The programs and maps, for who wants to look at them later. Valid until [`Kernel::detach`].
    #[must_use]
    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    /// How long [`Kernel::start`] took.
    #[must_use]
    pub fn started_in(&self) -> Duration {
        self.started_in
    }

    /// Whether the programs read the kernel's structures by plain loads, and not by a helper, which takes ten times as long.
    #[must_use]
    pub fn reads_by_loads(&self) -> bool {
        self.reads_by_loads
    }

    /// How much of that went into finding the kernel's structures.
    #[must_use]
    pub fn btf_read_in(&self) -> Duration {
        self.btf_read_in
    }
}
