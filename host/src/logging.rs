//! Where log lines go: standard error, the journal, or the screen while there is one.
use std::collections::VecDeque;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{EnvFilter, Registry};

use crate::config::{Log, LogFormat};

/// What the command line says about logging.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// Level or directives, if given.
    pub level: Option<String>,
    /// Format, if given.
    pub format: Option<LogFormat>,
}

/// Starts logging.
///
/// # Errors
/// If the level is not understood, or the journal cannot be reached.
pub fn start(choice: &Choice, config: &Log, screen: Option<Tail>) -> anyhow::Result<()> {
    let level = choice.level.as_deref().unwrap_or(&config.level);
    let filter = EnvFilter::try_new(level)
        .with_context(|| format!("log level `{level}`: use error, warn, info, debug, trace or directives"))?;
    let registry = Registry::default().with(filter);
    let format = choice.format.unwrap_or(config.format);
    match (screen, format) {
        (Some(tail), _) => {
            let layer = tracing_subscriber::fmt::layer()
                .compact()
                .with_ansi(false)
                .with_target(false);
            registry.with(layer.with_writer(tail)).init();
        }
        (None, LogFormat::Json) => {
            registry
                .with(tracing_subscriber::fmt::layer().json().with_writer(io::stderr))
                .init();
        }
        (None, LogFormat::Auto) if is_journal() => {
            registry
                .with(tracing_journald::layer().context("the journal cannot be reached")?)
                .init();
        }
        (None, LogFormat::Auto | LogFormat::Text) => {
            let layer = tracing_subscriber::fmt::layer().compact().with_target(false);
            registry
                .with(layer.with_ansi(io::stderr().is_terminal()).with_writer(io::stderr))
                .init();
        }
    }
    Ok(())
}

/// Whether standard error is the journal: systemd says so by device and inode (systemd.exec(5), `JOURNAL_STREAM`).
fn is_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    let Ok(stat) = rustix::fs::fstat(io::stderr()) else {
        return false;
    };
    stream == format!("{}:{}", stat.st_dev, stat.st_ino)
}

/// The last log lines, for the screen.
#[derive(Clone, Debug, Default)]
pub struct Tail(Arc<Mutex<VecDeque<String>>>);

/// Lines kept.
const TAIL: usize = 64;

impl Tail {
    /// The last `count` lines, oldest first.
    #[must_use]
    pub fn last(&self, count: usize) -> Vec<String> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().skip(lines.len().saturating_sub(count)).cloned().collect()
    }
}

impl Write for Tail {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = crate::bytes::Bytes::from(line.trim_ascii_end()).to_string();
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == TAIL {
            lines.pop_front();
        }
        lines.push_back(text);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Tail {
    type Writer = Tail;

    fn make_writer(&'a self) -> Tail {
        self.clone()
    }
}
