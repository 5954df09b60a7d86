//! Runtimes that fail, in each of their ways. What one that works says is tested with a real containerd.
use std::os::unix::net::UnixListener;
use std::thread::JoinHandle;

use super::*;

const WAIT: Duration = Duration::from_secs(30);

fn container(id: &str, runtime: &str) -> Container {
    let mut container = Container::default();
    container.id = id.as_bytes().into();
    container.runtime = runtime.as_bytes().into();
    container
}

/// A way to runtimes with these sockets, and the thread behind it.
struct Asked {
    runtimes: Runtimes,
    thread: JoinHandle<std::io::Result<()>>,
}

impl Asked {
    fn new(sockets: &[PathBuf], wait: Duration) -> Asked {
        let settings = Settings {
            sockets: sockets.to_vec(),
            node: String::new(),
            wait,
        };
        let (runtimes, resolver) = Runtimes::new(settings);
        let thread = std::thread::spawn(move || resolver.run());
        Asked { runtimes, thread }
    }

    /// Asks about a container of containerd's, waits for the answer, and says how often each came of asking so far.
    fn ask(&mut self, id: &str) -> Vec<(&'static str, u64)> {
        let container = container(id, "containerd");
        // A wait is never longer than what has been saved; here the answer itself is what is waited for.
        self.runtimes.share = Share::new(1, WAIT);
        assert_eq!(self.runtimes.describe(&container), None);
        self.counts()
    }

    fn counts(&self) -> Vec<(&'static str, u64)> {
        let counts = Outcome::ALL.into_iter().zip(self.runtimes.lookups.read());
        counts
            .filter(|(_, count)| *count > 0)
            .map(|(outcome, count)| (outcome.as_str(), count))
            .collect()
    }

    /// The thread ends when nobody can ask any more.
    fn end(self) {
        drop(self.runtimes);
        self.thread.join().expect("no panic").expect("an event loop");
    }
}

#[test]
fn a_node_without_a_runtime_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let mut asked = Asked::new(&[folder.path().join("none.sock")], WAIT);
    assert_eq!(asked.ask("a"), [("no_runtime", 1)]);
    asked.end();
}

#[test]
fn a_dead_socket_is_left_alone_for_a_while() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dead.sock");
    drop(UnixListener::bind(&path).unwrap());
    let mut asked = Asked::new(&[path], WAIT);
    assert_eq!(asked.ask("a"), [("unreachable", 1)]);
    assert_eq!(asked.ask("b"), [("unreachable", 1), ("backing_off", 1)]);
    asked.end();
}

#[test]
fn a_runtime_that_hangs_costs_one_wait() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hangs.sock");
    let _listener = UnixListener::bind(&path).unwrap();
    let mut asked = Asked::new(&[path], WAIT);
    assert_eq!(asked.ask("a"), [("timed_out", 1)]);
    assert_eq!(asked.ask("b"), [("timed_out", 1), ("backing_off", 1)]);
    asked.end();
}

#[test]
fn nobody_waits_where_nothing_is_to_be_waited_for() {
    let mut asked = Asked::new(&[], Duration::ZERO);
    assert_eq!(asked.runtimes.describe(&Container::default()), None);
    let runc = container("chosen", "runc");
    assert_eq!(asked.runtimes.describe(&runc), None);
    assert!(asked.runtimes.questions.len() <= 1, "runc is not asked about");
    asked.end();
}
