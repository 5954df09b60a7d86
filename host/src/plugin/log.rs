//! The one thing a plugin may ask of the daemon: a line in its log. At a bounded rate, of a bounded length, and never
//! able to pass for another line.
use std::time::Instant;

use crate::interface::vespid::plugin::log::{Host, Level};

use super::failure::printable;
use super::tenant::Tenant;

const LINE_BYTES: usize = 2 << 10;
const LAST_WORDS_BYTES: usize = 512;

impl Host for Tenant {
    fn log(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        self.host_calls.take()?;
        if matches!(level, Level::Error) {
            // In one line, for it may have to stand within another.
            self.last_words = Some(printable(&message.replace('\n', " "), LAST_WORDS_BYTES));
        }
        if !self.log.admit(Instant::now()) {
            return Ok(());
        }
        let plugin = self.plugin.as_str();
        let message = printable(&message, LINE_BYTES);
        match level {
            Level::Error => tracing::error!(plugin, "{message}"),
            Level::Warn => tracing::warn!(plugin, "{message}"),
            Level::Info => tracing::info!(plugin, "{message}"),
            Level::Debug => tracing::debug!(plugin, "{message}"),
        }
        Ok(())
    }
}
