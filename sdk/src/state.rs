//! State that outlives an instance: a serde type as bytes (postcard), with a version.
//!
//! A plugin that has state says so in three places: its type is [`Versioned`], the manifest
//! [names it](crate::Manifest::state), and `snapshot` and `restore` save and resume it. A plugin without state writes
//! nothing.
//!
//! ```
//! use vespid_plugin::prelude::*;
//! use vespid_plugin::state::Versioned;
//! use vespid_plugin::Restored;
//!
//! struct Count(Seen);
//!
//! /// What another instance goes on with.
//! #[derive(Clone, Default, Serialize, Deserialize)]
//! struct Seen {
//!     opens: u64,
//!     writes: u64,
//! }
//!
//! impl Versioned for Seen {
//!     // Version 1 was the number of opens alone.
//!     const VERSION: u32 = 2;
//!
//!     fn migrate(version: u32, bytes: &[u8]) -> Option<Self> {
//!         let opens = (version == 1).then(|| vespid_plugin::state::load(bytes))??;
//!         Some(Seen { opens, writes: 0 })
//!     }
//! }
//!
//! impl Plugin for Count {
//!     const MANIFEST: Manifest = Manifest::new("count", "0.2.0", "Counts opens.").opens().state::<Seen>();
//! #   type Config = Config;
//! #   type Metrics = ();
//! #   fn metrics(_: &Registry) {}
//! #   fn new(_: Config, (): ()) -> Result<Self, String> { Ok(Count(Seen::default())) }
//!     fn on_batch(&mut self, batch: Batch<'_>, _: &mut Report) -> Result<(), String> {
//!         self.0.opens += batch.opens().count() as u64;
//!         Ok(())
//!     }
//!
//!     fn snapshot(&self) -> Vec<u8> {
//!         self.0.save()
//!     }
//!
//!     fn restore(&mut self, version: u32, bytes: &[u8]) -> Restored {
//!         Seen::resume(version, bytes, |seen| self.0 = seen)
//!     }
//! }
//! # #[derive(Deserialize, JsonSchema)]
//! # struct Config {}
//!
//! let mut count = Count(Seen::default());
//! assert_eq!(count.restore(1, &vespid_plugin::state::save(&7_u64)), Restored::Warm);
//! assert_eq!(count.0.opens, 7);
//! assert_eq!(count.restore(9, b"who knows"), Restored::Cold);
//! ```
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Restored;

/// State whose bytes say which version of the type they are, in the manifest of whoever wrote them.
///
/// ```
/// use vespid_plugin::prelude::*;
/// use vespid_plugin::state::Versioned;
///
/// #[derive(Default, Serialize, Deserialize)]
/// struct Pairs(Vec<(String, String)>);
///
/// impl Versioned for Pairs {
///     const VERSION: u32 = 1;
/// }
///
/// let mut pairs = Pairs::default();
/// let bytes = Pairs(vec![("sshd".into(), "bash".into())]).save();
/// Pairs::resume(1, &bytes, |saved| pairs = saved);
/// assert_eq!(pairs.0.len(), 1);
/// ```
pub trait Versioned: Serialize + DeserializeOwned {
    /// The version of the type. Whatever changes about the type has to change it, since the bytes do not describe
    /// themselves.
    const VERSION: u32;

    /// Reads what another version wrote; `None` if that is not known, and the plugin starts cold.
    fn migrate(version: u32, bytes: &[u8]) -> Option<Self> {
        let _ = (version, bytes);
        None
    }

    /// For [`Plugin::snapshot`](crate::Plugin::snapshot).
    fn save(&self) -> Vec<u8> {
        save(self)
    }

    /// For [`Plugin::restore`](crate::Plugin::restore): hands the state of this version, or of one that
    /// [`migrate`](Versioned::migrate) knows, to `with`. That there was none to hand over is logged.
    fn resume(version: u32, bytes: &[u8], with: impl FnOnce(Self)) -> Restored {
        let state = if version == Self::VERSION {
            load(bytes)
        } else {
            Self::migrate(version, bytes)
        };
        match state {
            Some(state) => {
                with(state);
                Restored::Warm
            }
            None => {
                crate::log::warn(&format!(
                    "a state of version {version} ({} bytes) cannot be used by version {}; starting without",
                    bytes.len(),
                    Self::VERSION
                ));
                Restored::Cold
            }
        }
    }
}

/// State as bytes, for [`Plugin::snapshot`](crate::Plugin::snapshot). Empty, and the cause logged, if a type in it
/// cannot be written (a map of unknown length, say).
#[must_use]
pub fn save<T: Serialize>(state: &T) -> Vec<u8> {
    postcard::to_allocvec(state).unwrap_or_else(|cause| {
        crate::log::error(&format!("the state cannot be saved: {cause}"));
        Vec::new()
    })
}

/// State from bytes, for [`Plugin::restore`](crate::Plugin::restore); `None` if the bytes are not one.
#[must_use]
pub fn load<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    postcard::from_bytes(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_saved_loads_and_a_torn_state_does_not() {
        let state = (7_u64, vec![b"/bin/sh".to_vec()]);
        let bytes = save(&state);
        assert_eq!(load(&bytes), Some(state));
        assert_eq!(load::<(u64, Vec<Vec<u8>>)>(&bytes[..bytes.len() - 1]), None);
    }
}
