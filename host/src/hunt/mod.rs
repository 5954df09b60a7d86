//! A plugin over what was recorded lately: would it have found something?
//!
//! The files are read one after the other as if they were one recording. Each begins with all that was known when it was
//! begun; where it goes on exactly where the one before ended, that is known already and is passed over.
mod files;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub use files::{Counter, NoTapes, Tape, select};

use crate::recording::{Line, RecordingError};

/// What time is asked for, in Unix nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// From then on. What came before in the same file is shown to the plugin as well, for it to know its way about.
    pub from: u64,
    /// Up to then.
    pub to: u64,
}

impl Span {
    /// All of it.
    pub const ALL: Span = Span { from: 0, to: u64::MAX };

    /// Whether a time is part of it.
    #[must_use]
    pub fn has(self, time: u64) -> bool {
        (self.from..=self.to).contains(&time)
    }
}

/// Time of which nothing is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The last event before, in Unix nanoseconds.
    pub after: u64,
    /// When recording went on.
    pub until: u64,
    /// The file that went on.
    pub file: PathBuf,
}

/// What there was to read.
#[derive(Debug, Default)]
pub struct Account {
    /// Events shown to the plugin.
    pub events: u64,
    /// First and last of them.
    pub times: Option<(u64, u64)>,
    /// Events that the recordings say they lack, by stage and kind.
    pub lost: BTreeMap<(String, String), u64>,
    /// Where the files do not follow one another.
    pub gaps: Vec<Gap>,
    /// Files of which a part, or all, could not be read.
    pub damaged: Vec<RecordingError>,
    /// Files read.
    pub files: usize,
}

/// What to do after a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Read on.
    On,
    /// Stop here.
    Stop,
}

/// Reads `tapes` in their order, and shows `take` every line that counts.
pub fn follow(tapes: &[Tape], span: Span, counter: &Counter, mut take: impl FnMut(&Line<'_>) -> Next) -> Account {
    let mut account = Account::default();
    // The file before, if it was read to its end line.
    let mut whole: Option<&Tape> = None;
    for (at, tape) in tapes.iter().enumerate() {
        let mut reader = match tape.open(counter) {
            Ok(reader) => reader,
            Err(error) => {
                account.damaged.push(error);
                whole = None;
                continue;
            }
        };
        account.files += 1;
        let goes_on = whole.and_then(|before| Some(tape.place?.follows(before.place?))) == Some(true);
        if !goes_on && let Some((_, after)) = account.times {
            account.gaps.push(Gap {
                after,
                until: tape.created,
                file: tape.file.clone(),
            });
        }
        whole = None;
        let mut is_context = goes_on;
        loop {
            let line = match reader.next() {
                Ok(Some(Line::End(_))) => {
                    whole = Some(tape);
                    break;
                }
                Ok(Some(line)) => line,
                Ok(None) => break,
                // The newest file may be being written, or was when the daemon was killed.
                Err(RecordingError::Truncated { .. }) if at + 1 == tapes.len() => break,
                Err(error) => {
                    account.damaged.push(error);
                    break;
                }
            };
            match &line {
                Line::Known(known) if is_context && known.restated.is_some() => continue,
                Line::Container(_) if is_context => continue,
                Line::Event(event) if event.time > span.to => continue,
                Line::Event(event) => {
                    is_context = false;
                    account.events += 1;
                    let (first, last) = account.times.unwrap_or((event.time, event.time));
                    account.times = Some((first.min(event.time), last.max(event.time)));
                }
                Line::Lost(loss) => {
                    let kind = loss.kind.as_deref().unwrap_or("unknown");
                    let key = (loss.stage.to_string(), kind.to_owned());
                    *account.lost.entry(key).or_default() += loss.count;
                }
                Line::Known(_) | Line::Container(_) | Line::Account(_) | Line::End(_) => {}
            }
            if take(&line) == Next::Stop {
                return account;
            }
        }
    }
    account
}
