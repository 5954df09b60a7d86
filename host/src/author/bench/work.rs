//! A recording as the calls that it makes, kept in memory so that nothing but the plugin is measured.
use crate::filter::Subscription;
use crate::interface::vespid::plugin::events::Batch;
use crate::recording::{Reader, RecordingError};
use crate::trial::{self, Calls, Options};

/// Events that are kept at most; some hundred bytes each.
const MOST_EVENTS: u64 = 1_000_000;

/// The calls of one pass.
pub struct Work {
    calls: Vec<Call>,
    events: u64,
    is_cut: bool,
}

/// One of them.
pub(super) enum Call {
    Batch { batch: Box<Batch>, rows: u64 },
    Tick(u64),
}

impl Work {
    /// What a plugin with this subscription is called with for a recording.
    ///
    /// # Errors
    /// If the recording is damaged.
    pub fn read(reader: &mut Reader, subscription: &Subscription, options: &Options) -> Result<Work, RecordingError> {
        let mut calls = Calls::new(subscription, options, reader.header());
        let mut work = Work {
            calls: Vec::new(),
            events: 0,
            is_cut: false,
        };
        while let Some(line) = reader.next()? {
            calls.take(&line, |call| work.keep(call));
            if work.events >= MOST_EVENTS {
                work.is_cut = true;
                break;
            }
        }
        calls.finish(|call| work.keep(call));
        Ok(work)
    }

    fn keep(&mut self, call: trial::Call<'_>) {
        match call {
            trial::Call::Batch(batch) => {
                let rows = batch.rows() as u64;
                self.events += rows;
                self.calls.push(Call::Batch {
                    batch: Box::new(batch.clone()),
                    rows,
                });
            }
            trial::Call::Tick(now) => self.calls.push(Call::Tick(now)),
            // Nobody asked for one.
            trial::Call::Replace => {}
        }
    }

    pub(super) fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// Events in the batches.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Whether the recording is longer.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    pub(super) fn batches(&self) -> u64 {
        self.calls.len() as u64 - self.ticks()
    }

    pub(super) fn ticks(&self) -> u64 {
        let ticks = self.calls.iter().filter(|call| matches!(call, Call::Tick(_)));
        ticks.count() as u64
    }
}
