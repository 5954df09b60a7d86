//! One rule a file, and what they share: findings become verdicts, repeated ones a count.
mod burst;
mod novelty;
mod place;
mod server;

use std::time::Duration;

use vespid_plugin::prelude::*;
use vespid_plugin::{Exec, Repeats, cut, remembered};

pub(crate) use burst::Bursts;
pub(crate) use novelty::{Learned, Novelty};
pub(crate) use place::Places;
pub(crate) use server::Servers;

use crate::metrics;

const MAX_FINDINGS: usize = 4096;
/// Bytes of a message that the closing note repeats.
const MAX_NOTE: usize = 512;

/// What a rule found.
pub(crate) struct Finding {
    pub(crate) rule: &'static str,
    pub(crate) severity: Severity,
    pub(crate) message: String,
    pub(crate) tags: &'static [&'static str],
    /// What makes two findings of a rule the same, besides executable, parent and container.
    pub(crate) detail: Vec<u8>,
    pub(crate) fields: Vec<(&'static str, String)>,
}

/// Remembered for the closing note.
struct Said {
    rule: &'static str,
    severity: Severity,
    tags: &'static [&'static str],
    message: String,
    key: String,
}

/// Findings on their way to become verdicts.
pub(crate) struct Findings {
    repeats: Repeats<[Vec<u8>; 5], Said>,
    window: Duration,
}

impl Findings {
    pub(crate) fn new(repeat_after_seconds: u32) -> Self {
        let window = Duration::from_secs(repeat_after_seconds.into());
        Findings {
            repeats: Repeats::new(MAX_FINDINGS, window),
            window,
        }
    }

    pub(crate) fn say(&mut self, exec: Exec<'_>, process: Process<'_>, finding: Finding, out: &mut Report) {
        let parent = process.parent().map_or(&b""[..], Process::exe);
        let container = process.container().map_or(&b""[..], Container::id);
        let same = [
            finding.rule.as_bytes(),
            process.exe(),
            &finding.detail,
            parent,
            container,
        ]
        .map(remembered);
        let key = format!("{}/{}", finding.rule, text(process.exe()));
        let said = || Said {
            rule: finding.rule,
            severity: finding.severity,
            tags: finding.tags,
            message: cut(finding.message.clone(), MAX_NOTE),
            key: key.clone(),
        };
        if !self.repeats.is_first(exec.time(), same, said) {
            return;
        }
        let mut verdict = out
            .verdict(finding.rule, finding.severity)
            .about(&exec)
            .message(finding.message)
            .key(key);
        for (name, value) in finding.fields {
            verdict = verdict.field(name, value);
        }
        verdict
            .tags(finding.tags.iter().copied())
            .field("container", text(metrics::container(process)));
    }

    pub(crate) fn close(&mut self, now: u64, out: &mut Report) {
        for (said, repeated) in self.repeats.closed(now) {
            out.verdict(&format!("{}-repeated", said.rule), said.severity)
                .message(format!(
                    "{repeated} more times in {} s: {}",
                    self.window.as_secs(),
                    said.message
                ))
                .key(said.key)
                .tags(said.tags.iter().copied())
                .field("count", repeated);
        }
    }
}
