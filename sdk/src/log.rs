//! The daemon's log, the only thing a plugin may ask for.
//!
//! Lines beyond the daemon's rate limit are dropped there. Natively they are kept for [`take`](self::take).
//!
//! ```
//! use vespid_plugin::log::{self, Level};
//!
//! log::warn("the list of names is empty");
//! assert_eq!(log::take(), [(Level::Warn, "the list of names is empty".to_owned())]);
//!
//! log::error("the list of names cannot be used");
//! log::info("12 names");
//! log::debug("the first one is curl");
//! assert_eq!(log::take().len(), 3);
//! ```

pub use crate::bindings::vespid::plugin::log::Level;

/// Writes a line with the plugin's name.
#[cfg(target_family = "wasm")]
pub fn log(level: Level, message: &str) {
    crate::bindings::vespid::plugin::log::log(level, message);
}

/// Something failed.
pub fn error(message: &str) {
    log(Level::Error, message);
}

/// Something is not as it should be.
pub fn warn(message: &str) {
    log(Level::Warn, message);
}

/// Something that an operator may like to know.
pub fn info(message: &str) {
    log(Level::Info, message);
}

/// For the plugin's author.
pub fn debug(message: &str) {
    log(Level::Debug, message);
}

#[cfg(not(target_family = "wasm"))]
mod native {
    use std::cell::RefCell;

    use super::Level;

    thread_local!(static LINES: RefCell<Vec<(Level, String)>> = const { RefCell::new(Vec::new()) });

    /// Keeps a line for [`take`].
    pub fn log(level: Level, message: &str) {
        LINES.with_borrow_mut(|lines| lines.push((level, message.to_owned())));
    }

    /// The lines that this thread logged since the last call.
    #[must_use]
    pub fn take() -> Vec<(Level, String)> {
        LINES.take()
    }
}

#[cfg(not(target_family = "wasm"))]
pub use native::{log, take};
