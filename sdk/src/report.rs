//! What a plugin has to say about a batch.
//!
//! The daemon refuses a report as a whole, and replaces the instance, if anything in it is too long or there is too much
//! of it. Since arguments and paths are chosen by whoever is being watched, what goes in here is cut to size.
use crate::bindings::vespid::plugin::reports;
pub use crate::bindings::vespid::plugin::reports::Severity;
use crate::cut;
use crate::rows::Fact;

// The daemon's limits (host/src/plugin/report.rs), in bytes where not in numbers.
const MAX_VERDICTS: usize = 1000;
const MAX_MESSAGE: usize = 4 << 10;
const MAX_KEY: usize = 1 << 10;
const MAX_TAG: usize = 256;
const MAX_TAGS: usize = 64;
const MAX_FIELD: usize = 4 << 10;
const MAX_FIELDS: usize = 64;
pub(crate) const MAX_LABEL: usize = 4 << 10;

/// The verdicts of one call. (Metrics find their own way, see [`Registry`](crate::Registry).)
///
/// ```
/// use vespid_plugin::{Exec, Report, Severity, text};
///
/// fn judge(exec: Exec<'_>, out: &mut Report) {
///     if exec.filename().starts_with(b"/tmp/") {
///         out.verdict("run-from-tmp", Severity::Warning)
///             .about(&exec)
///             .message(format!("{} was run", text(exec.filename())))
///             .key(format!("run-from-tmp/{}", text(exec.filename())));
///     }
/// }
/// ```
#[derive(Default)]
pub struct Report {
    pub(crate) verdicts: Vec<reports::Verdict>,
    /// Verdicts beyond the limit go here, one over the other.
    beyond: Option<Box<reports::Verdict>>,
    pub(crate) dropped: u64,
}

impl Report {
    /// Says that `rule` (`[a-z][a-z0-9-]*`) was met. The rest is said by the methods of what it returns. Of one report's
    /// verdicts the first 1000 are kept; that there were more is logged.
    pub fn verdict(&mut self, rule: &str, severity: Severity) -> Verdict<'_> {
        let verdict = reports::Verdict {
            rule: rule.to_owned(),
            severity,
            message: String::new(),
            key: String::new(),
            tags: Vec::new(),
            subject: None,
            fields: Vec::new(),
        };
        if self.verdicts.len() < MAX_VERDICTS {
            return Verdict(self.verdicts.push_mut(verdict));
        }
        self.dropped += 1;
        Verdict(self.beyond.insert(Box::new(verdict)))
    }
}

/// A verdict in the making; it is already part of its report. Texts that are too long are cut, which an ellipsis shows.
///
/// ```
/// # use vespid_plugin::{Report, Severity};
/// # let mut out = Report::default();
/// out.verdict("port-scan", Severity::Warning)
///     .message("nmap (pid 7) tried 100 ports within 10 s")
///     .key("port-scan/7")
///     .tag("T1046")
///     .tags(["network", "discovery"])
///     .field("ports", 100);
/// ```
pub struct Verdict<'a>(&'a mut reports::Verdict);

impl Verdict<'_> {
    /// The event that it is about. The daemon adds the process, its ancestors and its container.
    pub fn about(self, fact: &impl Fact) -> Self {
        self.0.subject = Some(fact.subject());
        self
    }

    /// One sentence with the particulars, at most 4 KiB. Kernel bytes go through [`text`](crate::text()).
    pub fn message(self, message: impl Into<String>) -> Self {
        self.0.message = cut(message.into(), MAX_MESSAGE);
        self
    }

    /// Groups verdicts of one cause; at most 1 KiB.
    pub fn key(self, key: impl Into<String>) -> Self {
        self.0.key = cut(key.into(), MAX_KEY);
        self
    }

    /// Adds a tag, such as an ATT&CK technique id; at most 64 of 256 bytes.
    pub fn tag(self, tag: impl Into<String>) -> Self {
        if self.0.tags.len() < MAX_TAGS {
            self.0.tags.push(cut(tag.into(), MAX_TAG));
        }
        self
    }

    /// Adds tags.
    pub fn tags<T: Into<String>>(self, tags: impl IntoIterator<Item = T>) -> Self {
        tags.into_iter().fold(self, Verdict::tag)
    }

    /// Adds a particular by name; at most 64 of 4 KiB.
    pub fn field(self, name: &str, value: impl ToString) -> Self {
        if self.0.fields.len() < MAX_FIELDS {
            self.0.fields.push((name.to_owned(), cut(value.to_string(), MAX_FIELD)));
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_attacker_makes_long_is_cut_rather_than_refused() {
        let mut report = Report::default();
        let long = "ü".repeat(5000);
        report
            .verdict("r", Severity::Info)
            .message(&long)
            .key(&long)
            .field("f", &long)
            .tag(&long);
        let verdict = &report.verdicts[0];
        let lengths = [
            verdict.message.len(),
            verdict.key.len(),
            verdict.fields[0].1.len(),
            verdict.tags[0].len(),
        ];
        assert_eq!(lengths, [4095, 1023, 4095, 255]);
        assert!(verdict.message.ends_with("ü…"));
    }

    #[test]
    fn a_flood_of_verdicts_does_not_cost_the_first_ones() {
        let mut report = Report::default();
        for _ in 0..1005 {
            report.verdict("r", Severity::Info).message("m");
        }
        assert_eq!((report.verdicts.len(), report.dropped), (1000, 5));
    }
}
