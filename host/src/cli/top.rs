//! `vespid top`: a running daemon's plugins and events, live.
use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};

use super::Failure;
use super::ctl::{failure, two_views};
use crate::control::{Client, SOCKET};
use crate::daemon::signals;
use crate::screen::{self, News};

/// Time between two looks.
const INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Control socket of the daemon.
    #[arg(long, value_name = "PATH", env = "VESPID_SOCKET", default_value = SOCKET)]
    socket: PathBuf,
    /// Print the figures of one second as tables and exit, as without a terminal.
    #[arg(long)]
    once: bool,
}

#[expect(clippy::print_stdout, reason = "this is the command's result")]
pub(super) fn main(args: &Args) -> Result<(), Failure> {
    let client = Client::new(&args.socket);
    if args.once || !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        println!("{}", screen::table(&two_views(&client, INTERVAL).map_err(failure)?));
        return Ok(());
    }
    let stop = signals::stop_requests()?;
    let (tell, news) = bounded(1);
    let (_here, gone) = bounded(1);
    // A thread of its own, so that keys are obeyed while a daemon does not answer. It ends with the process.
    std::thread::Builder::new()
        .name("vespid-top".to_owned())
        .spawn(move || while tell.send(look(&client)).is_ok() && pause(&gone) {})
        .map_err(anyhow::Error::from)?;
    screen::watch(&news, &stop).map_err(anyhow::Error::from)?;
    Ok(())
}

fn look(client: &Client) -> News {
    client.view().map_err(|error| error.to_string())
}

/// Whether to go on afterwards.
fn pause(gone: &Receiver<()>) -> bool {
    matches!(gone.recv_timeout(INTERVAL), Err(RecvTimeoutError::Timeout))
}
