//! Plugins' states on disk, so that a daemon that starts again goes on with what its plugins had learned.
//!
//! One file a plugin, `NAME.state`: a line of JSON that says what follows, then the bytes as the plugin gave them. A file
//! is written beside the old one, synced and renamed over it, so a crash leaves the old one or the new one; and it is
//! used only if its checksum is right. What is damaged is put aside as `NAME.state.damaged` and said.
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::bytes::hex;
use crate::plugin::Snapshot;

/// Version of the file's form.
const FORM: u32 = 1;
/// Longest header line.
const HEADER_BYTES: u64 = 4 << 10;

/// A directory of states that only its owner may look into.
#[derive(Clone, Debug)]
pub struct States {
    directory: PathBuf,
    max_bytes: u64,
}

/// Why states cannot be kept here.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// The directory cannot be made or looked at.
    #[error("cannot use {} for the plugins' states: {source}", directory.display())]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others could plant a state there.
    #[error("{} belongs to somebody else or may be written by others; plugins' states are not kept there (`chmod 700`)", .0.display())]
    Exposed(PathBuf),
}

/// Why a plugin's state was not read.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    /// The file cannot be read.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    /// The file is not what was written.
    #[error("it is damaged ({0})")]
    Damaged(&'static str),
    /// A newer daemon wrote it.
    #[error("it is of form {0}, and this daemon reads form {FORM}")]
    Newer(u32),
}

#[derive(Serialize, Deserialize)]
struct Header {
    vespid_state: u32,
    plugin: String,
    state_version: u32,
    bytes: u64,
    sha256: String,
}

impl States {
    /// Uses a directory, and makes it if it is not there. A state may have `max_bytes`.
    ///
    /// # Errors
    /// If it cannot be made, or is open to others.
    pub fn open(directory: &Path, max_bytes: usize) -> Result<States, Unusable> {
        let failed = |source| Unusable::Directory {
            directory: directory.to_owned(),
            source,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(failed)?;
        let found = fs::metadata(directory).map_err(failed)?;
        let is_mine = found.uid() == rustix::process::geteuid().as_raw();
        if !is_mine || found.mode() & 0o022 != 0 {
            return Err(Unusable::Exposed(directory.to_owned()));
        }
        Ok(States {
            directory: directory.to_owned(),
            max_bytes: max_bytes as u64,
        })
    }

    fn file(&self, plugin: &str) -> PathBuf {
        self.directory.join(format!("{plugin}.state"))
    }

    /// Replaces a plugin's state.
    ///
    /// # Errors
    /// If it cannot be written; the old one is whole then.
    pub fn write(&self, plugin: &str, snapshot: &Snapshot) -> io::Result<()> {
        let header = Header {
            vespid_state: FORM,
            plugin: plugin.to_owned(),
            state_version: snapshot.version,
            bytes: snapshot.state.len() as u64,
            sha256: checksum(snapshot),
        };
        let mut line = serde_json::to_vec(&header)?;
        line.push(b'\n');
        let file = self.file(plugin);
        let temporary = file.with_extension("state.new");
        let written = (|| {
            let mut out = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .custom_flags(no_follow())
                .open(&temporary)?;
            out.write_all(&line)?;
            out.write_all(&snapshot.state)?;
            out.sync_all()?;
            fs::rename(&temporary, &file)?;
            File::open(&self.directory)?.sync_all()
        })();
        if written.is_err() {
            // On a full disk it would stand in the way of everything else.
            fs::remove_file(&temporary).unwrap_or_default();
        }
        written
    }

    /// A plugin's state, if it has one.
    ///
    /// # Errors
    /// Why it is not used. A damaged file has been put aside.
    pub fn read(&self, plugin: &str) -> Result<Option<Snapshot>, Unread> {
        let path = self.file(plugin);
        let file = match OpenOptions::new().read(true).custom_flags(no_follow()).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mut bytes = Vec::new();
        file.take(self.max_bytes + HEADER_BYTES + 1).read_to_end(&mut bytes)?;
        let parsed = parse(plugin, &bytes, self.max_bytes);
        if let Err(Unread::Damaged(_)) = parsed {
            fs::rename(&path, path.with_extension("state.damaged"))?;
        }
        parsed.map(Some)
    }
}

fn parse(plugin: &str, bytes: &[u8], max_bytes: u64) -> Result<Snapshot, Unread> {
    let end = bytes.iter().position(|byte| *byte == b'\n');
    let end = end.ok_or(Unread::Damaged("its first line has no end"))?;
    let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
    let header: Header = serde_json::from_slice(line).map_err(|_| Unread::Damaged("its first line is not a header"))?;
    if header.vespid_state != FORM {
        return Err(Unread::Newer(header.vespid_state));
    }
    if header.plugin != plugin {
        return Err(Unread::Damaged("it is another plugin's"));
    }
    if header.bytes > max_bytes {
        return Err(Unread::Damaged("it is larger than a state may be"));
    }
    if header.bytes != rest.len() as u64 {
        return Err(Unread::Damaged("its length is wrong"));
    }
    let snapshot = Snapshot {
        version: header.state_version,
        state: rest.to_vec(),
    };
    if checksum(&snapshot) != header.sha256 {
        return Err(Unread::Damaged("its checksum is wrong"));
    }
    Ok(snapshot)
}

/// Over all that matters: a state must not be taken for one of another version either.
fn checksum(snapshot: &Snapshot) -> String {
    let digest = Sha256::new()
        .chain_update(snapshot.version.to_le_bytes())
        .chain_update(&snapshot.state);
    hex(&digest.finalize())
}

fn no_follow() -> i32 {
    i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or(0)
}

#[cfg(test)]
mod tests;
