//! `vespid recording merge`: recordings of one node as one.
use std::path::{Path, PathBuf};

use super::{Failure, check_output, damaged, unwritten};
use crate::progress;
use crate::recording::{Header, Line, Reader, RecordingError, Writer};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The recordings: of one node, and of one boot, for pids of others would be taken for the same processes.
    #[arg(required = true, num_args = 2..)]
    inputs: Vec<PathBuf>,
    /// The whole; its form follows its name, as with `record`. What the recordings share is in it several times.
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
}

/// A recording whose next event is at this time.
struct Next {
    time: u64,
    reader: Reader,
}

#[expect(clippy::print_stderr, reason = "this is the command's result")]
pub(super) fn main(args: &Args) -> Result<(), Failure> {
    let inputs: Vec<&Path> = args.inputs.iter().map(PathBuf::as_path).collect();
    check_output(&args.output, &inputs)?;
    let readers: Result<Vec<Reader>, _> = inputs.iter().map(|input| Reader::open(input)).collect();
    let readers = readers.map_err(damaged)?;
    let header = common_header(&readers)?;
    let mut writer = Writer::create(&args.output, &header).map_err(unwritten)?;
    if let Err(failure) = merge(readers, &mut writer) {
        writer.discard();
        return Err(failure);
    }
    let events = writer.finish().map_err(unwritten)?;
    eprintln!(
        "{events} events of {} recordings in {}",
        inputs.len(),
        args.output.display()
    );
    Ok(())
}

fn merge(readers: Vec<Reader>, writer: &mut Writer) -> Result<(), Failure> {
    let mut heads = Vec::new();
    for reader in readers {
        heads.extend(to_event(reader, writer)?);
    }
    let bar = progress::counting("events merged");
    while let Some(at) = (0..heads.len()).min_by_key(|&at| heads[at].time) {
        let Next { reader, .. } = heads.remove(at);
        if let Some(line) = reader.again().map_err(damaged)? {
            writer.write(&line).map_err(unwritten)?;
        }
        bar.inc(1);
        if let Some(next) = to_event(reader, writer)? {
            // In its place: events of one time stay in the order of the recordings.
            heads.insert(at, next);
        }
    }
    bar.finish_and_clear();
    Ok(())
}

/// Goes on to the next event, and writes what comes before it.
fn to_event(mut reader: Reader, writer: &mut Writer) -> Result<Option<Next>, Failure> {
    loop {
        let time = match reader.next().map_err(repairable)? {
            None => return Ok(None),
            Some(Line::Event(event)) => event.time,
            Some(Line::End(_)) => continue,
            Some(line) => {
                writer.write(&line).map_err(unwritten)?;
                continue;
            }
        };
        return Ok(Some(Next { time, reader }));
    }
}

/// With the remedy for a recording that was cut off.
fn repairable(error: RecordingError) -> Failure {
    let is_cut_off = matches!(error, RecordingError::Truncated { .. });
    let mut failure = damaged(error);
    if is_cut_off {
        failure.error = anyhow::anyhow!(
            "{}; `vespid recording cut` makes what is whole a recording",
            failure.error
        );
    }
    failure
}

fn common_header(readers: &[Reader]) -> Result<Header, Failure> {
    let [first, others @ ..] = readers else {
        return Err(Failure::usage(anyhow::anyhow!("no recording to merge")));
    };
    let mut header = first.header().clone();
    for other in others {
        let (node, boot) = (&other.header().node, &other.header().boot_id);
        if (node, boot) != (&header.node, &header.boot_id) {
            return Err(Failure::usage(anyhow::anyhow!(
                "{} is of node {node}, boot {boot}, but {} of node {}, boot {}: a pid of one would be taken for that of \
                 the other, so they stay two recordings",
                other.name().display(),
                first.name().display(),
                header.node,
                header.boot_id,
            )));
        }
        header.created = header.created.min(other.header().created);
        for kind in &other.header().kinds {
            if !header.kinds.contains(kind) {
                header.kinds.push(kind.clone());
            }
        }
    }
    Ok(header)
}
