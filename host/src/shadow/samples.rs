//! Examples of what was counted, so that a reader sees what the numbers mean.
use std::collections::VecDeque;

use super::pending::Pending;
use super::summary::{Sample, Summary, VerdictJson};
use crate::verdict::severity_name;

/// Disagreements of each sort that are kept, the last ones.
const DISAGREEMENTS: usize = 20;
/// Agreements that are kept, the last ones.
const AGREEMENTS: usize = 5;
/// Longest verdict that is kept whole.
const MOST_LINE_BYTES: usize = 16 << 10;

/// The last verdicts of each sort.
#[derive(Debug, Default)]
pub(super) struct Samples {
    agreed: VecDeque<Sample>,
    severity: VecDeque<Sample>,
    missing: VecDeque<Sample>,
    extra: VecDeque<Sample>,
}

impl Samples {
    pub(super) fn agreed(&mut self, seen: Pending) {
        keep(&mut self.agreed, AGREEMENTS, sample(seen));
    }

    /// Both, in whatever order they came.
    pub(super) fn severity(&mut self, one: Pending, other: Pending) {
        let (active, shadow) = if one.side == super::Side::Active {
            (one, other)
        } else {
            (other, one)
        };
        let shadow_severity = Some(severity_name(shadow.severity).to_owned());
        let both = Sample {
            shadow_severity,
            ..sample(active)
        };
        keep(&mut self.severity, DISAGREEMENTS, both);
    }

    pub(super) fn missing(&mut self, seen: Pending) {
        keep(&mut self.missing, DISAGREEMENTS, sample(seen));
    }

    pub(super) fn extra(&mut self, seen: Pending) {
        keep(&mut self.extra, DISAGREEMENTS, sample(seen));
    }

    /// A summary with the samples, newest first, and nothing else.
    pub(super) fn summary(&self) -> Summary {
        let newest_first = |samples: &VecDeque<Sample>| samples.iter().rev().cloned().collect();
        Summary {
            agreed: newest_first(&self.agreed),
            severity: newest_first(&self.severity),
            missing: newest_first(&self.missing),
            extra: newest_first(&self.extra),
            ..Summary::default()
        }
    }
}

fn keep(samples: &mut VecDeque<Sample>, most: usize, sample: Sample) {
    if samples.len() == most {
        samples.pop_front();
    }
    samples.push_back(sample);
}

fn sample(seen: Pending) -> Sample {
    let is_short = seen.line.len() <= MOST_LINE_BYTES;
    Sample {
        rule: seen.about.rule.clone(),
        severity: severity_name(seen.severity).to_owned(),
        shadow_severity: None,
        key: seen.about.key.clone(),
        subject: seen.about.subject,
        time: seen.time,
        message: seen.message,
        verdict: is_short.then_some(VerdictJson(seen.line)),
    }
}
