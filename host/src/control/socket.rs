//! The socket in the file system: private from its first moment, one daemon's at a time, gone at the end.
use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::OFlags;
use tokio::net::{UnixListener, UnixSocket, UnixStream};
use tokio::time::timeout;

/// Connections that the kernel holds until they are accepted.
const BACKLOG: u32 = 16;
/// How long to try whether somebody listens on a socket that is already there.
const PROBE: Duration = Duration::from_secs(1);

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// A living daemon has it.
    #[error(
        "cannot have the control socket {path}: another daemon runs here; stop it, or give this one a socket of its own"
    )]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// There is a file of another kind.
    #[error(
        "cannot have the control socket {path}: there is a file of that name that is no socket; remove it if it is of no use"
    )]
    NotASocket {
        /// The file.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("cannot {what} {path}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// The name in the file system, removed when dropped. While this lives, nobody else gets the same.
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
    /// Device and inode, so that only this socket is removed.
    id: (u64, u64),
    _lock: File,
}

impl Drop for Place {
    fn drop(&mut self) {
        let is_ours = std::fs::symlink_metadata(&self.path).is_ok_and(|found| (found.dev(), found.ino()) == self.id);
        if is_ours && let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!("cannot remove the control socket {}: {error}", self.path.display());
        }
    }
}

/// Listens at `path`, in a directory that is made private if there is none. A socket that a dead daemon left is replaced.
///
/// Whoever listens holds a lock on `path` + `.lock`, so of two daemons that find the same dead socket only one replaces
/// it. The lock's file stays: to remove it would let a third daemon lock a new one beside it.
pub(super) async fn listen(path: &Path) -> Result<(UnixListener, Place), SocketError> {
    let failed = |what| {
        move |source| SocketError::Io {
            what,
            path: path.to_owned(),
            source,
        }
    };
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(|source| SocketError::Io {
            what: "make the directory",
            path: directory.to_owned(),
            source,
        })?;
    }
    let lock = lock(path)?;
    clear(path).await?;
    let socket = UnixSocket::new_stream().map_err(failed("make the control socket"))?;
    socket.bind(path).map_err(failed("bind the control socket"))?;
    let found = std::fs::symlink_metadata(path).map_err(failed("look at the control socket"))?;
    let place = Place {
        path: path.to_owned(),
        id: (found.dev(), found.ino()),
        _lock: lock,
    };
    // Nobody can connect before `listen`, so there is no moment at which the umask decides who may.
    std::fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(failed("protect the control socket"))?;
    let listener = socket.listen(BACKLOG).map_err(failed("listen on the control socket"))?;
    Ok((listener, place))
}

fn lock(path: &Path) -> Result<File, SocketError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
    let failed = |source| SocketError::Io {
        what: "lock",
        path: name.clone(),
        source,
    };
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(&name)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(SocketError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Removes a socket that nobody listens on.
async fn clear(path: &Path) -> Result<(), SocketError> {
    let failed = |source| SocketError::Io {
        what: "replace the control socket",
        path: path.to_owned(),
        source,
    };
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(SocketError::NotASocket { path: path.to_owned() });
        }
        Ok(_) => {}
    }
    // Whoever listens without the lock is another program, and must not lose its socket to a mistyped path.
    match timeout(PROBE, UnixStream::connect(path)).await {
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => std::fs::remove_file(path).map_err(failed),
        Ok(Err(error)) if error.kind() == ErrorKind::NotFound => Ok(()),
        _ => Err(SocketError::InUse { path: path.to_owned() }),
    }
}
