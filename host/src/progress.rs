//! Progress of long work, on a terminal.
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Counts something of which nobody knows how much there will be. Shown only on a terminal.
#[must_use]
pub fn counting(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    let style = ProgressStyle::with_template("{spinner} {human_pos} {msg}, {elapsed}, {per_sec}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.set_message(what);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// Counts bytes of a known number, with the time that is left. Shown only on a terminal.
#[must_use]
pub fn of_bytes(total: u64) -> ProgressBar {
    let bar = ProgressBar::new(total);
    let style = ProgressStyle::with_template("{wide_bar} {percent}% of {binary_total_bytes}, {msg}, {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}
