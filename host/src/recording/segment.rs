//! One file of a recording in the making.
//!
//! A compressed file is a sequence of zstd frames, each of whole lines with a checksum, so that whatever happens to the
//! writer, everything up to the last frame can be read. A frame that could not be written whole is taken back.
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::chunk::Chunk;
use super::{End, Form, Header, Line, rows};

/// Level of compression: recorded live, so speed counts.
const LEVEL: i32 = 3;

/// Makes frames.
pub(super) struct Packer {
    compressor: Option<zstd::bulk::Compressor<'static>>,
    packed: Vec<u8>,
}

impl Packer {
    /// One for files of this name.
    pub(super) fn of(file: &Path) -> io::Result<Packer> {
        let is_packed = file.extension().is_some_and(|extension| extension == "zst") || Form::of(file) == Form::Rows;
        let compressor = if is_packed {
            let mut compressor = zstd::bulk::Compressor::new(LEVEL)?;
            compressor.include_checksum(true)?;
            Some(compressor)
        } else {
            None
        };
        let packed = Vec::new();
        Ok(Packer { compressor, packed })
    }

    /// The bytes that these lines are in a file.
    pub(super) fn pack<'a>(&'a mut self, lines: &'a [u8]) -> io::Result<&'a [u8]> {
        let Some(compressor) = &mut self.compressor else {
            return Ok(lines);
        };
        self.packed.clear();
        self.packed.reserve(zstd::zstd_safe::compress_bound(lines.len()));
        compressor.compress_to_buffer(lines, &mut self.packed)?;
        Ok(&self.packed)
    }

    /// What [`Packer::pack`] made of these lines the last time.
    pub(super) fn packed<'a>(&'a self, lines: &'a [u8]) -> &'a [u8] {
        if self.compressor.is_some() { &self.packed } else { lines }
    }
}

/// The first line.
#[derive(Serialize)]
struct First<'a> {
    #[serde(flatten)]
    header: &'a Header,
    /// The fields of binary rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<BTreeMap<String, Vec<String>>>,
}

/// A file that is being written, under the name with `.part`.
pub(super) struct Segment {
    file: PathBuf,
    part: PathBuf,
    form: Form,
    out: File,
    bytes: u64,
    events: u64,
}

/// The name of a file that is not finished.
pub(super) fn part_of(file: &Path) -> PathBuf {
    let mut part = file.as_os_str().to_owned();
    part.push(".part");
    part.into()
}

impl Segment {
    /// Begins a file with its header and these lines, of the form that the header says.
    pub(super) fn create(file: &Path, header: &Header, context: &Chunk, packer: &mut Packer) -> io::Result<Segment> {
        let part = part_of(file);
        let mut segment = Segment {
            file: file.into(),
            form: Form::of_version(header.version),
            out: File::create(&part)?,
            part,
            bytes: 0,
            events: 0,
        };
        let mut first = Chunk::default();
        first.put(&First {
            header,
            rows: (segment.form == Form::Rows).then(rows::schema),
        })?;
        let written = segment
            .append(packer.pack(first.bytes())?, 0)
            .and_then(|()| match context.is_empty() {
                true => Ok(()),
                false => segment.append(packer.pack(context.bytes())?, context.total()),
            });
        if let Err(error) = written {
            drop(fs::remove_file(&segment.part));
            return Err(error);
        }
        Ok(segment)
    }

    /// Appends a frame with so many events, or leaves everything as it was.
    pub(super) fn append(&mut self, packed: &[u8], events: u64) -> io::Result<()> {
        if let Err(error) = self.out.write_all(packed) {
            // The next frame must not follow half of this one.
            self.take_back()?;
            return Err(error);
        }
        self.bytes += packed.len() as u64;
        self.events += events;
        Ok(())
    }

    fn take_back(&mut self) -> io::Result<()> {
        self.out.set_len(self.bytes)?;
        self.out.seek(SeekFrom::Start(self.bytes)).map(drop)
    }

    /// Appends the end line and gives the file its name. If that fails, what was written stays under the name with
    /// `.part`.
    pub(super) fn finish(mut self, packer: &mut Packer) -> io::Result<u64> {
        let mut last = Chunk::new(self.form);
        last.push(&Line::End(End { events: self.events }))?;
        self.append(packer.pack(last.bytes())?, 0)?;
        self.out.sync_all()?;
        fs::rename(&self.part, &self.file)?;
        Ok(self.events)
    }

    pub(super) fn part(&self) -> &Path {
        &self.part
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// Size of the file.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}
