//! One file of a recording in the making.
//!
//! A compressed file is a sequence of zstd frames, each of whole lines with a checksum, so that whatever happens to the
//! writer, everything up to the last frame can be read. A frame that could not be written whole is taken back.
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::chunk::Chunk;
use super::{End, Header, Line, VERSION};

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
        let compressor = if file.extension().is_some_and(|extension| extension == "zst") {
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
    pub(super) fn pack<'a>(&'a mut self, text: &'a [u8]) -> io::Result<&'a [u8]> {
        let Some(compressor) = &mut self.compressor else {
            return Ok(text);
        };
        self.packed.clear();
        self.packed.reserve(zstd::zstd_safe::compress_bound(text.len()));
        compressor.compress_to_buffer(text, &mut self.packed)?;
        Ok(&self.packed)
    }

    /// What [`Packer::pack`] made of these lines the last time.
    pub(super) fn packed<'a>(&'a self, text: &'a [u8]) -> &'a [u8] {
        if self.compressor.is_some() { &self.packed } else { text }
    }
}

/// A file that is being written, under the name with `.part`.
pub(super) struct Segment {
    file: PathBuf,
    part: PathBuf,
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
    /// Begins a file with its header and these lines.
    pub(super) fn create(file: &Path, header: &Header, context: &Chunk, packer: &mut Packer) -> io::Result<Segment> {
        let part = part_of(file);
        let mut segment = Segment {
            file: file.into(),
            out: File::create(&part)?,
            part,
            bytes: 0,
            events: 0,
        };
        let mut first = Chunk::default();
        first.put(&Header {
            version: VERSION,
            ..header.clone()
        })?;
        let written = segment
            .append(packer.pack(first.text())?, 0)
            .and_then(|()| match context.is_empty() {
                true => Ok(()),
                false => segment.append(packer.pack(context.text())?, context.total()),
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
        let mut last = Chunk::default();
        last.put(&Line::End(End { events: self.events }))?;
        self.append(packer.pack(last.text())?, 0)?;
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
