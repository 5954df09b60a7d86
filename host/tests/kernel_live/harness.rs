//! Probes that run, and what they saw of a process.
use std::collections::HashSet;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use vespid::decode::{Clock, Scratch, decode};
use vespid::kernel::{Kernel, Settings, StartError};

/// Longest that an event may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// One test at a time: each would be drowned in the others' events.
static TURN: Mutex<()> = Mutex::new(());

pub(crate) struct Live {
    pub(crate) kernel: Kernel,
    pub(crate) clock: Clock,
    /// Every event so far of the processes that are watched, as a recording would hold it.
    pub(crate) events: Vec<Value>,
    watched: HashSet<u32>,
    _turn: MutexGuard<'static, ()>,
}

/// The probes for everything; `None`, out loud, where they are not permitted.
pub(crate) fn live() -> Option<Live> {
    live_with(Settings::default())
}

pub(crate) fn live_with(settings: Settings) -> Option<Live> {
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    match Kernel::start(&settings) {
        Ok(kernel) => Some(Live {
            kernel,
            clock: Clock::now(),
            events: Vec::new(),
            watched: HashSet::new(),
            _turn: turn,
        }),
        Err(StartError::MissingCapabilities(_) | StartError::NoBtf | StartError::Load(_))
            if std::env::var("VESPID_REQUIRE_BPF").as_deref() != Ok("1") =>
        {
            eprintln!(
                "SKIPPED: BPF is not to be had here ({:?})",
                Kernel::start(&settings).err()
            );
            None
        }
        Err(error) => panic!("{error}"),
    }
}

impl Live {
    /// Watches a process and what it forks.
    pub(crate) fn watch(&mut self, pid: u32) {
        self.watched.insert(pid);
    }

    /// Runs a command to its end; says its process id.
    pub(crate) fn run(&mut self, command: &mut Command) -> u32 {
        let child = self.start(command);
        self.finish(child)
    }

    pub(crate) fn start(&mut self, command: &mut Command) -> Child {
        let child = command.stdin(Stdio::null()).spawn().expect("a child");
        self.watch(child.id());
        child
    }

    pub(crate) fn finish(&mut self, mut child: Child) -> u32 {
        // As the daemon does: what happens meanwhile is taken, and does not fill the ring.
        while child.try_wait().expect("a child").is_none() {
            self.collect();
            self.kernel.wait(Duration::from_millis(10)).expect("a ring");
        }
        self.until(|events| {
            events
                .iter()
                .any(|event| event["pid"] == child.id() && event["exit"].is_object())
        });
        child.id()
    }

    /// Collects until `done`.
    pub(crate) fn until(&mut self, done: impl Fn(&[Value]) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.collect();
            if done(&self.events) {
                return;
            }
            assert!(Instant::now() < deadline, "it did not come; so far: {:#?}", self.events);
            self.kernel.wait(Duration::from_millis(10)).expect("a ring");
        }
    }

    /// Takes what is there.
    pub(crate) fn collect(&mut self) -> usize {
        let mut scratch = Scratch::default();
        let Live {
            kernel,
            clock,
            events,
            watched,
            ..
        } = self;
        kernel.drain(usize::MAX, |record| {
            let event = decode(record, clock, &mut scratch).expect("a good record");
            if watched.contains(&event.subject.pid) {
                let mut event = serde_json::to_value(&event).expect("an event");
                spell_out(&mut event);
                if let Some(child) = event["fork"]["child_pid"].as_u64() {
                    watched.insert(u32::try_from(child).expect("a pid"));
                }
                events.push(event);
            }
        })
    }

    /// Events of a process and kind.
    pub(crate) fn of(&self, pid: u32, kind: &str) -> Vec<&Value> {
        self.events
            .iter()
            .filter(|event| event["pid"] == pid && !event[kind].is_null())
            .collect()
    }

    /// The only event of a process and kind.
    pub(crate) fn only(&self, pid: u32, kind: &str) -> &Value {
        let found = self.of(pid, kind);
        assert_eq!(found.len(), 1, "{found:#?}");
        found[0]
    }

    /// The body of the open of a path as it was typed.
    pub(crate) fn open_of(&self, pid: u32, typed: &str) -> &Value {
        let opens = self.of(pid, "open");
        let found: Vec<_> = opens.iter().filter(|event| event["open"]["typed"] == typed).collect();
        assert_eq!(found.len(), 1, "{typed}: {opens:#?}");
        &found[0]["open"]
    }
}

/// Puts back what the short form leaves out for being 0 or empty.
fn spell_out(event: &mut Value) {
    for (place, numbers, texts) in [
        ("/exec", &["errno"][..], &[][..]),
        ("/exec/image", &["flags"], &["tty"]),
        (
            "/connection",
            &[
                "direction",
                "errno",
                "sent",
                "received",
                "duration",
                "srtt",
                "retransmits",
            ],
            &[],
        ),
        ("/open", &["flags", "mode", "path_kind"], &["path"]),
        ("/exit", &["code", "signal"], &[]),
    ] {
        let Some(Value::Object(fields)) = event.pointer_mut(place) else {
            continue;
        };
        for name in numbers {
            fields.entry(*name).or_insert(0.into());
        }
        for name in texts {
            fields.entry(*name).or_insert("".into());
        }
    }
}

pub(crate) fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}
