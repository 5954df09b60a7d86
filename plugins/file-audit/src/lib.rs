//! `file-audit`: rules about files, as auditd has them, on resolved paths.
//!
//! A rule names paths, prefixes or globs, the kinds of access it is about, who may, how bad it is, and a key. An access
//! that meets a rule is a verdict with that key:
//!
//! | verdict | when |
//! |---|---|
//! | `file-read` | a file was opened for reading; or somebody tried |
//! | `file-write` | a file was opened for writing, made, cut, removed, renamed or replaced; or somebody tried |
//! | `file-exec` | a file was executed; or somebody tried |
//! | `file-link` | a file was given another name, by a hard link or a symbolic one |
//! | `file-attributes` | a file got another mode, owner or extended attribute |
//! | `file-read-repeated`, … | how often the same process did the same to the same file again, when the window closes |
//!
//! The shipped rules watch what attackers go for first: password hashes, sudo, keys, persistence (cron, systemd, PAM,
//! the loader), Kubernetes and container credentials, and ways out of a container. What the kernel resolved is what is
//! matched, so neither symbolic links nor `..` lead around a rule; a failed open is matched by what was typed as well.
//!
//! Renames, links, removals and changes of mode or owner are matched by what the caller typed, made absolute: symbolic
//! links on the way are not followed. Not seen: connecting to a socket such as `/run/docker.sock`, mounts.
mod access;
mod change;
mod config;
mod event;
mod filters;
mod index;
mod one_or_many;
mod rule;
mod rule_config;
mod shipped;

use std::time::Duration;

use vespid_plugin::prelude::*;
use vespid_plugin::{Change, Exec, Filter, Globs, Open, ProcessId, Repeats, cut, errno, remembered};

pub use access::Access;
pub use config::Config;
pub use one_or_many::OneOrMany;
pub use rule_config::{Processes, Results, RuleConfig, SeverityConfig};

use event::Event;
use index::Index;
use rule::Rule;

const MAX_WINDOWS: usize = 8192;
/// Bytes of a message that the closing note repeats.
const MAX_NOTE: usize = 512;

/// The plugin.
pub struct FileAudit {
    accesses: Counter<4>,
    excepted: Counter<1>,
    /// Rules about opens and executions, by path.
    index: Index,
    /// Rules about changes.
    changes: Index,
    rules: Vec<Rule>,
    except: Globs,
    repeats: Repeats<(u32, ProcessId, Vec<u8>, bool), Said>,
    window: Duration,
    found: Vec<u32>,
    filters: Vec<Filter>,
}

/// Handles on the metrics.
pub struct Metrics {
    accesses: Counter<4>,
    excepted: Counter<1>,
}

/// Remembered for the closing note.
struct Said {
    rule: u32,
    access: Access,
    message: String,
}

impl Plugin for FileAudit {
    const MANIFEST: Manifest = Manifest::new(
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_VERSION"),
        env!("CARGO_PKG_DESCRIPTION"),
    )
    .opens()
    .changes()
    .execs();
    type Config = Config;
    type Metrics = Metrics;

    fn metrics(declare: &Registry) -> Metrics {
        Metrics {
            accesses: declare
                .counter("accesses", "Accesses that met a rule, reported or not.")
                .labels(["key", "access", "result", "container"]),
            excepted: declare
                .counter(
                    "excepted",
                    "Accesses that a rule would be about, but for its exceptions.",
                )
                .labels(["key"]),
        }
    }

    fn new(config: Config, metrics: Metrics) -> Result<Self, String> {
        let mut rules = Vec::new();
        let (mut index, mut changes) = (Index::default(), Index::default());
        for (number, rule) in (0..).zip(config.rules.iter().chain(&config.extra_rules)) {
            rules.push(Rule::new(rule, &config.groups)?);
            if rule.access.is_of_opens() {
                index.add(number, rule);
            }
            if rule.access.is_of_changes() {
                changes.add(number, rule);
            }
        }
        index.finish();
        changes.finish();
        let window = Duration::from_secs(config.repeat_after_seconds.into());
        Ok(FileAudit {
            accesses: metrics.accesses,
            excepted: metrics.excepted,
            index,
            changes,
            rules,
            except: Globs::new(config::expand(&config.except, &config.groups)?),
            repeats: Repeats::new(MAX_WINDOWS, window),
            window,
            found: Vec::new(),
            filters: filters::filters(config.rules.iter().chain(&config.extra_rules), &config.groups)?,
        })
    }

    fn filters(&self) -> Vec<Filter> {
        self.filters.clone()
    }

    fn on_batch(&mut self, batch: Batch<'_>, out: &mut Report) -> Result<(), String> {
        for open in batch.opens() {
            self.open(open, out);
        }
        for change in batch.changes() {
            self.change(change, out);
        }
        for exec in batch.execs() {
            self.exec(exec, out);
        }
        Ok(())
    }

    fn tick(&mut self, now: u64, out: &mut Report) -> Result<(), String> {
        for (said, repeated) in self.repeats.closed(now) {
            let Some(rule) = self.rules.get(said.rule as usize) else {
                continue;
            };
            out.verdict(said.access.repeated_verdict(), rule.severity)
                .message(format!(
                    "{repeated} more times in {} s: {}",
                    self.window.as_secs(),
                    said.message
                ))
                .key(&*rule.key)
                .tags(rule.tags.iter().cloned())
                .field("count", repeated);
        }
        Ok(())
    }
}

impl FileAudit {
    fn open(&mut self, open: Open<'_>, out: &mut Report) {
        self.index.find(open.path(), &mut self.found);
        if open.failed() && open.typed() != open.path() {
            self.index.find(open.typed(), &mut self.found);
        }
        if !self.found.is_empty() {
            let event = Event {
                fact: open,
                time: open.time(),
                process: open.process(),
                path: open.path(),
                access: Access::of(open),
                errno: open.errno(),
                count: u64::from(open.count()),
                change: None,
            };
            self.judge(&event, out);
        }
    }

    fn change(&mut self, change: Change<'_>, out: &mut Report) {
        let (to_path, to_target) = change::accesses(change);
        for (path, access) in [(change.path(), to_path), (change.target(), to_target)] {
            if access.is_none() {
                continue;
            }
            self.changes.find(path, &mut self.found);
            if !self.found.is_empty() {
                let event = Event {
                    fact: change,
                    time: change.time(),
                    process: change.process(),
                    path,
                    access,
                    errno: change.errno(),
                    count: 1,
                    change: Some(change),
                };
                self.judge(&event, out);
            }
        }
    }

    fn exec(&mut self, exec: Exec<'_>, out: &mut Report) {
        let process = exec.process();
        let exe = process.filter(|_| !exec.failed()).map_or(&b""[..], Process::exe);
        self.index.find(exe, &mut self.found);
        self.index.find(exec.filename(), &mut self.found);
        if !self.found.is_empty() {
            // Of a script both are executed; the one that was named is what a reader looks for.
            let path = if exec.filename().starts_with(b"/") {
                exec.filename()
            } else {
                exe
            };
            let (time, errno) = (exec.time(), exec.errno());
            self.judge(
                &Event {
                    fact: exec,
                    time,
                    process,
                    path,
                    access: Access::EXECUTE,
                    errno,
                    count: 1,
                    change: None,
                },
                out,
            );
        }
    }

    /// Holds an event against the rules that were found for its path.
    fn judge<F: Fact>(&mut self, event: &Event<'_, F>, out: &mut Report) {
        let mut found = std::mem::take(&mut self.found);
        found.sort_unstable();
        found.dedup();
        for number in found.drain(..) {
            self.apply(number, event, out);
        }
        self.found = found;
    }

    fn apply<F: Fact>(&mut self, number: u32, event: &Event<'_, F>, out: &mut Report) {
        let Some(rule) = self.rules.get(number as usize) else {
            return;
        };
        let access = rule.access & event.access;
        if access.is_none() || !rule.results.includes(event.errno != 0) {
            return;
        }
        let container = event.process.and_then(Process::container);
        if !rule.processes.includes(container.is_some()) {
            return;
        }
        let exe = event.process.map_or(&b""[..], Process::exe);
        if !rule.only.is_empty() && !rule.only.matches(exe) {
            return;
        }
        if rule.except.matches(exe) || self.except.matches(exe) {
            self.excepted.with([rule.key.as_bytes()]).add(event.count);
            return;
        }
        let container = container.map_or(&b"host"[..], Container::short_id);
        let result = if event.errno == 0 {
            "ok"
        } else {
            errno::name(event.errno)
        };
        let letters = access.letters();
        self.accesses
            .with([rule.key.as_bytes(), letters.as_bytes(), result.as_bytes(), container])
            .add(event.count);

        let message = event.message(access);
        let process = event.process.map_or(ProcessId { pid: 0, start: 0 }, Process::id);
        let said = || Said {
            rule: number,
            access,
            message: cut(message.clone(), MAX_NOTE),
        };
        if self.repeats.are_first(
            event.time,
            (number, process, remembered(event.path), event.errno != 0),
            event.count,
            said,
        ) {
            out.verdict(access.verdict(), rule.severity)
                .about(&event.fact)
                .message(message)
                .key(&*rule.key)
                .tags(rule.tags.iter().cloned())
                .field("path", text(event.path))
                .field("access", letters)
                .field("result", result)
                .field("container", text(container));
        }
    }
}

vespid_plugin::export!(FileAudit);

#[cfg(test)]
mod tests;
