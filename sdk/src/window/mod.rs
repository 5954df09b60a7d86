//! What a stream of events was like lately, in bounded memory.
//!
//! Time is event time, in nanoseconds, and is passed in: the same events give the same answers, whenever they are looked
//! at. Everything here is serde data, so that it can be part of a plugin's [state](crate::state), and small enough to be
//! kept for each process or container in a [`Keyed`](crate::Keyed).
mod distinct;
mod ewma;
mod quantiles;
mod rate;
mod recent;
mod top;

pub use distinct::Distinct;
pub use ewma::Ewma;
pub use quantiles::Quantiles;
pub use rate::Rate;
pub use recent::{Merge, Recent};
pub use top::{Top, TopK};
