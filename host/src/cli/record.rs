//! `vespid record`: live events to a file, without plugins.
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::Context;
use vespid_ebpf::Kind;

use super::{Failure, KindName};
use crate::clock;
use crate::config::Config;
use crate::daemon::recorder::{Assignment, Recorder};
use crate::daemon::{node, signals};
use crate::enrich::namespaces;
use crate::kernel::{Kernel, Settings};
use crate::logging::{self, Choice};
use crate::progress;
use crate::recording::{Form, Header, Rotation, Segments};
use crate::units;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The recording: text, compressed if the name ends in `.zst`; binary if it ends in `.vespid`.
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// What to record besides forks, execs and exits, which every recording needs.
    #[arg(long, value_name = "KIND", value_delimiter = ',', default_values = ["connection", "open"])]
    kinds: Vec<KindName>,
    /// End after so many seconds; without it, at SIGTERM or Ctrl-C, or when the command ends.
    #[arg(long, value_name = "SECONDS")]
    duration: Option<u64>,
    /// Name of the node in the recording [default: the host name].
    #[arg(long, value_name = "NAME")]
    node: Option<String>,
    /// Go on in another file when one is this large, such as `256MiB`. The files are named after FILE and the time when
    /// each was begun, and each can be read by itself.
    #[arg(long, value_name = "SIZE", value_parser = units::bytes)]
    rotate_bytes: Option<u64>,
    /// Go on in another file when one is this old, such as `1h`.
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    rotate_age: Option<Duration>,
    /// Keep so many files, and delete older ones of the same name.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    keep: Option<u32>,
    /// Run this command, and record only what it and its descendants do.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

#[expect(clippy::print_stderr, reason = "this is the command's result")]
pub(super) fn main(args: &Args, log: Choice) -> Result<(), Failure> {
    let config = Config::default();
    logging::start(&log, &config.log, None).map_err(Failure::usage)?;
    let stop = signals::stop_requests()?;
    let mask = args.kinds.iter().fold(Kind::TREE, |mask, kind| mask | kind.bits());
    let segments = Segments::open(&args.output, rotation(args)?).map_err(|error| Failure::output(error.into()))?;
    let header = header(args, mask);
    let assignment = Assignment {
        kinds: mask,
        segments,
        processes: config.processes.max,
        runtimes: config.containers.settings(&header.node),
        interval: config.resources.interval(),
        header,
    };
    let kernel = Kernel::start(&Settings {
        kinds: mask,
        ring_bytes: config.kernel.ring_bytes,
        fair: config.kernel.fair,
        sample_hz: config.resources.sample_hz,
        prefer: config.kernel.prefer,
    })
    .map_err(|error| Failure::kernel(error.into()))?;
    let mut command = None;
    let mut recorder = match args.command.split_first() {
        None => Recorder::of_all(kernel, assignment).context("cannot begin to record")?,
        Some((program, words)) => {
            let child = Command::new(program).args(words).spawn();
            let child = child
                .with_context(|| format!("cannot run {program}"))
                .map_err(Failure::usage)?;
            let recorder = Recorder::of_descendants(kernel, assignment, child.id())?;
            command = Some(child);
            recorder
        }
    };

    let end = args
        .duration
        .map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let progress = progress::counting("events recorded");
    while stop.is_empty() && end.is_none_or(|end| Instant::now() < end) && !has_ended(command.as_mut())? {
        recorder.round()?;
        progress.set_position(recorder.events());
    }
    progress.finish_and_clear();
    let (events, lost) = recorder.finish().map_err(Failure::output)?;
    let files = if args.rotate_bytes.is_some() || args.rotate_age.is_some() {
        format!("files beside {}", args.output.display())
    } else {
        args.output.display().to_string()
    };
    eprintln!("{events} events recorded in {files}, {lost} lost");
    Ok(())
}

fn rotation(args: &Args) -> Result<Rotation, Failure> {
    let rotation = Rotation {
        segment_bytes: args.rotate_bytes.unwrap_or(u64::MAX),
        segment_age: args.rotate_age.unwrap_or(Duration::MAX),
        total_bytes: u64::MAX,
        files: args.keep.map_or(usize::MAX, |keep| keep as usize),
    };
    if args.keep.is_some() && args.rotate_bytes.is_none() && args.rotate_age.is_none() {
        let error = anyhow::anyhow!("--keep needs --rotate-bytes or --rotate-age, since one file is all there is");
        return Err(Failure::usage(error));
    }
    Ok(rotation)
}

fn header(args: &Args, mask: u32) -> Header {
    let host_name = || rustix::system::uname().nodename().to_string_lossy().into_owned();
    Header {
        version: Form::of(&args.output).version(),
        node: args.node.clone().unwrap_or_else(host_name),
        boot_id: node::boot_id(),
        kernel: node::kernel_release(),
        created: clock::now(),
        kinds: Kind::ALL
            .iter()
            .filter(|kind| mask & kind.bit() != 0)
            .map(|kind| kind.name().to_owned())
            .collect(),
        namespaces: namespaces::of_the_node(),
    }
}

/// Whether the command, if there is one, has ended.
fn has_ended(command: Option<&mut Child>) -> Result<bool, Failure> {
    let Some(child) = command else { return Ok(false) };
    let ended = child.try_wait().context("cannot wait for the command")?;
    Ok(ended.is_some())
}
