//! `vespid recording cut`: a part of a recording, or what is whole of a damaged one.
use std::path::PathBuf;

use super::{Failure, check_output, damaged, refused, unwritten};
use crate::progress;
use crate::recording::{Line, Reader, RecordingError, Slice, Sliced, Writer};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The recording. If it was cut off, what is whole of it becomes a recording again.
    input: PathBuf,
    /// The part. Its form follows its name: text, compressed if it ends in `.zst`; binary if it ends in `.vespid`.
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    slice: Slice,
}

#[expect(clippy::print_stderr, reason = "this is the command's result")]
pub(super) fn main(args: &Args) -> Result<(), Failure> {
    check_output(&args.output, &[&args.input])?;
    let reader = Reader::open(&args.input).map_err(damaged)?;
    let mut sliced = Sliced::new(reader, &args.slice).map_err(refused)?;
    let mut writer = Writer::create(&args.output, sliced.header()).map_err(unwritten)?;
    let bar = progress::counting("events read");
    let mut written = Ok(());
    let mut read;
    let ended = loop {
        let more = sliced.pull(|line| {
            if written.is_ok() && !matches!(line, Line::End(_)) {
                written = writer.write(line);
            }
        });
        std::mem::replace(&mut written, Ok(())).map_err(unwritten)?;
        read = sliced.reader().events();
        bar.set_position(read);
        match more {
            Ok(true) => {}
            Ok(false) => break None,
            Err(RecordingError::Truncated { line, .. } | RecordingError::Damaged { row: line, .. }) => {
                break Some(line);
            }
            Err(error) => {
                writer.discard();
                return Err(damaged(error));
            }
        }
    };
    bar.finish_and_clear();
    let kept = writer.finish().map_err(unwritten)?;
    if let Some(line) = ended {
        eprintln!(
            "{} was cut off at line {line}: what came before is whole",
            args.input.display()
        );
    }
    eprintln!("{kept} of {read} events kept in {}", args.output.display());
    Ok(())
}
