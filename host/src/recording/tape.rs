//! From a thread that must not wait for the disk to one that does.
//!
//! The first makes text of lines and hands it over in chunks; the second compresses and writes them. Between the two is
//! a bounded queue. A chunk that finds no room there, or on the disk, is dropped as a whole and its events are counted;
//! the recording says so in its next lines.
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use vespid_ebpf::Kind;

use super::chunk::Chunk;
use super::rotate::Store;
use super::{Form, Header, Line, Loss, RecordingError};
use crate::enrich::{Found, ProcessTable};
use crate::event::Event;
use crate::ledger::Stage;

/// Chunks that may wait for the disk: some 4 MiB.
const QUEUE: usize = 32;
/// How long lines may wait for their chunk to be full, in nanoseconds.
const PATIENCE: u64 = 1_000_000_000;

/// What happens to a chunk for which the queue has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// It is dropped.
    Drop,
    /// Whoever brings it waits. What comes meanwhile is lost in the kernel, if it is too much.
    Wait,
}

/// What both threads know.
#[derive(Debug)]
struct Shared {
    /// The stage's name in the ledger and in the recording.
    stage: &'static str,
    form: Form,
    books: Mutex<Books>,
    /// The writer needs a new file's first lines.
    is_due: AtomicBool,
    /// Bytes of all files.
    bytes: AtomicU64,
}

#[derive(Debug, Default)]
struct Books {
    stage: Stage,
    /// Losses here that no line has told of yet.
    unsaid: BTreeMap<Option<Kind>, u64>,
}

impl Shared {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn book_loss(&self, chunk: &Chunk, reason: &'static str) {
        let mut books = self.books();
        for (kind, count) in by_kind(chunk) {
            books.stage.drop(kind, reason, count);
            *books.unsaid.entry(kind).or_default() += count;
        }
    }
}

fn by_kind(chunk: &Chunk) -> impl Iterator<Item = (Option<Kind>, u64)> {
    let kinds = Kind::ALL.into_iter().map(Some).chain([None]);
    let counts = kinds.map(|kind| (kind, chunk.events()[crate::ledger::row(kind)]));
    counts.filter(|(_, count)| *count > 0)
}

enum Message {
    /// Goes on in a new file.
    Begin(Header, Chunk),
    Lines(Chunk),
}

/// The end that lines are put into.
pub struct Tape {
    header: Header,
    chunk: Chunk,
    /// When the chunk's first line was put in, by the clock of [`Tape::pass_time`].
    first: Option<u64>,
    has_begun: bool,
    when_full: WhenFull,
    to: Sender<Message>,
    shared: Arc<Shared>,
}

/// The end that writes.
pub struct Reel {
    from: Receiver<Message>,
    shared: Arc<Shared>,
}

/// The books of a tape, from outside.
#[derive(Clone, Debug)]
pub struct TapeBooks(Arc<Shared>);

impl TapeBooks {
    /// What became of the events: in = out + dropped.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.0.books().stage.clone()
    }

    /// Bytes of all files, those of earlier runs included.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }
}

impl Tape {
    /// Both ends. Files begin with `header`, but for the time, and have the form that it says. `stage` names this stage where something is lost.
    #[must_use]
    pub fn new(header: Header, stage: &'static str, when_full: WhenFull) -> (Tape, Reel) {
        let (to, from) = bounded(QUEUE);
        let form = Form::of_version(header.version);
        let shared = Arc::new(Shared {
            stage,
            form,
            books: Mutex::default(),
            is_due: AtomicBool::new(true),
            bytes: AtomicU64::new(0),
        });
        let tape = Tape {
            header,
            chunk: Chunk::with_room(form),
            first: None,
            has_begun: false,
            when_full,
            to,
            shared: shared.clone(),
        };
        (tape, Reel { from, shared })
    }

    /// The books.
    #[must_use]
    pub fn books(&self) -> TapeBooks {
        TapeBooks(self.shared.clone())
    }

    /// Takes an event, after what the table found out for it.
    pub fn take(&mut self, event: &Event<'_>, found: Vec<Found>) {
        for found in found {
            self.put(&match found {
                Found::Process(process) => Line::Known(process),
                Found::Container(container) => Line::Container(container),
                Found::Account(account) => Line::Account(account),
            });
        }
        if self.chunk.push_event(event).is_err() {
            let kind = Some(event.body.kind());
            self.shared.books().stage.drop(kind, "unsayable", 1);
        }
        self.hand_over_if_full();
    }

    /// Takes a loss of an earlier stage.
    pub fn lose(&mut self, stage: &'static str, kind: Option<Kind>, count: u64) {
        if count > 0 {
            self.put(&loss(stage, kind, count));
        }
    }

    fn put(&mut self, line: &Line<'_>) {
        // What cannot be said of processes, containers and losses is missing; nothing counts them.
        drop(self.chunk.push(line));
        self.hand_over_if_full();
    }

    fn hand_over_if_full(&mut self) {
        if self.chunk.is_full() {
            self.hand_over();
        }
    }

    /// Hands over what has waited long enough at `now` (Unix nanoseconds), and the first lines of a new file where it
    /// is time for one: all that the table holds.
    pub fn pass_time(&mut self, now: u64, table: &ProcessTable, kinds: u32) {
        if self.shared.is_due.load(Ordering::Acquire) && (self.when_full == WhenFull::Wait || !self.to.is_full()) {
            // What came before the first file belongs in it.
            if std::mem::replace(&mut self.has_begun, true) {
                self.hand_over();
            }
            self.begin(now, table, kinds);
        }
        if self.chunk.is_empty() {
            self.first = None;
        } else if now.saturating_sub(*self.first.get_or_insert(now)) >= PATIENCE {
            self.hand_over();
        }
    }

    fn begin(&mut self, now: u64, table: &ProcessTable, kinds: u32) {
        let mut context = Chunk::new(self.shared.form);
        table.restate_all(|found| {
            // What cannot be said is missing in the context of one file.
            drop(context.push(&match found {
                Found::Process(process) => Line::Known(process),
                Found::Container(container) => Line::Container(container),
                Found::Account(account) => Line::Account(account),
            }));
        });
        let kinds = Kind::ALL.iter().filter(|kind| kinds & kind.bit() != 0);
        let header = Header {
            created: now,
            kinds: kinds.map(|kind| kind.name().to_owned()).collect(),
            ..self.header.clone()
        };
        self.shared.is_due.store(false, Ordering::Release);
        if self.send(Message::Begin(header, context)).is_err() {
            self.shared.is_due.store(true, Ordering::Release);
        }
    }

    fn hand_over(&mut self) {
        self.first = None;
        if self.chunk.is_empty() {
            return;
        }
        let chunk = std::mem::replace(&mut self.chunk, Chunk::with_room(self.shared.form));
        if let Err((Message::Lines(chunk), reason)) = self.send(Message::Lines(chunk)) {
            self.shared.book_loss(&chunk, reason);
        }
    }

    #[expect(clippy::result_large_err, reason = "the message goes back to where it came from")]
    fn send(&self, message: Message) -> Result<(), (Message, &'static str)> {
        match self.when_full {
            WhenFull::Wait => self.to.send(message).map_err(|back| (back.0, "writer_gone")),
            WhenFull::Drop => self.to.try_send(message).map_err(|back| match back {
                TrySendError::Full(message) => (message, "queue_full"),
                TrySendError::Disconnected(message) => (message, "writer_gone"),
            }),
        }
    }

    /// Hands over what is left. The writer completes the file then, and ends.
    pub fn end(mut self, now: u64, table: &ProcessTable, kinds: u32) {
        self.pass_time(now, table, kinds);
        self.hand_over();
    }
}

fn loss(stage: &'static str, kind: Option<Kind>, count: u64) -> Line<'static> {
    Line::Lost(Loss {
        stage: stage.into(),
        kind: kind.map(|kind| kind.name().into()),
        count,
    })
}

impl Reel {
    /// The books.
    #[must_use]
    pub fn books(&self) -> TapeBooks {
        TapeBooks(self.shared.clone())
    }

    /// Writes to `store` in a thread of its own, until the other end is gone.
    ///
    /// # Errors
    /// If there can be no thread.
    pub fn start(self, store: impl Store + 'static) -> std::io::Result<JoinHandle<Result<(), RecordingError>>> {
        std::thread::Builder::new()
            .name("recorder".into())
            .spawn(move || self.run(store))
    }

    /// Writes to `store` until the other end is gone.
    ///
    /// # Errors
    /// If the last file could not be completed. Everything else that cannot be written is counted, and the next is
    /// tried again.
    pub fn run(self, mut store: impl Store) -> Result<(), RecordingError> {
        let mut is_failing = false;
        // A file is asked for once; the first one is from the beginning.
        let mut has_asked = true;
        // A file that could not be begun is tried again with what comes next.
        let mut owed: Option<(Header, Chunk)> = None;
        self.shared.bytes.store(store.bytes(), Ordering::Relaxed);
        for message in &self.from {
            let done = match message {
                Message::Begin(header, context) => {
                    has_asked = false;
                    self.begin(&mut store, header, context, &mut owed)
                }
                Message::Lines(chunk) => self.write(&mut store, chunk, &mut owed),
            };
            self.shared.bytes.store(store.bytes(), Ordering::Relaxed);
            match done {
                Err(error) if !is_failing => {
                    is_failing = true;
                    tracing::error!("{error}; what cannot be recorded is counted, and writing is tried again");
                }
                Ok(()) if is_failing => {
                    is_failing = false;
                    tracing::info!("recording goes on");
                }
                Ok(()) | Err(_) => {}
            }
            if !has_asked && owed.is_none() && store.is_due() {
                has_asked = true;
                self.shared.is_due.store(true, Ordering::Release);
            }
        }
        self.say_losses(&mut store);
        store.finish()
    }

    fn begin(
        &self,
        store: &mut impl Store,
        header: Header,
        context: Chunk,
        owed: &mut Option<(Header, Chunk)>,
    ) -> Result<(), RecordingError> {
        let begun = store.begin(&header, &context);
        if begun.is_err() {
            *owed = Some((header, context));
        }
        begun
    }

    fn write(
        &self,
        store: &mut impl Store,
        mut chunk: Chunk,
        owed: &mut Option<(Header, Chunk)>,
    ) -> Result<(), RecordingError> {
        let begun = match owed.take() {
            Some((header, context)) => self.begin(store, header, context, owed),
            None => Ok(()),
        };
        let unsaid = std::mem::take(&mut self.shared.books().unsaid);
        let counts = by_kind(&chunk).collect::<Vec<_>>();
        if !unsaid.is_empty() {
            chunk.prepend(self.losses(&unsaid));
        }
        let written = begun.and_then(|()| store.append(&chunk));
        let mut books = self.shared.books();
        let reason = match &written {
            Ok(()) => {
                counts
                    .into_iter()
                    .for_each(|(kind, count)| books.stage.pass(kind, count));
                return Ok(());
            }
            Err(error) => reason(error),
        };
        for (kind, count) in unsaid {
            *books.unsaid.entry(kind).or_default() += count;
        }
        drop(books);
        self.shared.book_loss(&chunk, reason);
        written
    }

    fn losses(&self, unsaid: &BTreeMap<Option<Kind>, u64>) -> Chunk {
        let mut chunk = Chunk::new(self.shared.form);
        for (&kind, &count) in unsaid {
            drop(chunk.push(&loss(self.shared.stage, kind, count)));
        }
        chunk
    }

    /// Tells of losses after which nothing came any more.
    fn say_losses(&self, store: &mut impl Store) {
        let unsaid = std::mem::take(&mut self.shared.books().unsaid);
        if !unsaid.is_empty()
            && let Err(error) = store.append(&self.losses(&unsaid))
        {
            tracing::warn!("{error}; the recording does not say what it lacks: {unsaid:?}");
        }
    }
}

fn reason(error: &RecordingError) -> &'static str {
    match error {
        RecordingError::Io { source, .. } => match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => "disk_full",
            _ => "write_failed",
        },
        _ => "write_failed",
    }
}

#[cfg(test)]
mod tests;
