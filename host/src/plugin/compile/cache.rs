//! Compiled code on disk, so that a restart and a plugin that comes back cost milliseconds.
//!
//! Nothing here fails a load: what cannot be read is compiled again, what cannot be written is not kept. Several
//! daemons may share a directory: files appear whole under their names, and what one removes the other compiles.
use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, Mode, OFlags, Timespec, Timestamps, UTIME_NOW, futimens, open, openat, renameat, unlinkat};
use rustix::io::Errno;

use super::entry::{Checked, Damage, HEADER, Key, header};
use super::sweep::{self, CacheLimits};

/// Writable by others than the owner.
const WRITABLE: u32 = 0o022;

/// Why a directory is not used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// It cannot be made or opened.
    #[error("compiled code cannot be kept in {}: {error}; name a directory that the daemon's user can write to", directory.display())]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is somebody else's.
    #[error(
        "compiled code is not kept in {}, which belongs to user {owner}: code from there would run in the daemon; \
         name a directory that belongs to user {user}",
        directory.display()
    )]
    Owner {
        /// The directory.
        directory: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Whose it must be.
        user: u32,
    },
    /// It is everybody's.
    #[error(
        "compiled code is not kept in {}, which others than its owner may write to: code from there would run in \
         the daemon; `chmod go-w` it, or name another directory",
        directory.display()
    )]
    Writable {
        /// The directory.
        directory: PathBuf,
    },
}

/// A directory of compiled code that is this user's alone.
#[derive(Debug)]
pub struct Cache {
    directory: OwnedFd,
    path: PathBuf,
    user: u32,
    limits: CacheLimits,
}

impl Cache {
    /// Opens a directory, and makes it if it is not there.
    ///
    /// # Errors
    /// If that fails, or somebody else could put code there.
    pub fn open(directory: &Path, limits: CacheLimits) -> Result<Cache, CacheError> {
        let path = directory.to_owned();
        let failed = |error: io::Error| CacheError::Directory {
            directory: directory.to_owned(),
            error,
        };
        // What cannot be made may be there already.
        let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = match open(directory, flags, Mode::empty()) {
            Ok(opened) => File::from(opened),
            Err(Errno::NOENT) => return Err(failed(made.err().unwrap_or(Errno::NOENT.into()))),
            Err(error) => return Err(failed(error.into())),
        };
        let found = opened.metadata().map_err(failed)?;
        let user = rustix::process::geteuid().as_raw();
        if found.uid() != user {
            let owner = found.uid();
            return Err(CacheError::Owner {
                directory: path,
                owner,
                user,
            });
        }
        if found.mode() & WRITABLE != 0 {
            return Err(CacheError::Writable { directory: path });
        }
        Ok(Cache {
            directory: opened.into(),
            path,
            user,
            limits,
        })
    }

    /// Code that was kept, whole and unaltered.
    pub(super) fn get(&self, key: &Key) -> Option<Checked> {
        match self.read(key) {
            Ok(found) => found,
            Err(damage) => {
                self.reject(key, &damage);
                None
            }
        }
    }

    /// Removes a file that is not what it should be.
    pub(super) fn reject(&self, key: &Key, damage: &Damage) {
        let name = sweep::name(key);
        let file = self.path.join(&name);
        match unlinkat(&self.directory, &name, AtFlags::empty()) {
            // Somebody else was faster.
            Ok(()) | Err(Errno::NOENT) => {
                tracing::warn!(
                    "{} is removed and its component compiled again: {damage}",
                    file.display()
                );
            }
            Err(error) => tracing::warn!(
                "{} is not used, and its component compiled again: {damage}; remove it, since the daemon cannot: {error}",
                file.display()
            ),
        }
    }

    /// Keeps code.
    pub(super) fn put(&self, key: &Key, code: &[u8]) {
        let size = (HEADER + code.len()) as u64;
        if size > self.limits.bytes {
            return tracing::debug!(%key, size, "compiled code is larger than its cache");
        }
        if let Err(error) = self.write(key, code) {
            tracing::warn!(
                "compiled code is not kept in {}: {error}; the next start compiles again",
                self.path.display()
            );
        }
        if let Err(error) = sweep::sweep(&self.directory, &self.limits, SystemTime::now()) {
            tracing::warn!("{} cannot be tidied up: {error}", self.path.display());
        }
    }

    fn read(&self, key: &Key) -> Result<Option<Checked>, Damage> {
        // A pipe in its place must not block.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let mut file = match openat(&self.directory, sweep::name(key), flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP | Errno::NXIO) => return Err(Damage::NotAFile),
            Err(error) => return Err(Damage::Unreadable(error.into())),
        };
        let found = file.metadata().map_err(Damage::Unreadable)?;
        if !found.is_file() {
            return Err(Damage::NotAFile);
        }
        if found.uid() != self.user {
            return Err(Damage::Owner(found.uid()));
        }
        if found.mode() & WRITABLE != 0 {
            return Err(Damage::Writable);
        }
        if found.len() > self.limits.bytes {
            return Err(Damage::Length(found.len()));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(found.len()).unwrap_or_default() + 1);
        (&mut file)
            .take(found.len() + 1)
            .read_to_end(&mut bytes)
            .map_err(Damage::Unreadable)?;
        let checked = Checked::new(key, bytes)?;
        touch(&file);
        Ok(Some(checked))
    }

    fn write(&self, key: &Key, code: &[u8]) -> io::Result<()> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // Other daemons may share the directory, and have the same process number in another container.
        let temporary = sweep::temporary_name(key, std::process::id(), since.as_nanos());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&self.directory, &temporary, flags, Mode::RUSR | Mode::WUSR)?;
        let mut file = File::from(file);
        let written = file
            .write_all(&header(key, code))
            .and_then(|()| file.write_all(code))
            .and_then(|()| file.sync_data())
            .and_then(|()| {
                Ok(renameat(
                    &self.directory,
                    &temporary,
                    &self.directory,
                    sweep::name(key),
                )?)
            });
        if written.is_err()
            && let Err(error) = unlinkat(&self.directory, &temporary, AtFlags::empty())
        {
            tracing::debug!(temporary, "cannot be removed: {error}");
        }
        written
    }
}

/// Marks a file as used, which keeps it from being removed first. Without the right to, it just gets older.
fn touch(file: &File) {
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: UTIME_NOW,
    };
    let times = Timestamps {
        last_access: now,
        last_modification: now,
    };
    if let Err(error) = futimens(file, &times) {
        tracing::trace!("a file of the cache cannot be marked as used: {error}");
    }
}
