//! Writes a recording, under a temporary name until it is complete.
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::chunk::Chunk;
use super::segment::{Packer, Segment, part_of};
use super::{Form, Header, Line, RecordingError};

/// A recording in the making. If it is not finished, what was flushed stays readable under the name with `.part`.
pub struct Writer {
    part: PathBuf,
    segment: Segment,
    packer: Packer,
    chunk: Chunk,
}

impl Writer {
    /// Begins a recording at `file`: binary if the name ends in `.vespid`, else text, and compressed if it ends in `.zst`.
    ///
    /// # Errors
    /// [`RecordingError::Io`], if the file cannot be made or written.
    pub fn create(file: &Path, header: &Header) -> Result<Writer, RecordingError> {
        let part = part_of(file);
        let form = Form::of(file);
        let header = Header {
            version: form.version(),
            ..header.clone()
        };
        let begun = Packer::of(file).and_then(|mut packer| {
            let segment = Segment::create(file, &header, &Chunk::default(), &mut packer)?;
            Ok((packer, segment))
        });
        match begun {
            Ok((packer, segment)) => Ok(Writer {
                part,
                segment,
                packer,
                chunk: Chunk::with_room(form),
            }),
            Err(source) => Err(RecordingError::Io { file: part, source }),
        }
    }

    /// Appends a line. The end line is [`Writer::finish`]'s.
    ///
    /// # Errors
    /// [`RecordingError::Io`], if the file cannot be written.
    pub fn write(&mut self, line: &Line<'_>) -> Result<(), RecordingError> {
        let pushed = self.chunk.push(line).map_err(io::Error::from);
        pushed.map_err(|source| self.error(source))?;
        if self.chunk.is_full() { self.flush() } else { Ok(()) }
    }

    /// Makes everything so far readable by others. Worth it once a second or so: it costs compression.
    ///
    /// # Errors
    /// [`RecordingError::Io`], if the file cannot be written.
    pub fn flush(&mut self) -> Result<(), RecordingError> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let Writer {
            segment, packer, chunk, ..
        } = self;
        let packed = packer.pack(chunk.bytes());
        let written = packed.and_then(|packed| segment.append(packed, chunk.total()));
        chunk.clear();
        written.map_err(|source| self.error(source))
    }

    /// Ends the recording and gives it its name. Returns how many events it has.
    ///
    /// # Errors
    /// [`RecordingError::Io`], if the file cannot be written or renamed.
    pub fn finish(mut self) -> Result<u64, RecordingError> {
        self.flush()?;
        let Writer {
            part,
            segment,
            mut packer,
            ..
        } = self;
        segment
            .finish(&mut packer)
            .map_err(|source| RecordingError::Io { file: part, source })
    }

    /// Gives the recording up: nothing of it stays.
    pub fn discard(self) {
        let Writer { part, segment, .. } = self;
        drop(segment);
        if let Err(error) = fs::remove_file(&part) {
            tracing::warn!(file = %part.display(), %error, "cannot remove an unfinished recording");
        }
    }

    fn error(&self, source: io::Error) -> RecordingError {
        RecordingError::Io {
            file: self.part.clone(),
            source,
        }
    }
}
