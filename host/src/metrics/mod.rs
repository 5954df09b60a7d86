//! What /metrics shows: the plugins' own metrics, which the daemon keeps for them, and the daemon's numbers about itself.
//!
//! A plugin's worker applies each report to its plugin's [`Families`]. A scrape copies the numbers out of them and out of
//! every stage into a [`Scrape`], and only then renders, so no stage ever waits for text to be written.
mod bill;
mod clash;
mod classic;
mod descriptor;
mod encode;
mod family;
mod histogram;
mod host;
mod page;
mod scrape;
mod series;
mod usage;

pub use clash::{clash, exported_names};
pub use descriptor::{BadMetric, Descriptor};
pub use encode::{Format, render};
pub use family::{FamilySnapshot, Reading};
pub use histogram::{BATCH_ROWS, CALL_SECONDS, Histogram, LAG_SECONDS};
pub use scrape::{
    Books, Build, Compared, Kept, LookBacks, Plugin, Processes, Refusals, Reloads, Restarts, Scrape, StageName, State,
    Verdicts, VerdictsBy,
};
pub use series::{Families, Limits, SeriesIds};
pub use usage::Usage;
