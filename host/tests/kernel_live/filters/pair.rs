//! A kernel with filters beside one without: what a plugin gets of either.
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use vespid::decode::{Clock, Scratch, decode, image_of};
use vespid::enrich::procfs::Procfs;
use vespid::enrich::{Options, ProcessTable, namespaces};
use vespid::event::Body;
use vespid::filter::{FilterText, Sift, Subscription, Whose};
use vespid::interface::vespid::plugin::describe::Kinds;
use vespid::kernel::{Images, Introduced, Kernel, Settings};

use crate::harness::{Live, live};

/// A kernel with filters beside one without, each with a table of processes of its own.
pub(super) struct Pair {
    pub(super) whole: Live,
    pub(super) sifted: Kernel,
    tables: [ProcessTable; 2],
    clock: Clock,
    folder: tempfile::TempDir,
}

/// What a plugin got of one run.
pub(super) struct Seen {
    /// Held against the plugin's own filters, with nothing left out before.
    pub(super) expected: Vec<Value>,
    /// The same of what the kernel let through.
    pub(super) got: Vec<Value>,
    /// How many events the kernel let through.
    pub(super) passed: usize,
    /// And how many there were.
    pub(super) all: usize,
}

impl Seen {
    /// Whether an open of this file is wanted.
    pub(super) fn opened(&self, file: &Path) -> bool {
        let file = file.display().to_string();
        self.got.iter().any(|event| event["open"]["path"] == file.as_str())
    }

    /// That what the plugin got is what it wanted, that this is something, and that the kernel left out something else.
    pub(super) fn check(&self, filters: &str) {
        assert_eq!(self.got, self.expected, "{filters}");
        assert!(self.passed < self.all, "{filters} left nothing out of {}", self.all);
        assert!(!self.expected.is_empty(), "{filters} is about nothing here");
    }
}

pub(super) fn subscription(tables: Kinds, filters: &str) -> Subscription {
    let given: FilterText = filters.parse().expect("filters");
    Subscription::new(&given.0, tables).expect("they make sense")
}

/// An event without what two programs that saw it cannot agree about.
fn settled(mut event: Value) -> Value {
    event.as_object_mut().map(|event| event.remove("time"));
    let connection = event.get_mut("connection").and_then(Value::as_object_mut);
    connection.map(|connection| connection.remove("duration"));
    event
}

impl Pair {
    pub(super) fn start() -> Option<Pair> {
        let whole = live()?;
        let clock = Clock::now();
        let tables = [(), ()].map(|()| {
            let procfs = || Procfs::new(clock.boot_to_unix_ns);
            let mut table = ProcessTable::new(Options::default(), Box::new(procfs()));
            for known in procfs().processes().expect("/proc") {
                table.learn(&known);
            }
            table
        });
        Some(Pair {
            whole,
            sifted: Kernel::start(&Settings::default()).expect("a second one"),
            tables,
            clock,
            folder: tempfile::tempdir().expect("a folder"),
        })
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().canonicalize().expect("its path")
    }

    /// Lets the kernel leave out what `subscription` does not want, while `command` runs.
    pub(super) fn run(&mut self, subscription: &Subscription, command: &mut Command) -> Seen {
        let sift = Sift::of([subscription], &namespaces::of_the_node());
        self.sifted.sift(&sift).expect("a sieve");
        self.whole.kernel.sift(&sift.opened()).expect("a sieve");
        let Pair {
            whole,
            sifted,
            tables: [whole_table, table],
            clock,
            ..
        } = self;
        let mut expected = Taking::new(subscription, whole_table, clock);
        let mut got = Taking::new(subscription, table, clock);
        // Nothing from before.
        expected.take(&mut whole.kernel);
        got.take(sifted);
        let mut images = sifted.images();
        if images.are_due() {
            let there = got.table.iter().filter(|process| !process.has_ended());
            images.introduce(there.map(|process| Introduced {
                pid: process.pid,
                start_ns: clock.since_boot(process.start),
                exe: process.exe(),
                place: process.is_contained(),
            }));
        }
        let mut child = command.stdin(Stdio::null()).spawn().expect("a child");
        expected.watched.insert(child.id());
        got.watched.insert(child.id());
        loop {
            let has_ended = child.try_wait().expect("a child").is_some();
            expected.take(&mut whole.kernel);
            got.take(sifted);
            // All that it did was in the ring by then; others may never stop.
            if has_ended {
                break;
            }
            whole.kernel.wait(Duration::from_millis(1)).expect("a ring");
        }
        Seen {
            expected: expected.wanted,
            all: expected.all,
            got: got.wanted,
            passed: got.all,
        }
    }
}

/// What comes of one of the two.
struct Taking<'a> {
    subscription: &'a Subscription,
    table: &'a mut ProcessTable,
    clock: &'a Clock,
    node: [u32; 8],
    /// The process that is about, and its children.
    watched: HashSet<u32>,
    all: usize,
    wanted: Vec<Value>,
}

impl<'a> Taking<'a> {
    fn new(subscription: &'a Subscription, table: &'a mut ProcessTable, clock: &'a Clock) -> Taking<'a> {
        Taking {
            subscription,
            table,
            clock,
            node: namespaces::of_the_node(),
            watched: HashSet::new(),
            all: 0,
            wanted: Vec::new(),
        }
    }

    /// Takes what there is, as the daemon does.
    fn take(&mut self, kernel: &mut Kernel) {
        let mut scratch = Scratch::default();
        kernel.drain_answering(usize::MAX, |record, images| self.one(record, images, &mut scratch));
    }

    fn one(&mut self, record: &[u8], images: &mut Images<'_>, scratch: &mut Scratch) {
        let event = decode(record, self.clock, scratch).expect("a good record");
        let attribution = self.table.observe(&event);
        let process = attribution.process.and_then(|id| self.table.get(id));
        if let Some(process) = process {
            images.learn(image_of(record), process.exe(), process.is_contained());
        }
        if !self.watched.contains(&event.subject.pid) {
            return;
        }
        if let Body::Fork(fork) = &event.body {
            self.watched.insert(fork.child_pid);
        }
        let table = Kinds::of(event.body.kind());
        if table == Kinds::empty() || !self.subscription.tables.contains(table) {
            return;
        }
        self.all += 1;
        let whose = Whose {
            process,
            is_contained: attribution.container.is_some(),
            node: &self.node,
        };
        if self.subscription.filters.want(&event, &whose) {
            self.wanted
                .push(settled(serde_json::to_value(&event).expect("an event")));
        }
    }
}
