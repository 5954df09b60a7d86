//! `vespid run`: the daemon, with a screen on a terminal.
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::{Common, Failure, cannot_start};
use crate::config::Config;
use crate::daemon::view::Live;
use crate::daemon::{Daemon, signals, target};
use crate::logging::{self, Choice, Tail};
use crate::screen;
use crate::verdict::Target;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    common: Common,
    /// Address to serve /metrics on [default: http.listen of the configuration].
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Write log lines even on a terminal, instead of a screen.
    #[arg(long)]
    no_screen: bool,
}

pub(super) fn main(args: &Args, log: Choice) -> Result<(), Failure> {
    let config = args.common.config(args.listen)?;
    let has_screen = !args.no_screen && std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    let tail = has_screen.then(Tail::default);
    logging::start(&log, &config.log, tail.clone()).map_err(Failure::usage)?;
    let stop = signals::stop_requests()?;
    // Lines of JSON would draw over the screen, which shows the verdicts itself.
    let target = match target(&config.verdicts.file) {
        Target::Stdout if has_screen => Target::File("/dev/null".into()),
        target => target,
    };
    let daemon = Daemon::start(&config, target).map_err(cannot_start)?;
    match tail {
        Some(tail) => show(&daemon, &config, &stop, &tail)?,
        None => wait(&daemon, &stop),
    }
    let status = daemon.stop()?;
    report(&crate::summary::table(&status.summary()));
    Ok(())
}

fn wait(daemon: &Daemon, stop: &Receiver<&'static str>) {
    while !daemon.has_failed() {
        match stop.recv_timeout(Duration::from_millis(500)) {
            Ok(signal) => return tracing::info!("{signal}: detaching probes and delivering what is queued"),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn show(daemon: &Daemon, config: &Config, stop: &Receiver<&'static str>, tail: &Tail) -> anyhow::Result<()> {
    let live = Live::new(daemon.status().clone(), config, daemon.address(), tail.clone());
    screen::show(|| (stop.is_empty() && !daemon.has_failed()).then(|| live.view()))?;
    Ok(())
}

/// The last figures, for whoever stopped the daemon.
#[expect(
    clippy::print_stderr,
    reason = "the log may go to the journal, and the user sits here"
)]
fn report(table: &str) {
    eprintln!("{table}");
}
