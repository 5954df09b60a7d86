//! `vespid ctl`: what an operator asks of a running daemon.
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;
use crossbeam_channel::bounded;
use serde::Serialize;

use super::Failure;
use crate::control::view::View;
use crate::control::{CallError, Change, Client, Code, Mode, Reloaded, SOCKET};
use crate::screen::text::harmless;
use crate::screen::{Rates, plugins_table};

mod ledger;
mod probes;
mod shadow;

/// What the rates of `ctl plugins` cover.
const INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Control socket of the daemon.
    #[arg(long, value_name = "PATH", env = "VESPID_SOCKET", default_value = SOCKET, global = true)]
    socket: PathBuf,
    /// Print JSON, for scripts.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: CtlCommand,
}

#[derive(Debug, Subcommand)]
enum CtlCommand {
    /// List the plugins: what each does and costs, over one second. With --json, what /plugins shows, in totals.
    Plugins,
    /// List what the daemon has in the kernel: probes, programs, links and maps, with runs and mean run time over one
    /// second. With --json, in totals.
    Probes,
    /// Say where every event went: what reached each stage, what left it, what was dropped and why; and whose events there
    /// was no room for.
    Ledger,
    /// Look at the plugin directory now, and say what came of it.
    Reload,
    /// Act on one plugin.
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Compare the verdicts of a plugin's shadow with those of its active version.
    Shadow {
        /// Name of the plugin.
        name: String,
    },
    /// Make a plugin's shadow the active version.
    Promote {
        /// Name of the plugin.
        name: String,
    },
}

#[derive(Debug, Subcommand)]
enum PluginCommand {
    /// End a plugin's quarantine.
    Resume {
        /// Name of the plugin.
        name: String,
    },
}

pub(super) fn main(args: &Args) -> Result<(), Failure> {
    let client = Client::new(&args.socket);
    run(&args.command, &client, args.json, INTERVAL, &mut io::stdout().lock())
}

/// Asks, and writes the answer; `interval` is what rates cover.
fn run(
    command: &CtlCommand,
    client: &Client,
    json: bool,
    interval: Duration,
    out: &mut impl Write,
) -> Result<(), Failure> {
    match command {
        CtlCommand::Plugins if json => as_json(&client.plugins().map_err(failure)?, out),
        CtlCommand::Plugins => print(&plugins_table(&two_views(client, interval).map_err(failure)?), out),
        CtlCommand::Probes => probes::main(client, json, interval, out),
        CtlCommand::Ledger => {
            let ledger = client.ledger().map_err(failure)?;
            if json {
                as_json(&ledger, out)
            } else {
                print(&ledger::text(&ledger), out)
            }
        }
        CtlCommand::Reload => {
            let reloaded = client.reload().map_err(failure)?;
            if json {
                as_json(&reloaded, out)?;
            } else {
                print(&reload_text(&reloaded), out)?;
            }
            match reloaded.refused.len() {
                0 => Ok(()),
                1 => Err(Failure::plugin(anyhow::anyhow!(
                    "a plugin was refused; what ran before runs on"
                ))),
                count => Err(Failure::plugin(anyhow::anyhow!(
                    "{count} plugins were refused; what ran before runs on"
                ))),
            }
        }
        CtlCommand::Plugin(PluginCommand::Resume { name }) => {
            change(&client.resume(name).map_err(failure)?, "resumed", json, out)
        }
        CtlCommand::Promote { name } => change(&client.promote(name).map_err(failure)?, "promoted", json, out),
        CtlCommand::Shadow { name } => {
            let summary = client.shadow(name).map_err(failure)?;
            if json {
                as_json(&summary, out)
            } else {
                print(&shadow::text(&summary), out)
            }
        }
    }
}

/// A view with rates: of the time between two.
pub(super) fn two_views(client: &Client, interval: Duration) -> Result<View, CallError> {
    let mut rates = Rates::default();
    rates.fill(&mut client.view()?);
    pause(interval);
    let mut view = client.view()?;
    rates.fill(&mut view);
    Ok(view)
}

fn pause(interval: Duration) {
    let (_open, never) = bounded::<()>(1);
    never.recv_timeout(interval).unwrap_or_default();
}

fn reload_text(reloaded: &Reloaded) -> String {
    let mut lines = Vec::new();
    for (what, changes) in [
        ("started", &reloaded.started),
        ("swapped", &reloaded.swapped),
        ("stopped", &reloaded.stopped),
    ] {
        lines.extend(changes.iter().map(|change| change_text(change, what)));
    }
    let refused = reloaded.refused.iter();
    lines.extend(refused.map(|file| format!("refused {}: {}", harmless(&file.file), harmless(&file.reason))));
    if lines.is_empty() {
        lines.push("nothing has changed".to_owned());
    }
    match reloaded.unchanged {
        0 => {}
        1 => lines.push("1 plugin runs as before".to_owned()),
        count => lines.push(format!("{count} plugins run as before")),
    }
    lines.join("\n")
}

fn change_text(change: &Change, what: &str) -> String {
    let (plugin, version) = (harmless(&change.plugin), harmless(&change.version));
    let before = change
        .before
        .as_deref()
        .map_or(String::new(), |before| format!("{} -> ", harmless(before)));
    let mode = if change.mode == Mode::Shadow { " (shadow)" } else { "" };
    let note = change
        .note
        .as_deref()
        .map_or(String::new(), |note| format!(": {}", harmless(note)));
    format!("{what} {plugin} {before}{version}{mode}{note}")
}

fn change(change: &Change, what: &str, json: bool, out: &mut impl Write) -> Result<(), Failure> {
    if json {
        as_json(change, out)
    } else {
        print(&change_text(change, what), out)
    }
}

fn as_json(value: &impl Serialize, out: &mut impl Write) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(anyhow::Error::from)?;
    print(&text, out)
}

/// Writes a text and its last newline. A reader that has seen enough, such as `head`, is no failure.
fn print(text: &str, out: &mut impl Write) -> Result<(), Failure> {
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::output(error.into())),
        _ => Ok(()),
    }
}

/// What a command that got no answer ends with.
pub(super) fn failure(error: CallError) -> Failure {
    let make = match &error {
        CallError::Refused(refused) => match refused.code {
            Code::UnknownPlugin => Failure::usage,
            Code::Denied => Failure::kernel,
            _ => Failure::from,
        },
        CallError::Denied { .. } => Failure::kernel,
        CallError::NoSocket { .. } | CallError::Dead { .. } => Failure::absent,
        _ => Failure::from,
    };
    make(error.into())
}

#[cfg(test)]
mod tests;
