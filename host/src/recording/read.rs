//! Reads a recording, line by line, without ever holding more of it than a line.
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::{Form, Header, Line, MAX_LINE, ROWS_VERSION, RecordingError, rows};
use crate::enrich::namespaces;

/// First bytes of a zstd frame (RFC 8878, 3.1.1).
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// A recording that is being read.
pub struct Reader {
    file: PathBuf,
    input: Box<dyn BufRead + Send>,
    header: Header,
    form: Form,
    line: Vec<u8>,
    at: u64,
    events: u64,
    bytes: u64,
    is_done: bool,
}

enum Got {
    Line,
    /// Input ended, perhaps within a line.
    Nothing,
}

impl Reader {
    /// Opens a recording and reads its header. Compression is told from the content.
    ///
    /// # Errors
    /// [`RecordingError::Io`], [`RecordingError::NotARecording`] or [`RecordingError::Newer`].
    pub fn open(file: &Path) -> Result<Reader, RecordingError> {
        let at = |source| RecordingError::Io {
            file: file.into(),
            source,
        };
        let mut input = BufReader::new(File::open(file).map_err(at)?);
        if input.fill_buf().map_err(at)?.starts_with(&ZSTD_MAGIC) {
            let decoder = zstd::Decoder::with_buffer(input).map_err(at)?;
            Reader::new(file, Box::new(BufReader::with_capacity(128 << 10, decoder)))
        } else {
            Reader::new(file, Box::new(input))
        }
    }

    /// Reads from elsewhere than a file; errors call it `name`.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn new(name: &Path, input: Box<dyn BufRead + Send>) -> Result<Reader, RecordingError> {
        let header = Header {
            version: 0,
            node: String::new(),
            boot_id: String::new(),
            kernel: String::new(),
            created: 0,
            kinds: Vec::new(),
            namespaces: namespaces::FIXED,
        };
        let mut reader = Reader {
            file: name.into(),
            input,
            header,
            form: Form::Text,
            line: Vec::new(),
            at: 0,
            events: 0,
            bytes: 0,
            is_done: false,
        };
        reader.read_header()?;
        Ok(reader)
    }

    /// The first line.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Which line was read last, counted from 1.
    #[must_use]
    pub fn line_number(&self) -> u64 {
        self.at
    }

    /// The next line; none after the end line.
    ///
    /// # Errors
    /// [`RecordingError::Truncated`] after the last complete line of a recording without an end line;
    /// [`RecordingError::Malformed`]; [`RecordingError::Io`].
    #[expect(
        clippy::should_implement_trait,
        reason = "a line borrows from the reader, which an iterator's item cannot"
    )]
    pub fn next(&mut self) -> Result<Option<Line<'_>>, RecordingError> {
        if self.is_done {
            return Ok(None);
        }
        if let Got::Nothing = self.read_line()? {
            self.is_done = true;
            return Err(self.truncated());
        }
        // A row's end is told by its length alone: behind a damaged one nothing can be trusted.
        let line = match parse(self.form, &self.line, &self.file, self.at) {
            Ok(line) => line,
            Err(error) => {
                self.is_done = self.form == Form::Rows;
                return Err(error);
            }
        };
        match &line {
            Line::Event(_) => self.events += 1,
            Line::End(end) if end.events != self.events => {
                self.is_done = true;
                return Err(RecordingError::Malformed {
                    file: self.file.clone(),
                    line: self.at,
                    reason: format!(
                        "the end line counts {} events, but there are {}",
                        end.events, self.events
                    ),
                });
            }
            Line::End(_) => self.is_done = true,
            Line::Known(_) | Line::Container(_) | Line::Account(_) | Line::Lost(_) => {}
        }
        Ok(Some(line))
    }

    /// The line that [`Reader::next`] gave last.
    ///
    /// # Errors
    /// As [`Reader::next`].
    pub fn again(&self) -> Result<Option<Line<'_>>, RecordingError> {
        parse(self.form, &self.line, &self.file, self.at).map(Some)
    }

    /// Events so far.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Bytes of complete lines so far, not compressed.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What errors call the recording.
    #[must_use]
    pub fn name(&self) -> &Path {
        &self.file
    }

    fn read_header(&mut self) -> Result<(), RecordingError> {
        let file = self.file.clone();
        let not_one = |reason: String| RecordingError::NotARecording {
            file: file.clone(),
            reason,
        };
        let got = match self.read_line() {
            Err(RecordingError::Malformed { reason, .. }) => return Err(not_one(reason)),
            got => got?,
        };
        if let Got::Nothing = got {
            return Err(not_one("it has no complete line".into()));
        }
        // The version is read by itself: a header of a later one may have other fields.
        let first: serde_json::Value =
            serde_json::from_slice(&self.line).map_err(|error| not_one(error.to_string()))?;
        match first.get("vespid_recording").and_then(serde_json::Value::as_u64) {
            None => Err(not_one("`vespid_recording` is missing".into())),
            Some(found) if found > u64::from(ROWS_VERSION) => Err(RecordingError::Newer {
                file: self.file.clone(),
                found,
            }),
            Some(found) => {
                let fields = first.get("rows").cloned().unwrap_or_default();
                let fields = serde_json::from_value(fields).unwrap_or_default();
                if rows::foreign(&fields).is_some() {
                    return Err(RecordingError::Newer {
                        file: self.file.clone(),
                        found,
                    });
                }
                self.header = serde_json::from_value(first).map_err(|error| not_one(error.to_string()))?;
                self.form = Form::of_version(self.header.version);
                Ok(())
            }
        }
    }

    fn read_line(&mut self) -> Result<Got, RecordingError> {
        self.at += 1;
        self.line.clear();
        if self.form == Form::Rows {
            return self.read_row();
        }
        let limit = MAX_LINE as u64 + 1;
        match self.input.by_ref().take(limit).read_until(b'\n', &mut self.line) {
            // A compressed stream that was cut off.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(Got::Nothing),
            Err(source) => {
                return Err(RecordingError::Io {
                    file: self.file.clone(),
                    source,
                });
            }
            Ok(_) => {}
        }
        match self.line.pop() {
            Some(b'\n') => {
                self.bytes += self.line.len() as u64 + 1;
                Ok(Got::Line)
            }
            _ if self.line.len() >= MAX_LINE => {
                self.is_done = true;
                let reason = format!("the line is longer than {MAX_LINE} bytes");
                Err(RecordingError::Malformed {
                    file: self.file.clone(),
                    line: self.at,
                    reason,
                })
            }
            _ => Ok(Got::Nothing),
        }
    }

    fn read_row(&mut self) -> Result<Got, RecordingError> {
        let mut len = [0; rows::LENGTH];
        let got = self.input.read_exact(&mut len).and_then(|()| {
            let len = u32::from_le_bytes(len) as usize;
            if len > MAX_LINE {
                return Ok(false);
            }
            // Mostly the row lies in the buffer as a whole.
            match self.input.fill_buf()?.get(..len) {
                Some(row) => {
                    self.line.extend_from_slice(row);
                    self.input.consume(len);
                    Ok(true)
                }
                None => {
                    self.line.resize(len, 0);
                    self.input.read_exact(&mut self.line).map(|()| true)
                }
            }
        });
        match got {
            Ok(true) => {
                self.bytes += (rows::LENGTH + self.line.len()) as u64;
                Ok(Got::Line)
            }
            Ok(false) => {
                self.is_done = true;
                Err(RecordingError::Damaged {
                    file: self.file.clone(),
                    row: self.at,
                })
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Got::Nothing),
            Err(source) => Err(RecordingError::Io {
                file: self.file.clone(),
                source,
            }),
        }
    }

    fn truncated(&self) -> RecordingError {
        RecordingError::Truncated {
            file: self.file.clone(),
            line: self.at,
            events: self.events,
        }
    }
}

/// Why a line is not what it should be. It is always the first line of what was parsed, which says nothing.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    match text.strip_suffix(&place) {
        Some(reason) => format!("{reason} (by column {})", error.column()),
        None => text,
    }
}

/// A line is some four hundred bytes: copied once less where this is part of its caller.
#[inline]
fn parse<'a>(form: Form, line: &'a [u8], file: &Path, at: u64) -> Result<Line<'a>, RecordingError> {
    match form {
        Form::Text => serde_json::from_slice(line).map_err(|error| RecordingError::Malformed {
            file: file.into(),
            line: at,
            reason: reason(&error),
        }),
        Form::Rows => rows::get(line).ok_or_else(|| RecordingError::Damaged {
            file: file.into(),
            row: at,
        }),
    }
}
