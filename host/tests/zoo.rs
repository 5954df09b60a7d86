//! Every kind of hostile plugin there is, one after the other in one daemon, swapped in and out under load beside two
//! plugins that do their work. `VESPID_SOAK_SECONDS` has it go on in random order for so long.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test"
)]
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use vespid::config::Config;
use vespid::daemon::keeper::{Keeping, Seen};
use vespid::daemon::look_settings;
use vespid::daemon::plugins::{Plugins, Seating};
use vespid::daemon::reporter::VerdictOut;
use vespid::daemon::roster::{Roster, Running};
use vespid::enrich::{Nothing, Options, ProcessTable};
use vespid::event::Event;
use vespid::filter::Subscription;
use vespid::nest::Role;
use vespid::pipeline::{Origin, Outlet, Pipeline, Seat};
use vespid::plugin::{Cache, CacheLimits, Compiler, Delivery, Engine, PluginStats, Status};
use vespid::recording::Line;
use vespid::verdict::Record;
use vespid_ebpf::Kind;

mod support;

/// What a guest does, and what has to come of it.
enum Outcome {
    /// Calls fail for this reason, and in the end it is quarantined.
    Fails(&'static str),
    /// It does not even start, and the reason says this.
    Refused(&'static str),
    /// It goes on, as far as this says.
    Lives(fn(&PluginStats) -> bool),
}

use Outcome::{Fails, Lives, Refused};

/// A word in the component's bytes instead of the usual one, the configuration, the outcome.
const ANIMALS: &[(&str, &str, Outcome)] = &[
    ("", "", Lives(|stats| stats.on_batch.calls > 50)),
    ("", "batch = 'trap'", Fails("trap")),
    ("", "batch = 'spin'", Fails("deadline")),
    ("", "batch = 'recurse'", Fails("trap")),
    ("", "batch = 'allocate'", Fails("memory")),
    ("", "batch = 'error'", Fails("error_returned")),
    ("", "batch = 'chatter'", Fails("host_calls")),
    ("", "batch = 'bad-row'", Fails("bad_report")),
    ("", "batch = 'no-table'", Fails("bad_report")),
    ("", "batch = 'bad-series'", Fails("bad_report")),
    ("", "batch = 'bad-metric'", Fails("bad_report")),
    ("", "batch = 'bad-labels'", Fails("bad_report")),
    ("", "batch = 'nan'", Fails("bad_report")),
    ("", "batch = 'infinite'", Fails("bad_report")),
    ("", "batch = 'negative'", Fails("bad_report")),
    ("", "batch = 'uneven'", Fails("bad_report")),
    ("", "batch = 'half'", Fails("bad_report")),
    ("", "batch = 'giant-message'", Fails("bad_report")),
    ("", "batch = 'many-verdicts'", Fails("bad_report")),
    ("", "batch = 'giant-report'", Fails("oversized")),
    ("", "batch = 'not-utf-8'", Fails("trap")),
    ("", "tick = 'trap'", Fails("trap")),
    ("", "batch = 'flood'", Lives(|stats| stats.log_lines_dropped > 10_000)),
    ("", "batch = 'million-series'", Lives(|stats| stats.on_batch.calls > 20)),
    ("", "batch = 'hostile-labels'", Lives(|stats| stats.on_batch.calls > 20)),
    ("", "batch = 'leak'", Lives(|stats| stats.renewals > 2)),
    (
        "",
        "snapshot = 'trap'",
        Lives(|stats| stats.failures.contains_key("trap")),
    ),
    (
        "",
        "snapshot = 'spin'",
        Lives(|stats| stats.failures.contains_key("deadline")),
    ),
    (
        "",
        "snapshot = 'giant'",
        Lives(|stats| stats.failures.contains_key("memory")),
    ),
    (
        "",
        "restore = 'trap'",
        Refused("when it was handed the state of the old one"),
    ),
    ("", "restore = 'spin'", Refused("did not return in time")),
    ("", "restore = 'cold'", Lives(|stats| stats.on_batch.calls > 50)),
    ("", "init = 'error'", Refused("the keeper said no")),
    ("", "init = 'trap'", Refused("does not start")),
    ("", "init = 'spin'", Refused("did not return in time")),
    ("", "batsh = 'trap'", Refused("did you mean `batch`?")),
    ("with-trap-in-it", "", Refused("could not describe itself")),
    ("without-any-end", "", Refused("did not return in time")),
    ("the-hosts-names", "", Refused("describes itself wrongly")),
    ("unsorted-bounds", "", Refused("describes itself wrongly")),
    ("too-many-things", "", Refused("itself")),
    ("broken-schema-a", "", Refused("describes itself wrongly")),
    ("changed-metrics", "", Lives(|stats| stats.on_batch.calls > 50)),
    ("other-tables-on", "", Lives(|stats| stats.on_batch.calls > 5)),
];

const LIMITS: &str = "\n[vespid.limits]\ndeadline_ms = 400\nstart_deadline_ms = 800\nmemory_bytes = 16777216\n\
                      report_bytes = 2097152\nsnapshot_every_s = 1\nmax_series = 1000\n";

/// A configuration of file-audit for which no filter leaves out an open.
const EVERY_OPEN: &str = "[[rules]]\nkey = 'all'\nprefix = '/'\naccess = 'rwd'\nseverity = 'info'\n";

/// The collector's part, driven by a recording.
struct Belt {
    pipeline: Pipeline,
    seated: Vec<Arc<Running>>,
}

#[derive(Clone)]
struct Seats(Arc<Mutex<Belt>>);

impl Seats {
    fn lock(&self) -> MutexGuard<'_, Belt> {
        self.0.lock().expect("nobody panics with it")
    }
}

impl Seating for Seats {
    fn sit(&self, running: &Arc<Running>) {
        let Belt { pipeline, seated } = &mut *self.lock();
        seated.push(running.clone());
        pipeline.subscribe(running.seat, &running.worker.subscription(), &mut Out(seated));
    }

    fn settle(&self) -> u64 {
        0
    }

    fn want(&self, seat: Seat, subscription: &Subscription) {
        let Belt { pipeline, seated } = &mut *self.lock();
        pipeline.subscribe(seat, subscription, &mut Out(seated));
    }

    fn leave(&self, seat: Seat) {
        let Belt { pipeline, seated } = &mut *self.lock();
        pipeline.unsubscribe(seat, &mut Out(seated));
        seated.retain(|running| running.seat != seat);
    }
}

/// The good ones are waited for, so that they have no reason to lose anything.
struct Out<'a>(&'a [Arc<Running>]);

impl Outlet for Out<'_> {
    fn deliver(&mut self, seat: Seat, delivery: &Delivery) {
        let running = self.0.iter().find(|running| running.seat == seat).expect("it sits");
        if running.name == "zoo" {
            running.worker.offer(delivery.clone());
        } else {
            running.worker.send(delivery.clone());
        }
    }
}

struct Nowhere;

impl VerdictOut for Nowhere {
    fn put(&mut self, _: Record) {}
}

/// A recording over and over. Its time is four times as fast as the clock's and no faster: how often a plugin fails
/// within a minute of events may not depend on how fast this machine reads them.
fn feed(seats: &Seats, stop: &AtomicBool, opens: &AtomicU64) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/web-shell.jsonl.zst");
    let text = zstd::decode_all(fs::File::open(file).expect("a fixture")).expect("zstd");
    let text = String::from_utf8(text).expect("JSON Lines");
    let lines: Vec<&str> = text.lines().skip(1).collect();
    let first = lines.iter().find_map(|line| match serde_json::from_str(line) {
        Ok(Line::Event(event)) => Some(event.time),
        _ => None,
    });
    let first = first.expect("an event");
    let begin = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        for line in &lines {
            let Ok(Line::Event(event)) = serde_json::from_str::<Line<'_>>(line) else {
                continue;
            };
            let elapsed = u64::try_from(begin.elapsed().as_nanos()).expect("less than centuries");
            let event = Event {
                time: first + 4 * elapsed,
                ..event
            };
            if event.body.kind() == Kind::Open {
                opens.fetch_add(1, Ordering::Relaxed);
            }
            let Belt { pipeline, seated } = &mut *seats.lock();
            pipeline.take(&event, &mut Out(seated));
        }
        // Nobody waits for the zoo; leave it some time.
        std::thread::sleep(Duration::from_millis(1));
    }
    let Belt { pipeline, seated } = &mut *seats.lock();
    pipeline.flush(&mut Out(seated));
}

struct House {
    directory: tempfile::TempDir,
    keeping: Keeping,
    roster: Roster,
    seen: Seen,
    zoo: Vec<u8>,
    stamp: u64,
}

impl House {
    fn new(seats: &Seats) -> House {
        let directory = tempfile::tempdir().expect("a directory");
        for name in ["file-audit", "exec-anomaly"] {
            let from = support::plugins().join(name).with_extension("wasm");
            fs::copy(from, directory.path().join(name).with_extension("wasm")).expect("copied");
        }
        fs::write(directory.path().join("file-audit.toml"), EVERY_OPEN).expect("written");
        let config = Config::parse(Path::new("test"), "").expect("the defaults");
        let (roster, seen) = (Roster::default(), Seen::default());
        let outs = Box::new(|| Box::new(Nowhere) as Box<dyn VerdictOut>);
        let cache = Cache::open(&support::code(), CacheLimits::default()).expect("a cache");
        let engine = Engine::with(Compiler::InProcess, Some(cache)).expect("an engine");
        let (origin, seats) = (Origin::default(), Box::new(seats.clone()));
        let plugins = Plugins::new(engine, &config, &origin, roster.clone(), seats, outs, None);
        let mut house = House {
            keeping: Keeping::new(directory.path(), &look_settings(&config), plugins, seen.clone()),
            directory,
            roster,
            seen,
            zoo: fs::read(support::zoo()).expect("the zoo"),
            stamp: 0,
        };
        house.look();
        assert_eq!(house.roster.all().len(), 2, "{:?}", house.seen.directory().refused);
        house
    }

    /// Puts an animal into the directory. Always with other bytes than before, so that it is looked at.
    fn admit(&mut self, word: &str, config: &str) {
        self.stamp += 1;
        let mut bytes = self.zoo.clone();
        let usual = b"describe:as-it-should-be";
        let at = bytes
            .windows(usual.len())
            .position(|window| window == usual)
            .expect("its word");
        if !word.is_empty() {
            bytes[at..at + usual.len()].copy_from_slice(format!("describe:{word}").as_bytes());
        }
        let path = self.directory.path();
        let config = format!("# {}\n{config}\n{LIMITS}", self.stamp);
        fs::write(path.join("zoo.toml.new"), config).expect("written");
        fs::rename(path.join("zoo.toml.new"), path.join("zoo.toml")).expect("renamed");
        if fs::read(path.join("zoo.wasm")).ok().as_deref() != Some(&bytes) {
            fs::write(path.join("zoo.new"), bytes).expect("written");
            fs::rename(path.join("zoo.new"), path.join("zoo.wasm")).expect("renamed");
        }
        self.look();
    }

    fn look(&mut self) {
        while self.keeping.look(false).expect("it can be read").look_again {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn zoo_stats(&self) -> Option<PluginStats> {
        self.roster
            .find(Role::Active, "zoo")
            .map(|running| running.worker.stats())
    }

    fn refusal(&self) -> Option<String> {
        self.seen
            .directory()
            .refused
            .into_iter()
            .next()
            .map(|(_, reason)| reason)
    }

    fn remove(&mut self) {
        for file in ["zoo.wasm", "zoo.toml"] {
            fs::remove_file(self.directory.path().join(file)).expect("removed");
        }
        self.keeping.look(false).expect("it can be read");
        assert!(self.zoo_stats().is_none());
    }

    /// Lets an animal in, and waits for what has to come of it.
    fn visit(&mut self, (word, config, outcome): &(&str, &str, Outcome)) {
        // One that a well-behaved version runs before, so that there is a state.
        self.admit("", "");
        self.wait(|stats| stats.on_batch.calls > 5, "an ordinary animal is called");
        self.admit(word, config);
        let what = format!("{word} {config}");
        match outcome {
            Refused(part) => {
                let why = self.refusal().unwrap_or_else(|| panic!("{what} was not refused"));
                assert!(why.contains(part), "{what}: {why}");
                assert!(
                    !self
                        .zoo_stats()
                        .is_some_and(|stats| stats.status == Status::Quarantined)
                );
            }
            Fails(reason) => {
                self.wait(
                    |stats| stats.status == Status::Quarantined && stats.failures.contains_key(reason),
                    &what,
                );
            }
            Lives(has_lived) => {
                assert_eq!(self.refusal(), None, "{what}");
                self.wait(has_lived, &what);
            }
        }
        self.remove();
    }

    fn wait(&self, is_so: impl Fn(&PluginStats) -> bool, what: &str) {
        let begin = Instant::now();
        loop {
            let stats = self.zoo_stats();
            if stats.as_ref().is_some_and(&is_so) {
                return;
            }
            assert!(begin.elapsed() < Duration::from_secs(60), "{what}: {stats:?}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

fn resident_bytes() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").expect("proc");
    let pages: u64 = statm.split(' ').nth(1).expect("a field").parse().expect("a number");
    pages * 4_096
}

#[test]
fn whatever_a_plugin_does_it_does_to_itself() {
    let origin = Origin::default();
    let table = ProcessTable::new(Options::default(), Box::new(Nothing));
    let pipeline = Pipeline::new(&Config::default().batch, &origin, table);
    let seats = Seats(Arc::new(Mutex::new(Belt {
        pipeline,
        seated: Vec::new(),
    })));
    let mut house = House::new(&seats);
    let (stop, opens) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let feeder = {
        let (seats, stop, opens) = (seats.clone(), stop.clone(), opens.clone());
        std::thread::spawn(move || feed(&seats, &stop, &opens))
    };
    // The first of them settles what stays in memory for good: compiled code, threads' stacks, the allocator's heaps.
    house.visit(&ANIMALS[0]);
    let before = resident_bytes();
    ANIMALS.iter().for_each(|animal| house.visit(animal));

    let soak = std::env::var("VESPID_SOAK_SECONDS")
        .ok()
        .and_then(|seconds| seconds.parse().ok());
    let end = Instant::now() + Duration::from_secs(soak.unwrap_or(0));
    let mut at = 7_usize;
    let mut visits = ANIMALS.len();
    while Instant::now() < end {
        at = (at * 31 + 17) % ANIMALS.len();
        house.visit(&ANIMALS[at]);
        visits += 1;
    }
    let after = resident_bytes();

    stop.store(true, Ordering::Relaxed);
    feeder.join().expect("it feeds to the end");
    for name in ["file-audit", "exec-anomaly"] {
        let running = house.roster.find(Role::Active, name).expect("it still runs");
        running.worker.settle();
        let stats = running.worker.stats();
        assert_eq!((stats.status, stats.restarts), (Status::Running, 0), "{name}");
        assert!(
            stats.stage.is_closed() && stats.stage.total_dropped() == 0,
            "{name}: {:?}",
            stats.stage
        );
        if name == "file-audit" {
            assert_eq!(stats.stage.left[Kind::Open.index()], opens.load(Ordering::Relaxed));
        }
    }
    eprintln!(
        "{visits} visits, {} opens each neighbour; resident {} MB before, {} MB after",
        opens.load(Ordering::Relaxed),
        before >> 20,
        after >> 20
    );
    assert!(after < before + (96 << 20), "{before} bytes before, {after} after");
}
