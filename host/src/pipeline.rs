//! From decoded events to the plugins' queues: the part that live and replayed events share.
//!
//! Batches are cut by event time and count alone, so the same events give the same batches wherever they come from;
//! a live daemon cuts besides when no event has come for a while ([`Pipeline::flush_older`]).
use std::sync::Arc;

use crate::batch::{Builder, Observed};
use crate::config;
use crate::enrich::ProcessTable;
use crate::event::{Body, Event};
use crate::filter::Subscription;
use crate::interface::vespid::plugin::events::{Batch, Lost};
use crate::ledger::Stage;
use crate::metrics::{BATCH_ROWS, Histogram};
use crate::plugin::Delivery;

/// A plugin's place at the pipeline. No two plugins of a daemon's life have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seat(pub u64);

/// Where batches go.
pub trait Outlet {
    /// Takes a batch for the plugin at a seat.
    fn deliver(&mut self, seat: Seat, delivery: &Delivery);
}

/// Names what all batches of a run have in common.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// Name of the node.
    pub node: String,
    /// Boot id of its kernel.
    pub boot_id: String,
}

/// Plugins with equal subscriptions, and the batch that is being built for them.
struct Group {
    subscription: Subscription,
    builder: Builder,
    members: Vec<Seat>,
    lost: Lost,
    /// What was sent last. When its readers are done with it, its memory is used again.
    last: Option<Arc<Batch>>,
}

/// The process table and the batches being built.
pub struct Pipeline {
    table: ProcessTable,
    origin: Origin,
    groups: Vec<Group>,
    next_seq: u64,
    max_events: usize,
    max_age_ns: u64,
    stage: Stage,
    batch_rows: Histogram,
}

impl Pipeline {
    /// A pipeline at which nobody sits yet.
    #[must_use]
    pub fn new(config: &config::Batch, origin: &Origin, table: ProcessTable) -> Pipeline {
        Pipeline {
            table,
            origin: origin.clone(),
            groups: Vec::new(),
            next_seq: 1,
            max_events: config.max_events,
            max_age_ns: config.max_age_ms.saturating_mul(1_000_000),
            stage: Stage::default(),
            batch_rows: Histogram::new(BATCH_ROWS),
        }
    }

    /// From now on the plugin at `seat` gets these rows: it sits down, or wants others than before. It first gets what
    /// had been gathered for it by then, so that it sees every event once.
    pub fn subscribe(&mut self, seat: Seat, subscription: &Subscription, outlet: &mut dyn Outlet) {
        let unsaid = self.unsubscribe(seat, outlet);
        let group = match self.groups.iter_mut().find(|group| group.subscription == *subscription) {
            Some(group) => group,
            None => {
                let Origin { node, boot_id } = &self.origin;
                self.groups.push_mut(Group {
                    subscription: subscription.clone(),
                    builder: Builder::new(subscription.clone(), node, boot_id),
                    members: Vec::new(),
                    lost: Lost::NONE,
                    last: None,
                })
            }
        };
        // Who sits down now is not owed what was gathered for the others.
        group.flush(&mut self.batch_rows, outlet);
        group.lose(unsaid);
        group.members.push(seat);
        group.members.sort_unstable();
    }

    /// The plugin at `seat` gets what had been gathered for it, and then nothing more. Returns the losses that it has
    /// not been told of, for want of a batch.
    pub fn unsubscribe(&mut self, seat: Seat, outlet: &mut dyn Outlet) -> Lost {
        let mut unsaid = Lost::NONE;
        for group in &mut self.groups {
            if group.members.contains(&seat) {
                group.flush(&mut self.batch_rows, outlet);
                group.members.retain(|member| *member != seat);
                unsaid = group.lost;
            }
        }
        self.groups.retain(|group| !group.members.is_empty());
        unsaid
    }

    /// What anybody wants.
    pub fn wanted(&self) -> impl Iterator<Item = &Subscription> {
        self.groups.iter().map(|group| &group.subscription)
    }

    /// Takes in an event.
    pub fn take(&mut self, event: &Event<'_>, outlet: &mut dyn Outlet) {
        let seq = self.next_seq;
        self.next_seq += 1;
        let attribution = self.table.observe(event);
        self.stage.pass(event.body.kind(), 1);
        if matches!(event.body, Body::Fork(_)) || self.groups.is_empty() {
            return;
        }
        let observed = Observed::new(seq, event, &attribution, &self.table);
        for group in &mut self.groups {
            if group.builder.len() >= self.max_events || group.builder.is_older(event.time, self.max_age_ns) {
                group.flush(&mut self.batch_rows, outlet);
            }
            group.builder.push(&observed);
        }
    }

    /// Notes events that were lost before they could be taken in.
    pub fn lose(&mut self, lost: Lost) {
        self.groups.iter_mut().for_each(|group| group.lose(lost));
    }

    /// Sends batches whose oldest event is too old at `now` (Unix nanoseconds).
    pub fn flush_older(&mut self, now: u64, outlet: &mut dyn Outlet) {
        for group in &mut self.groups {
            if group.builder.is_older(now, self.max_age_ns) {
                group.flush(&mut self.batch_rows, outlet);
            }
        }
    }

    /// Sends all that has been begun.
    pub fn flush(&mut self, outlet: &mut dyn Outlet) {
        for group in &mut self.groups {
            group.flush(&mut self.batch_rows, outlet);
        }
    }

    /// How many events were taken in.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.next_seq - 1
    }

    /// Time of the oldest event that has not been sent yet.
    #[must_use]
    pub fn oldest_time(&self) -> Option<u64> {
        self.groups.iter().filter_map(|group| group.builder.oldest_time()).min()
    }

    /// The process table.
    pub fn table(&mut self) -> &mut ProcessTable {
        &mut self.table
    }

    /// This stage's books.
    #[must_use]
    pub fn stage(&self) -> &Stage {
        &self.stage
    }

    /// Events by batch, of all batches sent.
    #[must_use]
    pub fn batch_rows(&self) -> &Histogram {
        &self.batch_rows
    }
}

impl Group {
    fn lose(&mut self, lost: Lost) {
        self.lost.kernel += lost.kernel;
        self.lost.decode += lost.decode;
    }

    fn flush(&mut self, batch_rows: &mut Histogram, outlet: &mut dyn Outlet) {
        let (Some(first_time), Some(last_time)) = (self.builder.oldest_time(), self.builder.newest_time()) else {
            return;
        };
        let rows = self.builder.rows();
        #[expect(clippy::cast_precision_loss, reason = "a batch has thousands of rows")]
        batch_rows.observe(self.builder.len() as f64);
        if let Some(last) = self.last.take().and_then(Arc::into_inner) {
            self.builder.reuse(last);
        }
        let batch = Arc::new(self.builder.finish(std::mem::replace(&mut self.lost, Lost::NONE)));
        self.last = Some(batch.clone());
        let delivery = Delivery {
            batch,
            rows,
            first_time,
            last_time,
        };
        for &seat in &self.members {
            outlet.deliver(seat, &delivery);
        }
    }
}
