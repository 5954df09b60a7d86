//! One rule a file, and what they share: findings become verdicts, repeated ones a count.
mod burst;
mod namespace;
mod novelty;
mod place;
mod reverse_shell;
mod server;
mod tracing;

use std::time::Duration;

use vespid_plugin::prelude::*;
use vespid_plugin::{Fact, Repeats, cut, remembered};

pub(crate) use burst::Bursts;
pub(crate) use namespace::Namespaces;
pub(crate) use novelty::{Learned, Novelty};
pub(crate) use place::Places;
pub(crate) use reverse_shell::ReverseShells;
pub(crate) use server::Servers;
pub(crate) use tracing::Tracing;

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

    /// Reports a finding about a fact of this time, unless it is a repetition.
    pub(crate) fn say(
        &mut self,
        (fact, time): (&impl Fact, u64),
        process: Process<'_>,
        finding: Finding,
        out: &mut Report,
    ) {
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
        if !self.repeats.is_first(time, same, said) {
            return;
        }
        let mut verdict = out
            .verdict(finding.rule, finding.severity)
            .about(fact)
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

/// Short name of a process, for a message.
fn name(process: Process<'_>) -> String {
    text(process.name()).to_string()
}
