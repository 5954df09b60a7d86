//! Writes a recording, under a temporary name until it is complete.
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::{End, Header, Line, RecordingError, VERSION};

/// Level of compression: recorded live, so speed counts.
const LEVEL: i32 = 3;

/// A recording in the making. If it is not finished, what was flushed stays readable under the name with `.part`.
pub struct Writer {
    file: PathBuf,
    part: PathBuf,
    out: Out,
    events: u64,
    line: Vec<u8>,
}

enum Out {
    Plain(BufWriter<File>),
    Zstd(zstd::Encoder<'static, BufWriter<File>>),
}

impl Writer {
    /// Begins a recording at `file`; compressed, if the name ends in `.zst`.
    ///
    /// # Errors
    /// [`RecordingError::Io`], if the file cannot be made or written.
    pub fn create(file: &Path, header: &Header) -> Result<Writer, RecordingError> {
        let mut part = file.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let at = |source| RecordingError::Io {
            file: part.clone(),
            source,
        };
        let plain = BufWriter::with_capacity(128 << 10, File::create(&part).map_err(at)?);
        let out = if file.extension().is_some_and(|extension| extension == "zst") {
            Out::Zstd(zstd::Encoder::new(plain, LEVEL).map_err(at)?)
        } else {
            Out::Plain(plain)
        };
        let mut writer = Writer {
            file: file.into(),
            part,
            out,
            events: 0,
            line: Vec::new(),
        };
        writer.put(&Header {
            version: VERSION,
            ..header.clone()
        })?;
        writer.flush()?;
        Ok(writer)
    }

    /// Appends a line. The end line is [`Writer::finish`]'s.
    ///
    /// # Errors
    /// [`RecordingError::Io`], if the file cannot be written.
    pub fn write(&mut self, line: &Line<'_>) -> Result<(), RecordingError> {
        self.events += u64::from(matches!(line, Line::Event(_)));
        self.put(line)
    }

    /// Makes everything so far readable by others. Worth it once a second or so: it costs compression.
    ///
    /// # Errors
    /// [`RecordingError::Io`], if the file cannot be written.
    pub fn flush(&mut self) -> Result<(), RecordingError> {
        let flushed = match &mut self.out {
            Out::Plain(out) => out.flush(),
            Out::Zstd(out) => out.flush(),
        };
        flushed.map_err(|source| self.error(source))
    }

    /// Ends the recording and gives it its name. Returns how many events it has.
    ///
    /// # Errors
    /// [`RecordingError::Io`], if the file cannot be written or renamed.
    pub fn finish(mut self) -> Result<u64, RecordingError> {
        let end = End { events: self.events };
        self.put(&Line::End(end))?;
        let Writer {
            file,
            part,
            out,
            events,
            ..
        } = self;
        let finished = match out {
            Out::Plain(out) => Ok(out),
            Out::Zstd(out) => out.finish(),
        };
        let synced = finished.and_then(|out| out.into_inner().map_err(io::Error::from)?.sync_all());
        let named = synced.and_then(|()| fs::rename(&part, &file));
        named
            .map(|()| events)
            .map_err(|source| RecordingError::Io { file, source })
    }

    /// Gives the recording up: nothing of it stays.
    pub fn discard(self) {
        let Writer { part, .. } = self;
        if let Err(error) = fs::remove_file(&part) {
            tracing::warn!(file = %part.display(), %error, "cannot remove an unfinished recording");
        }
    }

    fn put(&mut self, line: &impl serde::Serialize) -> Result<(), RecordingError> {
        self.line.clear();
        let mut written = serde_json::to_writer(&mut self.line, line).map_err(io::Error::from);
        if written.is_ok() {
            self.line.push(b'\n');
            written = match &mut self.out {
                Out::Plain(out) => out.write_all(&self.line),
                Out::Zstd(out) => out.write_all(&self.line),
            };
        }
        written.map_err(|source| self.error(source))
    }

    fn error(&self, source: io::Error) -> RecordingError {
        RecordingError::Io {
            file: self.part.clone(),
            source,
        }
    }
}
