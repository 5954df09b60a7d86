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
//! | `reverse-shell` | standard input and output of a shell are a connection | T1059.004 |
//! | `ptrace-attach` | a process begins to trace, or writes to, one that it did not start, or of another user | T1055.008 |
//! | `namespace-escape` | a process in a container enters or makes mount, user or pid namespaces | T1611 |
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
use vespid_plugin::{Exec, Fact, Globs, Privileged, Restored, Row};

pub use config::Config;

use metrics::Metrics;
use rules::{Bursts, Finding, Findings, Learned, Namespaces, Novelty, Places, ReverseShells, Servers, Tracing};

/// The plugin.
pub struct ExecAnomaly {
    metrics: Metrics,
    except: Globs,
    findings: Findings,
    bursts: Bursts,
    places: Places,
    servers: Servers,
    reverse_shells: ReverseShells,
    tracing: Tracing,
    namespaces: Namespaces,
    novelty: Novelty,
}

impl Plugin for ExecAnomaly {
    const MANIFEST: Manifest = Manifest::new(
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_VERSION"),
        env!("CARGO_PKG_DESCRIPTION"),
    )
    .execs()
    .privileged()
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
            reverse_shells: ReverseShells::new(&config),
            tracing: Tracing::new(&config.tracing),
            namespaces: Namespaces::new(&config.namespaces),
            novelty: Novelty::new(config.novelty),
            metrics,
        })
    }

    fn on_batch(&mut self, batch: Batch<'_>, out: &mut Report) -> Result<(), String> {
        for row in batch.in_order() {
            match row {
                Row::Exec(exec) => {
                    self.metrics.exec(exec);
                    if let Some(process) = exec.process().filter(|_| !exec.failed()) {
                        self.judge(exec, process, out);
                    }
                }
                Row::Privileged(call) => {
                    if let Some(process) = call.process() {
                        self.judge_call(call, process, out);
                    }
                }
                _ => {}
            }
        }
        self.show_state();
        Ok(())
    }

    fn tick(&mut self, now: u64, out: &mut Report) -> Result<(), String> {
        self.bursts.end(now, out);
        self.findings.close(now, out);
        self.novelty.tick(now);
        self.reverse_shells.tick(now);
        self.show_state();
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
        let reverse_shell = self.reverse_shells.executed(exec, process);
        for finding in [place, server, reverse_shell, novelty].into_iter().flatten() {
            self.say((&exec, exec.time()), process, finding, out);
        }
    }

    fn judge_call(&mut self, call: Privileged<'_>, process: Process<'_>, out: &mut Report) {
        if self.except.matches(process.exe()) {
            return;
        }
        let findings = [
            self.reverse_shells.redirected(call, process),
            self.tracing.find(call, process),
            self.namespaces.find(call, process),
        ];
        for finding in findings.into_iter().flatten() {
            self.say((&call, call.time()), process, finding, out);
        }
    }

    fn show_state(&self) {
        let novelty = &self.novelty;
        self.metrics
            .state(self.bursts.running(), novelty.known(), novelty.is_learning());
    }

    fn say(&mut self, about: (&impl Fact, u64), process: Process<'_>, finding: Finding, out: &mut Report) {
        self.metrics.hit(finding.rule, process);
        self.findings.say(about, process, finding, out);
    }
}

vespid_plugin::export!(ExecAnomaly);

#[cfg(test)]
mod tests;
