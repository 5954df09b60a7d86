use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use super::*;
use crate::enrich::{Nothing, Options};
use crate::event::{Body, Exit, Known, Open, Subject};
use crate::recording::VERSION;

fn header() -> Header {
    Header {
        version: VERSION,
        node: "n1".into(),
        boot_id: String::new(),
        kernel: String::new(),
        created: 0,
        namespaces: crate::enrich::namespaces::FIXED,
        kinds: Vec::new(),
    }
}

fn event(number: u32) -> Event<'static> {
    let body = if number.is_multiple_of(2) {
        Body::Exit(Exit { code: 0, signal: 0 })
    } else {
        let path = vec![b'x'; 1_000].into();
        let typed = Vec::new().into();
        Body::Open(Open {
            path,
            typed,
            flags: 0,
            mode: 0,
            result: 3,
            path_kind: 1,
            traits: 0,
            count: 1,
        })
    };
    let subject = Subject {
        pid: number + 1,
        tid: number + 1,
        start: 5,
        uid: 0,
        gid: 0,
        cgroup: 0,
    };
    Event {
        time: u64::from(number),
        subject,
        body,
        namespaces: [0; 8],
    }
}

/// A store in memory that fails, or waits, when it is told to.
#[derive(Clone, Default)]
struct Fake {
    files: Arc<Mutex<Vec<String>>>,
    /// How many more times it fails.
    failures: Arc<AtomicU32>,
    /// What it waits for before each chunk.
    gate: Option<Receiver<()>>,
    due_every: usize,
}

impl Fake {
    fn fail(&self) -> Result<(), RecordingError> {
        let left = self.failures.load(Ordering::Relaxed);
        if left == 0 {
            return Ok(());
        }
        self.failures.store(left - 1, Ordering::Relaxed);
        Err(RecordingError::Io {
            file: "r.jsonl".into(),
            source: ErrorKind::StorageFull.into(),
        })
    }

    fn lines(&self) -> Vec<Vec<serde_json::Value>> {
        let files = self.files.lock().unwrap();
        let lines = |text: &String| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        files.iter().map(lines).collect()
    }
}

impl Store for Fake {
    fn begin(&mut self, _: &Header, context: &Chunk) -> Result<(), RecordingError> {
        self.fail()?;
        self.files
            .lock()
            .unwrap()
            .push(String::from_utf8(context.bytes().to_vec()).unwrap());
        Ok(())
    }

    fn append(&mut self, chunk: &Chunk) -> Result<(), RecordingError> {
        if let Some(gate) = &self.gate {
            // An error once all gates are open.
            gate.recv().unwrap_or_default();
        }
        self.fail()?;
        let mut files = self.files.lock().unwrap();
        files
            .last_mut()
            .unwrap()
            .push_str(std::str::from_utf8(chunk.bytes()).unwrap());
        Ok(())
    }

    fn is_due(&self) -> bool {
        let files = self.files.lock().unwrap();
        self.due_every > 0 && files.last().is_some_and(|text| text.len() > self.due_every)
    }

    fn finish(&mut self) -> Result<(), RecordingError> {
        Ok(())
    }

    fn bytes(&self) -> u64 {
        self.files.lock().unwrap().iter().map(|file| file.len() as u64).sum()
    }
}

fn table() -> ProcessTable {
    let mut table = ProcessTable::new(Options::default(), Box::new(Nothing));
    for pid in [1, 2] {
        let subject = Subject {
            pid,
            tid: pid,
            start: 5,
            uid: 0,
            gid: 0,
            cgroup: 0,
        };
        let image = crate::event::Image {
            ppid: pid - 1,
            comm: b"init".as_slice().into(),
            ..Default::default()
        };
        table.learn(&Known {
            subject,
            image,
            restated: None,
        });
    }
    table
}

/// Puts in so many events, and has them written beside that.
fn run(store: &Fake, when_full: WhenFull, events: u32, mut meanwhile: impl FnMut(u32)) -> Stage {
    let (mut tape, reel) = Tape::new(header(), "recorder", when_full);
    let (books, table) = (tape.books(), table());
    let writer = reel.start(store.clone()).unwrap();
    for number in 0..events {
        tape.pass_time(u64::from(number), &table, 0);
        tape.take(&event(number), Vec::new());
        meanwhile(number);
    }
    tape.end(u64::from(events), &table, 0);
    writer.join().unwrap().unwrap();
    books.stage()
}

/// Events and losses in all files.
fn counted(store: &Fake) -> (u64, u64) {
    let lines = store.lines().into_iter().flatten().collect::<Vec<_>>();
    let events = lines.iter().filter(|line| line.get("event").is_some()).count() as u64;
    let lost = lines
        .iter()
        .filter_map(|line| line.pointer("/lost/count")?.as_u64())
        .sum();
    (events, lost)
}

#[test]
fn everything_is_written_where_the_disk_is_waited_for() {
    let store = Fake {
        due_every: 400_000,
        ..Fake::default()
    };
    // Several times what may wait for the disk.
    let stage = run(&store, WhenFull::Wait, 30_000, |_| {});
    assert!(stage.is_closed());
    assert_eq!((stage.left.iter().sum::<u64>(), stage.total_dropped()), (30_000, 0));
    assert_eq!(counted(&store), (30_000, 0));
    let files = store.lines();
    assert!(files.len() > 2, "{}", files.len());
    for file in files {
        // Each begins with all that was known, parents first.
        assert_eq!(file[0].pointer("/known/pid"), Some(&1.into()));
        assert_eq!(file[1].pointer("/known/pid"), Some(&2.into()));
    }
}

#[test]
fn a_slow_disk_costs_whole_chunks_which_are_counted_and_said() {
    let (open, gate) = bounded(1024);
    let store = Fake {
        gate: Some(gate),
        ..Fake::default()
    };
    let mut open = Some(open);
    let stage = run(&store, WhenFull::Drop, 20_000, |number| {
        // The disk stands still until long after the queue is full.
        if number == 19_000 {
            open = None;
        }
    });
    assert!(stage.is_closed(), "{stage:?}");
    let dropped = stage.total_dropped();
    assert!(dropped > 1_000, "{stage:?}");
    assert_eq!(stage.entered.iter().sum::<u64>(), 20_000);
    assert_eq!(stage.dropped.keys().copied().collect::<Vec<_>>(), ["queue_full"]);
    assert_eq!(counted(&store), (20_000 - dropped, dropped));
}

#[test]
fn a_full_disk_is_tried_again_and_what_is_missing_is_said() {
    for failures in [1, 2, 7] {
        let store = Fake::default();
        let stage = run(&store, WhenFull::Wait, 5_000, |number| {
            if number == 1_000 {
                // A file that cannot be begun at first costs nothing.
                while store.files.lock().unwrap().is_empty() {
                    std::thread::yield_now();
                }
                store.failures.store(failures, Ordering::Relaxed);
            }
        });
        assert!(stage.is_closed(), "{stage:?}");
        let dropped = stage.total_dropped();
        assert!(stage.dropped.contains_key("disk_full"), "{stage:?}");
        assert_eq!(counted(&store), (5_000 - dropped, dropped), "{failures}");
    }
}

#[test]
fn a_disk_that_is_full_from_the_start_gets_its_first_file_later() {
    let store = Fake::default();
    store.failures.store(3, Ordering::Relaxed);
    let stage = run(&store, WhenFull::Wait, 5_000, |_| {});
    assert!(stage.is_closed() && stage.total_dropped() > 0, "{stage:?}");
    assert_eq!(counted(&store), (5_000 - stage.total_dropped(), stage.total_dropped()));
    assert!(store.lines()[0][0].get("known").is_some());
}
