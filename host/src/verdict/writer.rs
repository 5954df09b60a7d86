//! The destination of verdicts: a file that may be rotated, a disk that may be full, a pipe that may break.
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::{Receiver, select};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;

use super::books::{Books, Reason};
use super::record::Record;

/// Where verdicts go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Standard output.
    Stdout,
    /// The end of a file, which is created (0640) if need be, and again after it was renamed or removed.
    File(PathBuf),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Stdout => f.write_str("standard output"),
            Target::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// The destination cannot be written to.
#[derive(Debug, thiserror::Error)]
#[error("cannot write verdicts to {target}: {source}; name another file with `--verdicts`")]
pub struct Unwritable {
    /// Which.
    pub target: Target,
    /// Why.
    pub source: io::Error,
}

pub(super) struct Writer {
    target: Target,
    /// None if it is a pipe that nobody has opened for reading yet.
    file: Option<File>,
    /// The file ends within a line.
    torn: bool,
    /// Verdicts dropped since writing began to fail; 0 while it works.
    failing: u64,
    books: Arc<Books>,
}

impl Writer {
    pub(super) fn open(target: Target, books: Arc<Books>) -> Result<Writer, Unwritable> {
        let (file, torn) = match open(&target) {
            Ok((file, torn)) => (Some(file), torn),
            // The reader may come later, and may be started by whoever waits for this daemon.
            Err(error) if is_unread(&error) => {
                tracing::warn!(%target, "nobody reads the pipe that verdicts are written to; until then they are dropped");
                (None, false)
            }
            Err(source) => return Err(Unwritable { target, source }),
        };
        Ok(Writer {
            target,
            file,
            torn,
            failing: 0,
            books,
        })
    }

    pub(super) fn run(mut self, verdicts: &Receiver<Record>, stop: &Receiver<Instant>) {
        loop {
            select! {
                recv(verdicts) -> record => match record {
                    Ok(record) => self.deliver(&record.line),
                    Err(_) => return,
                },
                recv(stop) -> deadline => {
                    let deadline = deadline.unwrap_or_else(|_| Instant::now());
                    while Instant::now() < deadline && let Ok(record) = verdicts.try_recv() {
                        self.deliver(&record.line);
                    }
                    return;
                }
            }
            if verdicts.is_empty() {
                self.books.queue_is_empty();
            }
        }
    }

    fn deliver(&mut self, line: &[u8]) {
        match self.write(line) {
            Ok(()) => {
                self.books.count_written();
                if self.failing > 0 {
                    tracing::info!(target = %self.target, dropped = self.failing, "verdicts can be written again");
                    self.failing = 0;
                }
            }
            Err(error) => {
                self.books.count_dropped(reason(&error), 1);
                if self.failing == 0 {
                    tracing::error!(target = %self.target, %error, "verdicts cannot be written and are dropped");
                }
                self.failing += 1;
            }
        }
    }

    /// Writes one line without a buffer of its own, so that what is booked as written is with the kernel.
    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if let Target::File(path) = &self.target
            && !self.file.as_ref().is_some_and(|file| is_at(file, path))
        {
            self.file = None;
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let (file, torn) = open(&self.target)?;
                self.torn = torn;
                none.insert(file)
            }
        };
        if self.torn {
            file.write_all(b"\n")?;
            self.torn = false;
        }
        let mut rest = line;
        while !rest.is_empty() {
            match file.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => rest = &rest[count..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            self.torn = !rest.is_empty();
        }
        Ok(())
    }
}

/// Opens the destination, and says whether it ends within a line. A pipe without a reader is an error, and never waited
/// for ([`is_unread`]).
fn open(target: &Target) -> io::Result<(File, bool)> {
    let path = match target {
        Target::Stdout => return Ok((File::from(io::stdout().as_fd().try_clone_to_owned()?), false)),
        Target::File(path) => path,
    };
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o640);
    let file = options.custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)?;
    // What is written may be waited for: that is what this thread is for.
    fcntl_setfl(&file, fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
    let found = file.metadata()?;
    let torn = found.is_file() && found.len() > 0 && last_byte(path)? != b'\n';
    Ok((file, torn))
}

fn last_byte(path: &Path) -> io::Result<u8> {
    let mut file = File::open(path)?;
    let mut byte = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut byte)?;
    Ok(byte[0])
}

/// Whether the open file is still the one that the path names.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), path.metadata()) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

/// Whether it is a pipe that nobody has open for reading.
fn is_unread(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::NXIO.raw_os_error())
}

fn reason(error: &io::Error) -> Reason {
    match error.kind() {
        _ if is_unread(error) => Reason::BrokenPipe,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => Reason::DiskFull,
        ErrorKind::BrokenPipe => Reason::BrokenPipe,
        _ => Reason::WriteFailed,
    }
}
