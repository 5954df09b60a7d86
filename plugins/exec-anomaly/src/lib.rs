//! `exec-anomaly`: executions that stand out.
//!
//! | verdict | when | ATT&CK |
//! |---|---|---|
//! | `exec-burst` | the children of one process, in one container, execute more than 50 times in a second; once a burst | |
//! | `exec-burst-ended` | the count, when that burst is over | |
//! | `run-from-tmp` | an executable, or a script that an interpreter was given, lies in a temporary folder | T1059, T1036.005 |
//! | `run-from-memory` | the executable is a memfd: a program that was never a file | T1620 |
//! | `run-deleted` | the executable had been deleted | T1070.004 |
//! | `shell-below-server` | a shell starts below (or in place of) a server that the network reaches | T1059.004, T1505.003, T1190 |
//! | `new-program` | a parent runs a program that it did not run during the learning time | |
//! | `…-repeated` | how often the verdict of one of the rules above came again, when its window closes | as the rule |
//!
//! Failed executions are counted and otherwise left alone, since a search through `PATH` is full of them.
mod config;
mod lists;
mod metrics;
mod rules;

use vespid_plugin::prelude::*;
use vespid_plugin::state::Versioned;
use vespid_plugin::{Exec, Globs, Restored};

pub use config::Config;

use metrics::Metrics;
use rules::{Bursts, Findings, Learned, Novelty, Places, Servers};

/// The plugin.
pub struct ExecAnomaly {
    metrics: Metrics,
    except: Globs,
    findings: Findings,
    bursts: Bursts,
    places: Places,
    servers: Servers,
    novelty: Novelty,
}

impl Plugin for ExecAnomaly {
    const MANIFEST: Manifest = Manifest::new(
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_VERSION"),
        env!("CARGO_PKG_DESCRIPTION"),
    )
    .execs()
    .state::<Learned>();
    type Config = Config;
    type Metrics = Metrics;

    fn metrics(declare: &Registry) -> Metrics {
        Metrics::declare(declare)
    }

    fn new(config: Config, metrics: Metrics) -> Result<Self, String> {
        config.check()?;
        Ok(ExecAnomaly {
            except: Globs::new(&config.except),
            findings: Findings::new(config.repeat_after_seconds),
            bursts: Bursts::new(&config.burst),
            places: Places::new(&config.places),
            servers: Servers::new(&config.servers),
            novelty: Novelty::new(config.novelty),
            metrics,
        })
    }

    fn on_batch(&mut self, batch: Batch<'_>, out: &mut Report) -> Result<(), String> {
        for exec in batch.execs() {
            self.metrics.exec(exec);
            if let Some(process) = exec.process().filter(|_| !exec.failed()) {
                self.judge(exec, process, out);
            }
        }
        self.metrics.state(&self.bursts, &self.novelty);
        Ok(())
    }

    fn tick(&mut self, now: u64, out: &mut Report) -> Result<(), String> {
        self.bursts.end(now, out);
        self.findings.close(now, out);
        self.novelty.tick(now);
        self.metrics.state(&self.bursts, &self.novelty);
        Ok(())
    }

    fn snapshot(&self) -> Vec<u8> {
        self.novelty.learned().save()
    }

    fn restore(&mut self, version: u32, bytes: &[u8]) -> Restored {
        Learned::resume(version, bytes, |learned| self.novelty.restore(learned))
    }
}

impl ExecAnomaly {
    fn judge(&mut self, exec: Exec<'_>, process: Process<'_>, out: &mut Report) {
        self.bursts.hit(exec, process, &self.metrics, out);
        let is_new = self.novelty.is_new(exec.time(), process);
        if self.except.matches(process.exe()) {
            return;
        }
        let place = self.places.find(exec, process);
        let server = self.servers.find(exec, process);
        // What lies in a temporary folder often has a random name, and has been reported.
        let novelty = if is_new && place.is_none() {
            self.novelty.find(exec.time(), process, &self.metrics)
        } else {
            None
        };
        for finding in [place, server, novelty].into_iter().flatten() {
            self.metrics.hit(finding.rule, process);
            self.findings.say(exec, process, finding, out);
        }
    }
}

vespid_plugin::export!(ExecAnomaly);

#[cfg(test)]
mod tests;
