//! The kernel side seen from the daemon: loading the programs, draining their ring, reading their books.
//!
//! The programs themselves are in `host-ebpf`. A probe that cannot run says why and what is lost without it; only the
//! probes that carry the process tree stop the daemon.
mod attach;
mod btf;
mod counters;
mod hooks;
mod load;
mod objects;
mod programs;
mod ring;
mod sieve;
mod survey;
mod types;

use std::io;
use std::time::{Duration, Instant};

use vespid_ebpf::Kind;

use crate::filter::Sift;

pub use attach::{Beside, PassedOver, Probe, State};
pub use counters::Counters;
pub use hooks::Way;
pub use load::StartError;
pub use objects::{Inventory, MapFacts, Objects, Program};
pub use survey::{CgroupLayout, Check, Survey, survey};

/// Ring size that is enough for about 50,000 records.
pub const DEFAULT_RING_BYTES: u32 = 8 * 1024 * 1024;

/// What the kernel side is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Mask of the kinds ([`Kind::bit`]) that are wanted at first: see [`Kernel::want`].
    pub kinds: u32,
    /// Size of the ring in bytes: a power of two, at least a page.
    pub ring_bytes: u32,
    /// The best way in which probes are tried.
    pub prefer: Way,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            kinds: Kind::ALL.iter().fold(0, |mask, kind| mask | kind.bit()),
            ring_bytes: DEFAULT_RING_BYTES,
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
    objects: Objects,
    started_in: Duration,
    btf_read_in: Duration,
}

impl Kernel {
    /// Loads and attaches what `settings` asks for. Events arrive from here on.
    ///
    /// # Errors
    /// If no process tree can be had: see [`StartError`]. Nothing stays attached then.
    pub fn start(settings: &Settings) -> Result<Kernel, StartError> {
        let began = Instant::now();
        load::check_capabilities()?;
        let layout = btf::read()?;
        let (mut object, deliverable) = load::load(settings, &layout)?;
        let objects = Objects::of_maps(&object);
        let loaded = attach::Loaded::all(&mut object, &layout, settings.prefer)?;
        let objects = objects.with_programs(&object);
        let ring = ring::Ring::open(&mut object).map_err(StartError::Ring)?;
        let books = counters::Books::open(&mut object, objects.clone()).map_err(StartError::Ring)?;
        let sieves = sieve::Sieves::open(&mut object)?;
        let programs = programs::Programs::start(object, loaded, deliverable, settings.kinds)?;
        Ok(Kernel {
            ring,
            books,
            programs,
            sieves,
            objects,
            started_in: began.elapsed(),
            btf_read_in: layout.read_in,
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
        self.programs.want(kinds)
    }

    /// Has the programs leave out what `sift` does: calls that nobody wants, of kinds that somebody does. At first nothing
    /// is left out. From one moment on every call is judged anew; none is judged by neither.
    ///
    /// # Errors
    /// If the programs cannot be told. They go on as before then.
    pub fn sift(&mut self, sift: &Sift) -> io::Result<()> {
        self.sieves.put(sift)
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

    /// Detaches all probes. What is in the ring can still be drained, and the counters do not move any more.
    pub fn detach(&mut self) {
        self.books.close();
        self.programs.detach();
    }

    /// What the programs wrote and what they had to give up, since the start.
    pub fn counters(&self) -> Counters {
        self.books.read()
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

    /// How much of that went into finding the kernel's structures.
    #[must_use]
    pub fn btf_read_in(&self) -> Duration {
        self.btf_read_in
    }
}
