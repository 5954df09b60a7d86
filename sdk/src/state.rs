//! State that outlives an instance: a serde type as bytes (postcard).
//!
//! Whatever changes about the type has to change [`Manifest::state_version`](crate::Manifest::state_version), since
//! the bytes do not describe themselves.
use serde::Serialize;
use serde::de::DeserializeOwned;

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
