//! The command line: what can be asked, and which code a refusal exits with.
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use vespid_ebpf::Kind;

use crate::config::{Config, LogFormat};
use crate::daemon::CannotStart;

mod checks;
mod compile;
mod completions;
mod ctl;
mod doctor;
mod hunt;
mod plugin;
mod record;
mod recording;
mod replay;
mod run;
mod top;

/// A WebAssembly-scriptable monitoring host for Linux nodes.
///
/// Vespid observes processes, connections, files, privileged calls and resources through BPF, hands them in batches to the
/// plugins of a directory, and exports their metrics and verdicts.
#[derive(Debug, Parser)]
#[command(
    name = "vespid",
    version,
    max_term_width = 100,
    after_help = "Exit codes: 0 done; 1 failed; 2 wrong usage or configuration; 3 this kernel or these privileges \
                  cannot do it; 4 a plugin was refused; 5 an output cannot be opened; 6 a recording is damaged; \
                  7 no daemon answers."
)]
pub struct Cli {
    /// How much to log: error, warn, info, debug, trace, or directives such as `info,vespid::plugin=debug`.
    #[arg(long, global = true, env = "VESPID_LOG", value_name = "LEVEL", help_heading = "Log")]
    log: Option<String>,
    /// How log lines are written.
    #[arg(long, global = true, value_name = "FORMAT", help_heading = "Log")]
    log_format: Option<LogFormat>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon: probes, plugins, /metrics and verdicts, until SIGTERM or Ctrl-C.
    Run(run::Args),
    /// Record live events to a file, without plugins.
    Record(record::Args),
    /// Run a recording through the plugins, as fast as it goes and without privileges.
    Replay(replay::Args),
    /// Look at recordings, take parts of them, and make them fit for others.
    #[command(subcommand)]
    Recording(recording::RecordingCommand),
    /// Run a plugin over what the flight recorder has kept, and say what it would have found.
    Hunt(hunt::Args),
    /// Say what this kernel and these privileges can do, and what is lost without the rest.
    Doctor(doctor::Args),
    /// Ask a running daemon: list, reload, resume, compare and promote plugins; probes, and what was lost.
    Ctl(ctl::Args),
    /// Watch a running daemon: its plugins and events, live.
    Top(top::Args),
    /// Make, build, test and look at plugins.
    #[command(
        subcommand,
        after_help = "A first one: `vespid plugin new NAME`, and in its folder `vespid plugin build` and `vespid plugin test`."
    )]
    Plugin(plugin::Command),
    /// Look at configurations.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print a completion script for a shell.
    Completions(completions::Args),
    /// Compile a component from standard input to standard output, for the daemon that starts this.
    #[command(hide = true)]
    Compile(compile::Args),
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Read a configuration as `run` would, and say what is wrong with it.
    Check(checks::ConfigArgs),
    /// Print the default configuration, with comments.
    Default,
}

/// Settings that `run` and `replay` share.
#[derive(Debug, clap::Args)]
struct Common {
    /// Configuration file; see `vespid config default`. Without it, the defaults.
    #[arg(long, short, value_name = "FILE", env = "VESPID_CONFIG")]
    config: Option<PathBuf>,
    /// Directory with the plugins [default: plugins.directory of the configuration].
    #[arg(long, value_name = "DIR")]
    plugins: Option<PathBuf>,
    /// File to append verdicts to; `-` is standard output [default: verdicts.file of the configuration].
    #[arg(long, value_name = "FILE")]
    verdicts: Option<PathBuf>,
}

impl Common {
    /// The configuration, with what the command line says laid over it.
    fn config(&self, listen: Option<SocketAddr>) -> Result<Config, Failure> {
        let mut config = match &self.config {
            Some(path) => Config::read(path).map_err(|error| Failure::usage(error.into()))?,
            None => Config::default(),
        };
        if let Some(directory) = &self.plugins {
            config.plugins.directory.clone_from(directory);
        }
        if let Some(file) = &self.verdicts {
            config.verdicts.file.clone_from(file);
        }
        if let Some(listen) = listen {
            config.http.listen = listen;
        }
        if config.node.is_empty() {
            config.node = rustix::system::uname().nodename().to_string_lossy().into_owned();
        }
        Ok(config)
    }
}

/// A kind of event, as typed after `--kinds`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum KindName {
    /// Processes: fork, exec and exit.
    Process,
    /// TCP connections.
    Connection,
    /// File opens.
    Open,
    /// Changed names and attributes of files, and mounts.
    Change,
    /// Privileged calls.
    Privileged,
    /// Sockets beside TCP connections.
    Socket,
    /// What control groups use, and processes killed for want of memory.
    Resource,
}

impl KindName {
    fn bits(self) -> u32 {
        match self {
            KindName::Process => 0,
            KindName::Connection => Kind::Connection.bit(),
            KindName::Open => Kind::Open.bit(),
            KindName::Change => Kind::Change.bit(),
            KindName::Privileged => Kind::Privileged.bit(),
            KindName::Socket => Kind::Socket.bit(),
            KindName::Resource => Kind::Resource.bit(),
        }
    }
}

/// The code of what kept the stages from starting.
fn cannot_start(error: CannotStart) -> Failure {
    let make = match &error {
        CannotStart::Kernel(_) => Failure::kernel,
        CannotStart::Directory(_) => Failure::plugin,
        CannotStart::Verdicts(_) | CannotStart::Http(_) | CannotStart::Control(_) | CannotStart::Flight(_) => {
            Failure::output
        }
        CannotStart::Other(_) => Failure::from,
    };
    make(error.into())
}

/// Why a command ends, and with which code.
#[derive(Debug)]
struct Failure {
    code: u8,
    error: anyhow::Error,
}

impl Failure {
    fn usage(error: anyhow::Error) -> Self {
        Failure { code: 2, error }
    }

    fn kernel(error: anyhow::Error) -> Self {
        Failure { code: 3, error }
    }

    fn plugin(error: anyhow::Error) -> Self {
        Failure { code: 4, error }
    }

    fn output(error: anyhow::Error) -> Self {
        Failure { code: 5, error }
    }

    fn absent(error: anyhow::Error) -> Self {
        Failure { code: 7, error }
    }

    fn recording(error: anyhow::Error) -> Self {
        Failure { code: 6, error }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Failure { code: 1, error }
    }
}

/// Runs the command that the arguments name.
#[expect(
    clippy::print_stderr,
    reason = "the last word of a command that failed, when the log may go elsewhere"
)]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let log = crate::logging::Choice {
        level: cli.log,
        format: cli.log_format,
    };
    let done = match cli.command {
        Command::Run(args) => run::main(&args, log),
        Command::Record(args) => record::main(&args, log),
        Command::Replay(args) => replay::main(&args, log),
        Command::Recording(command) => recording::main(&command),
        Command::Hunt(args) => hunt::main(&args, log),
        Command::Doctor(args) => doctor::main(&args),
        Command::Ctl(args) => ctl::main(&args),
        Command::Top(args) => top::main(&args),
        Command::Plugin(command) => plugin::main(&command, log),
        Command::Config(ConfigCommand::Check(args)) => checks::config(&args),
        Command::Config(ConfigCommand::Default) => checks::default_config(),
        Command::Completions(args) => completions::main(&args),
        Command::Compile(args) => compile::main(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { code, error }) => {
            eprintln!("vespid: {}", with_causes(&error));
            ExitCode::from(code)
        }
    }
}

/// An error with its causes, each said once: many of our messages have their cause in them.
fn with_causes(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |said, cause| {
        let cause = cause.to_string();
        match () {
            () if said.is_empty() => cause,
            () if said.contains(&cause) => said,
            () => format!("{said}: {cause}"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_said_once() {
        let error = anyhow::anyhow!("no such file")
            .context("a.toml: no such file")
            .context("cannot start");
        assert_eq!(with_causes(&error), "cannot start: a.toml: no such file");
    }
}
