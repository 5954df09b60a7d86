//! The flight recorder: what happened lately, on disk, for whoever has a question only now.
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use super::collector::Collector;
use super::node;
use crate::config::FlightRecorder;
use crate::enrich::namespaces;
use crate::interface::vespid::plugin::describe::Kinds;
use crate::pipeline::Origin;
use crate::recording::{Form, Header, RecordingError, Reel, Rotation, Segments, Tape, TapeBooks, WhenFull};

/// Why nothing can be recorded there.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// The directory.
    #[error("cannot use {} for the flight recorder: {source}", directory.display())]
    Directory {
        /// Which.
        directory: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others could read there what everybody on the node does.
    #[error(
        "{} belongs to somebody else or is open to others; the flight recorder does not write there (`chmod 700`)",
        .0.display()
    )]
    Exposed(PathBuf),
    /// Two rings in one place would delete each other's files.
    #[error(
        "another daemon records in {}; give this one a flight_recorder.directory of its own",
        .0.display()
    )]
    Taken(PathBuf),
    /// Its files.
    #[error(transparent)]
    Files(#[from] RecordingError),
}

/// What can be seen of a flight recorder.
#[derive(Clone, Debug)]
pub struct FlightBooks {
    /// What became of the events.
    pub tape: TapeBooks,
    /// Most bytes that its files may have.
    pub max_bytes: u64,
}

/// A flight recorder at work.
pub(super) struct Flight {
    books: FlightBooks,
    writer: JoinHandle<Result<(), RecordingError>>,
    /// Locked as long as it is open.
    _directory: File,
}

/// Has the collector record, if that is configured. The other end writes, once the privileges are gone.
pub(super) fn install(config: &FlightRecorder, origin: &Origin, collector: &mut Collector) -> Option<Reel> {
    if !config.enabled {
        return None;
    }
    let header = Header {
        version: Form::of(&config.file()).version(),
        node: origin.node.clone(),
        boot_id: origin.boot_id.clone(),
        kernel: node::kernel_release(),
        created: 0,
        kinds: Vec::new(),
        namespaces: namespaces::of_the_node(),
    };
    let (tape, reel) = Tape::new(header, "flight_recorder", WhenFull::Drop);
    let always = config
        .kinds
        .iter()
        .fold(Kinds::empty(), |kinds, kind| kinds | Kinds::of(kind.0));
    collector.record(tape, always);
    Some(reel)
}

impl Flight {
    pub(super) fn start(config: &FlightRecorder, reel: Reel) -> Result<Flight, Unusable> {
        let directory = open(&config.directory)?;
        let rotation = Rotation {
            segment_bytes: config.segment_bytes,
            segment_age: Duration::from_secs(config.segment_age_s),
            total_bytes: config.max_bytes,
            files: usize::MAX,
        };
        let segments = Segments::open(&config.file(), rotation)?;
        let books = FlightBooks {
            tape: reel.books(),
            max_bytes: config.max_bytes,
        };
        let writer = reel.start(segments).map_err(|source| Unusable::Directory {
            directory: config.directory.clone(),
            source,
        })?;
        Ok(Flight {
            books,
            writer,
            _directory: directory,
        })
    }

    pub(super) fn books(&self) -> FlightBooks {
        self.books.clone()
    }

    /// Waits for what is on its way, once the collector has ended.
    pub(super) fn finish(self) {
        match self.writer.join() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!("the flight recorder's last file is not complete: {error}"),
            Err(_) => tracing::error!("the flight recorder panicked"),
        }
    }
}

/// Makes the directory, if it is not there, and takes it for this daemon alone.
fn open(directory: &Path) -> Result<File, Unusable> {
    let failed = |source| Unusable::Directory {
        directory: directory.to_owned(),
        source,
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(failed)?;
    let found = fs::metadata(directory).map_err(failed)?;
    let is_mine = found.uid() == rustix::process::geteuid().as_raw();
    if !is_mine || found.mode() & 0o077 != 0 {
        return Err(Unusable::Exposed(directory.to_owned()));
    }
    let file = File::open(directory).map_err(failed)?;
    flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|_| Unusable::Taken(directory.to_owned()))?;
    Ok(file)
}
