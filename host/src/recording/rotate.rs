//! A recording in many files, of which the oldest make room for the newest.
//!
//! Files are named `STEM-TIME-NUMBER.SUFFIX`: by name they are in the order in which they were written, and the number
//! says which of them belong together. It is 0 for the first one of a run, and each file whose number is one more than
//! that of the file before goes on exactly where that one ended.
use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::chunk::Chunk;
use super::segment::{Packer, Segment, part_of};
use super::{Form, Header, RecordingError};
use crate::clock;

/// Kept free under [`Rotation::total_bytes`] for the lines that begin and end a file.
const ENDS: u64 = 4 << 10;

/// When a file is complete, and how many stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// A file that is this large is followed by another.
    pub segment_bytes: u64,
    /// So is one that is this old, if there is more to write.
    pub segment_age: Duration,
    /// All files together are never larger; those that were there at the beginning count.
    pub total_bytes: u64,
    /// No more files are kept.
    pub files: usize,
}

impl Rotation {
    /// One file for everything.
    pub const NEVER: Rotation = Rotation {
        segment_bytes: u64::MAX,
        segment_age: Duration::MAX,
        total_bytes: u64::MAX,
        files: usize::MAX,
    };
}

/// Where chunks go.
pub trait Store: Send {
    /// Goes on in a new file, which begins with these lines. Without it there is no file.
    ///
    /// # Errors
    /// If it cannot be made; there is no file then.
    fn begin(&mut self, header: &Header, context: &Chunk) -> Result<(), RecordingError>;

    /// Appends lines to the file, all or none.
    ///
    /// # Errors
    /// If they cannot be written.
    fn append(&mut self, chunk: &Chunk) -> Result<(), RecordingError>;

    /// Whether it is time for a new file.
    fn is_due(&self) -> bool;

    /// Completes the file.
    ///
    /// # Errors
    /// If it cannot be written; what it has stays readable.
    fn finish(&mut self) -> Result<(), RecordingError>;

    /// Bytes of everything that is kept.
    fn bytes(&self) -> u64;
}

/// The files of a recording.
pub struct Segments {
    folder: PathBuf,
    stem: String,
    suffix: String,
    rotation: Rotation,
    packer: Packer,
    /// Complete ones, and those that a run before could not complete, oldest first.
    kept: VecDeque<(PathBuf, u64)>,
    current: Option<Segment>,
    began: u64,
    /// Time in the newest name.
    named: u64,
    number: u32,
}

/// What a file's name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// When it was begun, in Unix milliseconds.
    pub began_ms: u64,
    /// Its number within the run.
    pub number: u32,
}

impl Place {
    /// The place in a file's name; `.part` may follow.
    #[must_use]
    pub fn of(file: &Path) -> Option<Place> {
        let mut words = Form::stem(file)?.rsplitn(3, '-');
        let (number, time) = (words.next()?, words.next()?);
        let text = |range: std::ops::Range<usize>| time.get(range);
        let rfc3339 = format!(
            "{}-{}-{}T{}:{}:{}Z",
            text(0..4)?,
            text(4..6)?,
            text(6..8)?,
            text(9..11)?,
            text(11..13)?,
            text(13..time.len())?.strip_suffix('Z')?,
        );
        let began = humantime::parse_rfc3339(&rfc3339).ok()?;
        let began = began.duration_since(std::time::UNIX_EPOCH).ok()?;
        Some(Place {
            began_ms: u64::try_from(began.as_millis()).ok()?,
            number: number.parse().ok()?,
        })
    }

    /// Whether a file of this place goes on where the other ends.
    #[must_use]
    pub fn follows(self, other: Place) -> bool {
        self.number == other.number.wrapping_add(1) && self.number != 0 && self > other
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let began = std::time::UNIX_EPOCH + Duration::from_millis(self.began_ms);
        let began = humantime::format_rfc3339_millis(began).to_string();
        write!(f, "{}-{:06}", began.replace(['-', ':'], ""), self.number)
    }
}

impl Segments {
    /// Files beside `file`, named after it. What is there already of that name counts, and makes room when it must.
    ///
    /// # Errors
    /// [`RecordingError::Io`], if the folder cannot be read or written.
    pub fn open(file: &Path, rotation: Rotation) -> Result<Segments, RecordingError> {
        let failed = |source| RecordingError::Io {
            file: file.into(),
            source,
        };
        let name = file.file_name().and_then(OsStr::to_str);
        let name = name.ok_or_else(|| failed(io::Error::new(ErrorKind::InvalidInput, "not a file's name")))?;
        let (stem, suffix) = name.split_once('.').unwrap_or((name, "jsonl"));
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let mut segments = Segments {
            folder: folder.into(),
            stem: stem.into(),
            suffix: suffix.into(),
            rotation,
            packer: Packer::of(file).map_err(failed)?,
            kept: VecDeque::new(),
            current: None,
            began: 0,
            named: 0,
            number: 0,
        };
        segments.kept = segments.list().map_err(failed)?;
        let newest = segments.kept.back().and_then(|(file, _)| Place::of(file));
        segments.named = newest.map_or(0, |place| place.began_ms);
        // Said now, while somebody is there to hear it, rather than by the first file.
        let probe = part_of(&segments.name(u64::MAX >> 20));
        File::create(&probe)
            .and_then(|_| fs::remove_file(&probe))
            .map_err(failed)?;
        Ok(segments)
    }

    fn is_one(&self) -> bool {
        self.rotation == Rotation::NEVER
    }

    fn name(&self, began_ms: u64) -> PathBuf {
        let Segments { stem, suffix, .. } = self;
        if self.is_one() {
            return self.folder.join(format!("{stem}.{suffix}"));
        }
        let place = Place {
            began_ms,
            number: self.number,
        };
        self.folder.join(format!("{stem}-{place}.{suffix}"))
    }

    /// What earlier runs have left, oldest first.
    fn list(&self) -> io::Result<VecDeque<(PathBuf, u64)>> {
        let mut found = Vec::new();
        if self.is_one() {
            return Ok(found.into());
        }
        let start = format!("{}-", self.stem);
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            // Whatever its form: what an earlier run kept as text counts too.
            if name.to_string_lossy().starts_with(&start) && Place::of(&entry.path()).is_some() {
                found.push((entry.path(), entry.metadata()?.len()));
            }
        }
        found.sort();
        Ok(found.into())
    }

    /// Deletes the oldest files until `bytes` more, and `files` more, are within the bounds.
    fn make_room(&mut self, bytes: u64, files: usize) -> io::Result<()> {
        let Rotation {
            total_bytes,
            files: most,
            ..
        } = self.rotation;
        let current = usize::from(self.current.is_some());
        while self.bytes().saturating_add(bytes).saturating_add(ENDS) > total_bytes
            || self.kept.len() + current + files > most.max(1)
        {
            let Some((oldest, _)) = self.kept.front() else {
                return Err(io::Error::new(
                    ErrorKind::QuotaExceeded,
                    "the bound of all files is reached",
                ));
            };
            match fs::remove_file(oldest) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => drop(self.kept.pop_front()),
            }
        }
        Ok(())
    }

    fn start(&mut self, header: &Header, context: &Chunk) -> io::Result<()> {
        let packed = self.packer.pack(context.bytes())?.len() as u64;
        self.make_room(packed + ENDS, 1)?;
        // Names ascend even where the clock was set back.
        let now = clock::now() / 1_000_000;
        self.named = now.max(self.named + 1);
        let file = self.name(self.named);
        self.current = Some(Segment::create(&file, header, context, &mut self.packer)?);
        (self.began, self.number) = (clock::now(), self.number.wrapping_add(1));
        Ok(())
    }

    fn error(&self, source: io::Error) -> RecordingError {
        let part = self.current.as_ref().map(|segment| segment.part().to_owned());
        RecordingError::Io {
            file: part.unwrap_or_else(|| self.folder.clone()),
            source,
        }
    }
}

impl Store for Segments {
    fn begin(&mut self, header: &Header, context: &Chunk) -> Result<(), RecordingError> {
        if let Err(error) = self.finish() {
            // It stays as it is, and what comes must not be kept from its own file.
            tracing::warn!("{error}");
        }
        self.start(header, context).map_err(|source| self.error(source))
    }

    fn append(&mut self, chunk: &Chunk) -> Result<(), RecordingError> {
        if self.current.is_none() {
            return Err(self.error(io::Error::new(ErrorKind::NotFound, "no file could be begun")));
        }
        let written = (|| {
            let packed = self.packer.pack(chunk.bytes())?.len() as u64;
            self.make_room(packed, 0)?;
            match &mut self.current {
                Some(segment) => segment.append(self.packer.packed(chunk.bytes()), chunk.total()),
                None => Ok(()),
            }
        })();
        written.map_err(|source| self.error(source))
    }

    fn is_due(&self) -> bool {
        let age = Duration::from_nanos(clock::now().saturating_sub(self.began));
        self.current
            .as_ref()
            .is_some_and(|segment| segment.bytes() >= self.rotation.segment_bytes || age >= self.rotation.segment_age)
    }

    fn finish(&mut self) -> Result<(), RecordingError> {
        let Some(segment) = self.current.take() else {
            return Ok(());
        };
        let (file, part, bytes) = (segment.file().to_owned(), segment.part().to_owned(), segment.bytes());
        match segment.finish(&mut self.packer) {
            Ok(_) => {
                let bytes = fs::metadata(&file).map_or(bytes + ENDS, |found| found.len());
                self.kept.push_back((file, bytes));
                Ok(())
            }
            Err(source) => {
                self.kept.push_back((part.clone(), bytes));
                Err(RecordingError::Io { file: part, source })
            }
        }
    }

    fn bytes(&self) -> u64 {
        let current = self.current.as_ref().map_or(0, Segment::bytes);
        self.kept.iter().map(|(_, bytes)| bytes).sum::<u64>() + current
    }
}

#[cfg(test)]
mod tests;
