//! Lines of a recording become batches: the part that a replay and a trial share.
use std::borrow::Cow;

use crate::config;
use crate::enrich::{Nothing, Options, ProcessTable};
use crate::event::{Body, Event, Known};
use crate::interface::vespid::plugin::events::Lost;
use crate::pipeline::{Origin, Outlet, Pipeline};
use crate::recording::{Header, Line};

/// How far time runs on after the last event, so that windows which are open then close: longer than any usual one.
pub const WINDOWS: u64 = 120_000_000_000;

/// A pipeline with a recording in place of the kernel.
pub struct Feed {
    pipeline: Pipeline,
    pace: Pace,
    last_time: u64,
}

impl Feed {
    /// A feed for a recording with this header, at which nobody sits yet. Event time runs `compress` times as fast as
    /// recorded.
    #[must_use]
    pub fn new(batch: &config::Batch, processes: usize, header: &Header, compress: f64) -> Feed {
        let origin = Origin {
            node: header.node.clone(),
            boot_id: header.boot_id.clone(),
        };
        let options = Options {
            capacity: processes,
            node_namespaces: header.namespaces,
            ..Options::default()
        };
        let table = ProcessTable::new(options, Box::new(Nothing));
        Feed {
            pipeline: Pipeline::new(batch, &origin, table),
            pace: Pace {
                origin: header.created,
                times: compress,
            },
            last_time: 0,
        }
    }

    /// The pipeline, to sit down at.
    pub fn pipeline(&mut self) -> &mut Pipeline {
        &mut self.pipeline
    }

    /// Takes in a line.
    pub fn take(&mut self, line: &Line<'_>, outlet: &mut impl Outlet) {
        match line {
            Line::Known(known) => self.pipeline.table().learn(&self.pace.known(known)),
            Line::Container(container) => self.pipeline.table().learn_container(container),
            Line::Account(account) => self.pipeline.table().learn_account(account),
            Line::Lost(loss) => self.pipeline.lose(Lost {
                kernel: loss.count,
                decode: 0,
                queue: 0,
            }),
            Line::Event(event) => {
                let event = self.pace.event(event);
                self.last_time = self.last_time.max(event.time);
                self.pipeline.take(&event, outlet);
            }
            Line::End(_) => {}
        }
    }

    /// Hands over what has been gathered.
    pub fn flush(&mut self, outlet: &mut impl Outlet) {
        self.pipeline.flush(outlet);
    }

    /// The event time by which all windows have closed.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.last_time.saturating_add(WINDOWS)
    }
}

/// How fast event time runs. What is older than the recording stays where it is.
#[derive(Clone, Copy, Debug)]
struct Pace {
    origin: u64,
    times: f64,
}

impl Pace {
    #[expect(clippy::float_cmp, reason = "exactly 1 means: as recorded")]
    fn is_as_recorded(self) -> bool {
        self.times == 1.0
    }

    fn time(self, time: u64) -> u64 {
        match time.checked_sub(self.origin) {
            Some(since) => self.origin.saturating_add(self.length(since)),
            None => time,
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a year in nanoseconds is exact to some nanoseconds"
    )]
    fn length(self, ns: u64) -> u64 {
        (ns as f64 / self.times) as u64
    }

    fn event<'a, 'b>(self, event: &'a Event<'b>) -> Cow<'a, Event<'b>> {
        if self.is_as_recorded() {
            return Cow::Borrowed(event);
        }
        let mut event = event.clone();
        event.time = self.time(event.time);
        event.subject.start = self.time(event.subject.start);
        match &mut event.body {
            Body::Fork(fork) => fork.child_start = self.time(fork.child_start),
            Body::Exec(exec) => exec.image.parent_start = self.time(exec.image.parent_start),
            Body::Connection(connection) => connection.duration = self.length(connection.duration),
            Body::Privileged(call) => call.target_start = self.time(call.target_start),
            Body::Resource(resource) => resource.interval = self.length(resource.interval),
            Body::Exit(_) | Body::Open(_) | Body::Change(_) | Body::Socket(_) => {}
        }
        Cow::Owned(event)
    }

    fn known<'a, 'b>(self, known: &'a Known<'b>) -> Cow<'a, Known<'b>> {
        if self.is_as_recorded() {
            return Cow::Borrowed(known);
        }
        let mut known = known.clone();
        known.subject.start = self.time(known.subject.start);
        known.image.parent_start = self.time(known.image.parent_start);
        if let Some(restated) = &mut known.restated {
            for time in [&mut restated.parent_start, &mut restated.ended, &mut restated.at] {
                *time = self.time(*time);
            }
        }
        Cow::Owned(known)
    }
}
