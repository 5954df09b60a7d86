//! Components: the shipped ones, and the zoo in as many versions as a test needs.
use std::fs;

use crate::support::{self, plugins};

/// A shipped component.
pub(crate) fn shipped(name: &str) -> Vec<u8> {
    fs::read(plugins().join(name).with_extension("wasm")).expect("a component")
}

/// The zoo, calling itself `version`: five bytes, `1.2.3` as built.
pub(crate) fn zoo(version: &str) -> Vec<u8> {
    let mut bytes = fs::read(support::zoo()).expect("the zoo");
    let built = b"version:1.2.3";
    let at = bytes.windows(built.len()).position(|window| window == built);
    let at = at.expect("the zoo says its version") + b"version:".len();
    bytes[at..at + version.len()].copy_from_slice(version.as_bytes());
    bytes
}

/// The same component with another digest: a custom section at its end says `word`.
pub(crate) fn marked(mut component: Vec<u8>, word: &str) -> Vec<u8> {
    let len = u8::try_from(word.len()).expect("a short word");
    component.extend([0, len + 1, len]);
    component.extend(word.as_bytes());
    component
}
