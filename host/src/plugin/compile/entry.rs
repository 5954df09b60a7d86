//! A file of the cache: a header that says what it is the code of, and proves that it is whole.
//!
//! | bytes | |
//! |---|---|
//! | 8 | magic, with the version of this form |
//! | 32 | key: SHA-256 over the settings of the compiler and the SHA-256 of the component |
//! | 8 | length of the code, little-endian |
//! | 32 | SHA-256 over all of the above and the code |
//! | | the code |
//!
//! The checksum finds damage, not malice: whoever can write the file can make a right one.
use std::fmt;
use std::hash::{Hash, Hasher};

use sha2::{Digest as _, Sha256};

/// A SHA-256.
pub(super) type Digest = [u8; 32];

const MAGIC: [u8; 8] = *b"vespid\0\x01";
/// Length of a header.
pub(super) const HEADER: usize = 8 + 32 + 8 + 32;

/// What code is looked up by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Key(Digest);

impl Key {
    pub(super) fn new(settings: &Digest, component: &Digest) -> Key {
        Key(Sha256::new()
            .chain_update(settings)
            .chain_update(component)
            .finalize()
            .into())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A digest of everything that code depends on besides its component: wasmtime's version, its settings, the processor.
pub(super) fn settings(engine: &wasmtime::Engine) -> Digest {
    let mut hasher = WideHasher(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.0.finalize().into()
}

/// `Hasher` has 64 bits, too few to never be wrong.
struct WideHasher(Sha256);

impl Hasher for WideHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

/// Why a file of the cache is not what it should be.
#[derive(Debug, thiserror::Error)]
pub(super) enum Damage {
    #[error("it is a link, or not a file at all")]
    NotAFile,
    #[error("it belongs to user {0}")]
    Owner(u32),
    #[error("others than its owner may write to it")]
    Writable,
    #[error("it cannot be read: {0}")]
    Unreadable(std::io::Error),
    #[error("it has {0} bytes, which is not its length")]
    Length(u64),
    #[error("it is no code of this program's")]
    Foreign,
    #[error("it is the code of something else")]
    Key,
    #[error("its checksum is wrong")]
    Checksum,
    #[error("the engine refuses it: {0}")]
    Unusable(String),
}

/// The header for some code.
pub(super) fn header(key: &Key, code: &[u8]) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    let (said, sum) = header.split_at_mut(HEADER - 32);
    said[..8].copy_from_slice(&MAGIC);
    said[8..40].copy_from_slice(&key.0);
    said[40..].copy_from_slice(&(code.len() as u64).to_le_bytes());
    sum.copy_from_slice(&checksum(said, code));
    header
}

/// Code that was checked.
pub(super) struct Checked(Vec<u8>);

impl Checked {
    /// Checks what a file has.
    pub(super) fn new(key: &Key, file: Vec<u8>) -> Result<Checked, Damage> {
        let wrong_length = Damage::Length(file.len() as u64);
        let (header, code) = file.split_at_checked(HEADER).ok_or(wrong_length)?;
        let (said, sum) = header.split_at(HEADER - 32);
        if said[..8] != MAGIC {
            Err(Damage::Foreign)
        } else if said[8..40] != key.0 {
            Err(Damage::Key)
        } else if said[40..] != (code.len() as u64).to_le_bytes() {
            Err(Damage::Length(file.len() as u64))
        } else if sum != checksum(said, code) {
            Err(Damage::Checksum)
        } else {
            Ok(Checked(file))
        }
    }

    /// The code.
    pub(super) fn code(&self) -> &[u8] {
        self.0.get(HEADER..).unwrap_or_default()
    }
}

fn checksum(said: &[u8], code: &[u8]) -> Digest {
    Sha256::new().chain_update(said).chain_update(code).finalize().into()
}
