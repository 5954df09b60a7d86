//! The operator's end of the control socket.
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use super::ledger::Ledger;
use super::probes::Probes;
use super::protocol::{Answer, Change, Envelope, MAX_ANSWER_BYTES, Outcome, Refused, Reloaded, Request, VERSION};
use super::server::CHANGE_TIME;
use super::view::View;
use crate::shadow;

/// Longest wait for an answer about how things are: a little more than the daemon gives itself.
const LOOK_TIME: Duration = Duration::from_secs(8);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No socket.
    #[error(
        "there is no control socket {path}: is the daemon running? If it has its socket elsewhere, say where with `--socket`"
    )]
    NoSocket {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A socket that nobody listens on.
    #[error("nobody answers on {path}: the daemon that made it has ended; start one with `vespid run`")]
    Dead {
        /// The socket.
        path: PathBuf,
    },
    /// The file system, or the daemon, does not let this user in.
    #[error("may not use {path}: permission denied; run this as root, or as the user that runs the daemon")]
    Denied {
        /// The socket.
        path: PathBuf,
    },
    /// No answer in time.
    #[error("the daemon did not answer within {} s on {path}; its log may say why", .waited.as_secs())]
    Timeout {
        /// The socket.
        path: PathBuf,
        /// For how long it was waited.
        waited: Duration,
    },
    /// The connection failed.
    #[error("cannot talk to the daemon on {path}: {source}")]
    Broken {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An answer that is none.
    #[error("what answers on {path} does not speak version {VERSION} of Vespid's control protocol: {problem}")]
    Nonsense {
        /// The socket.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The daemon's own words.
    #[error(transparent)]
    Refused(#[from] Refused),
}

impl CallError {
    /// Whether there is no daemon to ask: it may be on its way up, or back.
    #[must_use]
    pub fn is_absence(&self) -> bool {
        matches!(self, CallError::NoSocket { .. } | CallError::Dead { .. })
    }
}

/// Asks one daemon. Each call is a connection of its own.
#[derive(Clone, Debug)]
pub struct Client {
    path: PathBuf,
}

impl Client {
    /// A client of the daemon with this socket. Nothing is opened yet.
    pub fn new(path: impl Into<PathBuf>) -> Client {
        Client { path: path.into() }
    }

    /// The socket.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What /plugins shows.
    ///
    /// # Errors
    /// [`CallError`], as of all calls.
    pub fn plugins(&self) -> Result<serde_json::Value, CallError> {
        self.ask(&Request::Plugins)
    }

    /// Has the plugin directory looked at now.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn reload(&self) -> Result<Reloaded, CallError> {
        self.ask(&Request::Reload)
    }

    /// Ends a quarantine.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn resume(&self, plugin: &str) -> Result<Change, CallError> {
        let plugin = plugin.to_owned();
        self.ask(&Request::Resume { plugin })
    }

    /// The comparison of a plugin with its shadow.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn shadow(&self, plugin: &str) -> Result<shadow::Summary, CallError> {
        let plugin = plugin.to_owned();
        self.ask(&Request::Shadow { plugin })
    }

    /// Makes a plugin's shadow the active one.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn promote(&self, plugin: &str) -> Result<Change, CallError> {
        let plugin = plugin.to_owned();
        self.ask(&Request::Promote { plugin })
    }

    /// What `vespid top` shows, in totals.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn view(&self) -> Result<View, CallError> {
        self.ask(&Request::View)
    }

    /// The probes, and what the daemon has in the kernel.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn probes(&self) -> Result<Probes, CallError> {
        self.ask(&Request::Probes)
    }

    /// Where every event went.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn ledger(&self) -> Result<Ledger, CallError> {
        self.ask(&Request::Ledger)
    }

    fn ask<T: DeserializeOwned>(&self, request: &Request) -> Result<T, CallError> {
        let patience = if request.is_change() {
            CHANGE_TIME + LOOK_TIME
        } else {
            LOOK_TIME
        };
        let line = self
            .exchange(request, patience)
            .map_err(|source| self.explain(source, patience))?;
        let nonsense = |problem: String| CallError::Nonsense {
            path: self.path.clone(),
            problem,
        };
        let answer: Answer<T> = serde_json::from_slice(&line).map_err(|error| nonsense(error.to_string()))?;
        match answer.outcome {
            Outcome::Refused(refused) => Err(refused.into()),
            Outcome::Ok(_) if answer.version != VERSION => Err(nonsense(format!("it is version {}", answer.version))),
            Outcome::Ok(answer) => Ok(answer),
        }
    }

    /// Sends the request and reads all of the answer, up to its newline.
    fn exchange(&self, request: &Request, patience: Duration) -> io::Result<Vec<u8>> {
        let deadline = Instant::now() + patience;
        let mut stream = UnixStream::connect(&self.path)?;
        stream.set_write_timeout(Some(patience))?;
        let mut line = serde_json::to_vec(&Envelope {
            version: VERSION,
            request,
        })?;
        line.push(b'\n');
        // A daemon that refuses whoever asks does not read the request, so this may fail with an answer waiting.
        let sent = stream.write_all(&line);
        let mut answer = Vec::new();
        let mut part = vec![0; 64 << 10];
        while answer.last() != Some(&b'\n') {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || answer.len() > MAX_ANSWER_BYTES {
                return Err(ErrorKind::TimedOut.into());
            }
            stream.set_read_timeout(Some(left))?;
            match stream.read(&mut part) {
                Ok(0) => break,
                Ok(count) => answer.extend_from_slice(&part[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if answer.is_empty() {
            sent?;
            return Err(io::Error::new(
                ErrorKind::UnexpectedEof,
                "it closed the connection without an answer",
            ));
        }
        Ok(answer)
    }

    fn explain(&self, source: io::Error, waited: Duration) -> CallError {
        let path = self.path.clone();
        match source.kind() {
            ErrorKind::NotFound => CallError::NoSocket { path },
            ErrorKind::ConnectionRefused => CallError::Dead { path },
            ErrorKind::PermissionDenied => CallError::Denied { path },
            // A read that reaches its time limit is `EAGAIN`.
            ErrorKind::TimedOut | ErrorKind::WouldBlock => CallError::Timeout { path, waited },
            _ => CallError::Broken { path, source },
        }
    }
}
