//! What can be seen of a running daemon: the numbers of /metrics, the answer to /plugins, the screen.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde_json::{Value, json};

use super::collector::{Progress, Published};
use super::plugins::Running;
use super::reporter::Shared;
use crate::clock;
use crate::http::Source;
use crate::metrics::{Books, Build, Histogram, Plugin, Refusals, Scrape, StageName, Usage};
use crate::plugin::{CALL_TIME_BOUNDS, Identity, PluginStats, Refusal, Worker};
use crate::summary::Summary;
use crate::verdict;

/// Everything that is shown, or the way to it.
pub struct Status {
    published: Published,
    workers: Arc<Vec<Worker>>,
    reported: Vec<Shared>,
    refused: Vec<Refusal>,
    verdicts: verdict::Sink,
    started: u64,
    is_ready: AtomicBool,
}

impl Status {
    /// The status of a daemon that is being started.
    #[must_use]
    pub fn new(published: Published, running: Running, verdicts: verdict::Sink) -> Status {
        let Running {
            workers,
            reported,
            refused,
        } = running;
        let (started, is_ready) = (clock::now(), AtomicBool::new(false));
        Status {
            published,
            workers: Arc::new(workers),
            reported,
            refused,
            verdicts,
            started,
            is_ready,
        }
    }

    /// The plugins.
    #[must_use]
    pub fn workers(&self) -> &Arc<Vec<Worker>> {
        &self.workers
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

    /// Each plugin, how it is doing, and the CPU time of its thread in seconds.
    pub fn each(&self) -> impl Iterator<Item = (&Identity, PluginStats, f64)> {
        let reported = self.reported.iter().map(|shared| shared.lock().cpu_seconds);
        self.workers
            .iter()
            .zip(reported)
            .map(|(worker, cpu)| (&*worker.plugin().identity, worker.stats(), cpu))
    }

    /// The figures at the end of a run.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let progress = self.progress();
        let verdicts = self.verdicts.verdicts();
        Summary {
            stages: vec![
                ("kernel", progress.kernel),
                ("decode", progress.decode),
                ("enrich", progress.enrich),
            ],
            plugins: self
                .each()
                .map(|(identity, stats, _)| (identity.name.clone(), stats))
                .collect(),
            verdicts: (verdicts.written, verdicts.dropped.values().sum()),
        }
    }

    /// From now on /readyz says so.
    pub fn set_ready(&self) {
        self.is_ready.store(true, Ordering::Relaxed);
    }

    fn plugin(worker: &Worker, shared: &Shared) -> Plugin {
        let identity = &worker.plugin().identity;
        let stats = worker.stats();
        let mut reported = shared.lock();
        Plugin {
            name: identity.name.clone(),
            version: identity.version.clone(),
            digest: identity.digest.clone(),
            queue_events: worker.queue_events(),
            lag: reported.lag.clone(),
            calls: calls(&stats),
            cpu_seconds: reported.cpu_seconds,
            memory_bytes: stats.memory_bytes,
            memory_high_water_bytes: stats.memory_peak_bytes,
            quarantined: stats.status == crate::plugin::Status::Quarantined,
            books: stats.stage,
            failures: stats.failures,
            series: reported.families.series(),
            refused_series: reported.families.refused_series(),
            refused_samples: reported.families.refused_samples(),
            verdicts: reported.verdicts.clone(),
            families: reported.families.snapshot(Instant::now()),
            ..Plugin::default()
        }
    }
}

fn calls(stats: &PluginStats) -> Histogram {
    Histogram::counted(
        &CALL_TIME_BOUNDS,
        &stats.on_batch.buckets,
        clock::seconds(stats.on_batch.total_ns),
    )
}

impl Source for Status {
    fn scrape(&self) -> Scrape {
        let progress = self.published.read();
        Scrape {
            build: Build {
                version: env!("CARGO_PKG_VERSION"),
                revision: option_env!("VESPID_REVISION").unwrap_or(""),
                interface: crate::plugin::ACCEPTED[0],
            },
            start_seconds: clock::seconds(self.started),
            usage: Usage::read().unwrap_or_default(),
            books: vec![
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
            ],
            batch_rows: progress.batch_rows,
            processes: progress.processes,
            containers: progress.containers,
            verdicts: self.verdicts.verdicts(),
            refusals: Refusals {
                files: self.refused.len() as u64,
                ..Refusals::default()
            },
            plugins: self
                .workers
                .iter()
                .zip(&self.reported)
                .map(|(w, shared)| Self::plugin(w, shared))
                .collect(),
        }
    }

    fn plugins(&self) -> Value {
        let running: Vec<Value> = self
            .workers
            .iter()
            .map(|worker| {
                let plugin = worker.plugin();
                json!({
                    "plugin": &*plugin.identity,
                    "description": plugin.manifest.description,
                    "stats": worker.stats(),
                    "queue_batches": worker.queue_len(),
                })
            })
            .collect();
        let refused: Vec<Value> = self
            .refused
            .iter()
            .map(|refusal| json!({ "file": refusal.file.display().to_string(), "reason": refusal.why.to_string() }))
            .collect();
        json!({ "running": running, "refused": refused })
    }

    fn readiness(&self) -> Result<(), String> {
        if self.is_ready.load(Ordering::Relaxed) {
            Ok(())
        } else {
            Err("still starting".to_owned())
        }
    }
}
