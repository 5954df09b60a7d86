//! What can be seen of a running daemon: the numbers of /metrics, the answer to /plugins, the screen.
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use vespid_ebpf::{Kind, Outcome};

use super::bill::{bill, refusals};
use super::flight::FlightBooks;
use super::keeper::Seen;
use super::look_back::{self, Outcome as Ended};
use super::losses::ByKind;
use super::progress::{Progress, Published};
use super::roster::{Roster, Running, mode};
use crate::clock;
use crate::control::ledger::{Calls, Ledger};
use crate::enrich::runtimes::Lookups;
use crate::http::Source;
use crate::metrics::{Books, Build, Kept, LookBacks, Scrape, StageName, Usage};
use crate::summary::Summary;
use crate::verdict;

/// Everything that is shown, or the way to it.
pub struct Status {
    published: Published,
    roster: Roster,
    seen: Seen,
    verdicts: verdict::Sink,
    flight: Option<FlightBooks>,
    lookups: Arc<Lookups>,
    look_backs: Arc<Mutex<look_back::Books>>,
    started: u64,
    is_ready: AtomicBool,
}

impl Status {
    /// The status of a daemon that is being started.
    #[must_use]
    pub fn new(published: Published, roster: Roster, seen: Seen, verdicts: verdict::Sink) -> Status {
        Status {
            published,
            roster,
            seen,
            verdicts,
            flight: None,
            lookups: Arc::default(),
            look_backs: Arc::default(),
            started: clock::now(),
            is_ready: AtomicBool::new(false),
        }
    }

    /// The same with the books of a flight recorder.
    #[must_use]
    pub fn with_flight(self, flight: Option<FlightBooks>) -> Status {
        Status { flight, ..self }
    }

    /// The same with what came of asking container runtimes.
    #[must_use]
    pub fn with_lookups(self, lookups: Arc<Lookups>) -> Status {
        Status { lookups, ..self }
    }

    /// The same with the books of the look-backs.
    #[must_use]
    pub fn with_look_backs(self, look_backs: Arc<Mutex<look_back::Books>>) -> Status {
        Status { look_backs, ..self }
    }

    /// The plugins.
    #[must_use]
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The verdicts' way out.
    #[must_use]
    pub fn verdicts(&self) -> &verdict::Sink {
        &self.verdicts
    }

    /// When the daemon was started, in Unix nanoseconds.
    #[must_use]
    pub fn started(&self) -> u64 {
        self.started
    }

    /// The collector's numbers.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.published.read()
    }

    /// The figures at the end of a run.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let progress = self.progress();
        let verdicts = self.verdicts.verdicts();
        let mut stages = vec![
            ("kernel", progress.kernel),
            ("decode", progress.decode),
            ("enrich", progress.enrich),
        ];
        let flight = self.flight.as_ref();
        stages.extend(flight.map(|flight| ("flight_recorder", flight.tape.stage())));
        Summary {
            stages,
            plugins: self
                .roster
                .active()
                .iter()
                .map(|running| (running.name.clone(), running.worker.stats()))
                .collect(),
            verdicts: (verdicts.written, verdicts.dropped.values().sum()),
        }
    }

    /// Where every event went.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        let progress = self.progress();
        let mut ledger = Ledger::default();
        for (stage, books) in [
            (StageName::Kernel, &progress.kernel),
            (StageName::Decode, &progress.decode),
            (StageName::Enrich, &progress.enrich),
        ] {
            ledger.add(stage.as_str(), None, books);
        }
        if let Some(flight) = &self.flight {
            ledger.add(StageName::FlightRecorder.as_str(), None, &flight.tape.stage());
        }
        for running in self.roster.active().iter() {
            let books = running.worker.stats().stage;
            ledger.add(StageName::Plugin.as_str(), Some(&running.name), &books);
        }
        ledger.calls = Kind::ALL
            .map(|kind| Calls {
                kind: kind.name().to_owned(),
                filtered: progress.counters.get(kind, Outcome::Filtered),
                merged: progress.counters.get(kind, Outcome::Merged),
            })
            .to_vec();
        let by_kind = |counts: &ByKind| {
            let kinds = Kind::ALL.into_iter().zip(*counts).filter(|(_, count)| *count > 0);
            kinds.map(|(kind, count)| (kind.name().to_owned(), count)).collect()
        };
        ledger.containers = progress
            .by_container
            .iter()
            .map(|(container, counts)| (container.to_string(), by_kind(counts)))
            .collect();
        ledger
    }

    /// From now on /readyz says so.
    pub fn set_ready(&self) {
        self.is_ready.store(true, Ordering::Relaxed);
    }
}

fn look_backs(books: &look_back::Books) -> LookBacks {
    LookBacks {
        ended: Ended::ALL
            .map(|outcome| (outcome.as_str(), books.ended(outcome)))
            .to_vec(),
        events: books.events,
        verdicts: books.verdicts,
        running: u64::from(books.is_running),
    }
}

fn described(running: &Running) -> Value {
    let plugin = running.worker.plugin();
    json!({
        "plugin": &*plugin.identity,
        "mode": mode(running.role),
        "description": plugin.manifest.description,
        "stats": running.worker.stats(),
        "series": running.reported.lock().families.series(),
        "reloads": running.reloads.counts(),
        "queue_batches": running.worker.queue_len(),
    })
}

impl Source for Status {
    fn scrape(&self) -> Scrape {
        let progress = self.published.read();
        let flight = self.flight.as_ref().map(|flight| Books {
            stage: StageName::FlightRecorder,
            ledger: flight.tape.stage(),
        });
        Scrape {
            build: Build {
                version: env!("CARGO_PKG_VERSION"),
                revision: option_env!("VESPID_REVISION").unwrap_or(""),
                interface: crate::interface::ACCEPTED[0],
            },
            start_seconds: clock::seconds(self.started),
            usage: Usage::read().unwrap_or_default(),
            kept: self.flight.as_ref().map(|flight| Kept {
                bytes: flight.tape.bytes(),
                limit: flight.max_bytes,
            }),
            look_backs: look_backs(&self.look_backs.lock().unwrap_or_else(PoisonError::into_inner)),
            filtered: Kind::ALL.map(|kind| progress.counters.get(kind, Outcome::Filtered)),
            merged: Kind::ALL.map(|kind| progress.counters.get(kind, Outcome::Merged)),
            lost_by_container: progress
                .by_container
                .iter()
                .map(|(container, counts)| (container.to_string(), *counts))
                .collect(),
            books: [
                Books {
                    stage: StageName::Kernel,
                    ledger: progress.kernel,
                },
                Books {
                    stage: StageName::Decode,
                    ledger: progress.decode,
                },
                Books {
                    stage: StageName::Enrich,
                    ledger: progress.enrich,
                },
            ]
            .into_iter()
            .chain(flight)
            .collect(),
            batch_rows: progress.batch_rows,
            processes: progress.processes,
            containers: progress.containers,
            lookups: self.lookups.read(),
            verdicts: self.verdicts.verdicts(),
            plugins: self.roster.active().iter().map(|running| bill(running)).collect(),
            refusals: refusals(&self.seen.directory()),
        }
    }

    fn plugins(&self) -> Value {
        let running = self.roster.all();
        let running: Vec<Value> = running.iter().map(|running| described(running)).collect();
        let directory = self.seen.directory();
        let refused = directory.refused.iter();
        let refused: Vec<Value> = refused
            .map(|(file, reason)| json!({ "file": file.display().to_string(), "reason": reason }))
            .collect();
        json!({ "running": running, "refused": refused, "directory_away": directory.away })
    }

    fn readiness(&self) -> Result<(), String> {
        if self.is_ready.load(Ordering::Relaxed) {
            Ok(())
        } else {
            Err("still starting".to_owned())
        }
    }
}
