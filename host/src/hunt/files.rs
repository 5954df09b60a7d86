//! Which files a hunt reads, and in which order.
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Span;
use crate::recording::{Form, Place, Reader, RecordingError};

/// A file to be read.
#[derive(Clone, Debug)]
pub struct Tape {
    /// Which.
    pub file: PathBuf,
    /// Its place among others, if it is one of many.
    pub place: Option<Place>,
    /// When it was begun, in Unix nanoseconds.
    pub created: u64,
    /// Its size.
    pub bytes: u64,
}

/// Nothing to hunt in.
#[derive(Debug, thiserror::Error)]
pub enum NoTapes {
    /// Something cannot be read.
    #[error("cannot read {}: {source}", place.display())]
    Unreadable {
        /// What.
        place: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that was named is no recording.
    #[error(transparent)]
    File(#[from] RecordingError),
    /// There is none.
    #[error(
        "no recording in {0}: `flight_recorder.enabled = true` has the daemon make them, and --in names another place"
    )]
    None(String),
}

/// Bytes read of all files.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// So many.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

struct Counted {
    file: File,
    counter: Counter,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.counter.0.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

impl Tape {
    fn of(file: &Path) -> Result<Tape, RecordingError> {
        let reader = open(file, &Counter::default())?;
        Ok(Tape {
            place: Place::of(file),
            created: reader.header().created,
            bytes: fs::metadata(file).map_or(0, |found| found.len()),
            file: file.into(),
        })
    }

    /// Opens it, under its final name if it has been completed meanwhile.
    pub(super) fn open(&self, counter: &Counter) -> Result<Reader, RecordingError> {
        match open(&self.file, counter) {
            Err(RecordingError::Io { source, .. })
                if source.kind() == io::ErrorKind::NotFound && is_part(&self.file) =>
            {
                open(&self.file.with_extension(""), counter)
            }
            opened => opened,
        }
    }
}

fn is_part(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "part")
}

fn open(file: &Path, counter: &Counter) -> Result<Reader, RecordingError> {
    let failed = |source| RecordingError::Io {
        file: file.into(),
        source,
    };
    let counted = Counted {
        file: File::open(file).map_err(failed)?,
        counter: counter.clone(),
    };
    let mut input = BufReader::with_capacity(64 << 10, counted);
    // The magic number of a zstd frame (RFC 8878, 3.1.1).
    if input.fill_buf().map_err(failed)?.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        let decoder = zstd::Decoder::with_buffer(input).map_err(failed)?;
        Reader::new(file, Box::new(BufReader::with_capacity(128 << 10, decoder)))
    } else {
        Reader::new(file, Box::new(input))
    }
}

/// The recordings in these places, directories or files, that may have events of `span`, oldest first. What of a
/// directory cannot be read is said to `skipped`.
///
/// # Errors
/// [`NoTapes`].
pub fn select(places: &[PathBuf], span: Span, mut skipped: impl FnMut(RecordingError)) -> Result<Vec<Tape>, NoTapes> {
    let mut tapes = Vec::new();
    for place in places {
        let unreadable = |source| NoTapes::Unreadable {
            place: place.clone(),
            source,
        };
        if !fs::metadata(place).map_err(unreadable)?.is_dir() {
            tapes.push(Tape::of(place)?);
            continue;
        }
        for entry in fs::read_dir(place).map_err(unreadable)? {
            let file = entry.map_err(unreadable)?.path();
            if Form::stem(&file).is_none() {
                continue;
            }
            match Tape::of(&file) {
                Ok(tape) => tapes.push(tape),
                Err(error) => skipped(error),
            }
        }
    }
    if tapes.is_empty() {
        let places: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
        return Err(NoTapes::None(places.join(", ")));
    }
    tapes.sort_by(|a, b| (a.place, a.created, &a.file).cmp(&(b.place, b.created, &b.file)));
    tapes.sort_by_key(|tape| tape.created);
    let next: Vec<u64> = tapes
        .iter()
        .skip(1)
        .map(|tape| tape.created)
        .chain([u64::MAX])
        .collect();
    let mut next = next.into_iter();
    // Events may have happened a moment before the file that they are in was begun.
    let slack = 1_000_000_000;
    tapes.retain(|tape| {
        let end = next.next().unwrap_or(u64::MAX);
        end.saturating_add(slack) >= span.from && tape.created <= span.to.saturating_add(slack)
    });
    Ok(tapes)
}
