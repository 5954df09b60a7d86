//! Verdicts on their way out of the daemon.
//!
//! A plugin's worker makes each verdict a [`Record`] while it still has the batch, and hands that to the [`Sink`], which
//! never makes it wait.
mod books;
mod columns;
mod event;
mod line;
mod record;
mod seen;
mod sink;
mod time;
mod writer;

pub use books::RECENT;
pub use record::{Cause, Origin, Record, Summary, severity_name};
pub use seen::seen;
pub use sink::{Delivery, Sink};
pub use time::{time_of_day, timestamp, utc};
pub use writer::{Target, Unwritable};
