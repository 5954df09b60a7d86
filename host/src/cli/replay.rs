//! `vespid replay`: a recording through the same pipeline and the same plugins, without privileges.
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::recording::{damaged, refused};
use super::{Common, Failure, cannot_start};
use crate::daemon::replay::{Replay, Speed};
use crate::daemon::{signals, target};
use crate::logging::{self, Choice};
use crate::metrics::{Format, render};
use crate::recording::{Reader, Slice, Sliced};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The recording.
    file: PathBuf,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    slice: Slice,
    /// How fast: `max`, or a multiple of the speed it was recorded at, such as `1x`.
    #[arg(long, default_value = "max")]
    speed: Speed,
    /// Write the plugins' final metrics to this file; `-` is standard error.
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,
    /// Serve /metrics and /plugins meanwhile.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
}

#[expect(
    clippy::print_stderr,
    reason = "verdicts are on standard output, so the summary is not"
)]
pub(super) fn main(args: &Args, log: Choice) -> Result<(), Failure> {
    let config = args.common.config(args.listen)?;
    logging::start(&log, &config.log, None).map_err(Failure::usage)?;
    let stop = signals::stop_requests()?;
    let reader = Reader::open(&args.file).map_err(damaged)?;
    let recording = Sliced::new(reader, &args.slice).map_err(refused)?;
    let mut replay = Replay::start(&config, recording.header(), target(&config.verdicts.file)).map_err(cannot_start)?;
    let server = match args.listen {
        Some(listen) => Some(replay.serve(listen).map_err(|error| Failure::output(error.into()))?),
        None => None,
    };
    let outcome = replay.run(recording, args.speed, || !stop.is_empty());
    let status = replay.finish();
    if let Some(file) = &args.metrics {
        let text = render(crate::http::Source::scrape(&*status), Format::Prometheus);
        if file.as_os_str() == "-" {
            eprint!("{text}");
        } else {
            std::fs::write(file, text)
                .map_err(|error| Failure::output(anyhow::anyhow!("cannot write {}: {error}", file.display())))?;
        }
    }
    eprintln!("{}", crate::summary::table(&status.summary()));
    if let Some(server) = server {
        // A scraper may come a moment later than the end of a short recording.
        let _last_scrape = stop.recv_timeout(Duration::from_secs(1));
        server.stop();
    }
    outcome.map_err(damaged)
}
