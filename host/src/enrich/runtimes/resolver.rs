//! The thread's part: one question after the other, each to the runtimes that may know.
//!
//! A runtime that fails is left alone for a while, so that a dead socket costs nothing. A container that no runtime knows
//! yet is asked about again: a sandbox, for one, is known only once it runs.
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use super::lookups::{Lookups, Outcome};
use super::{Answer, Question, Settings, cri, storage};
use crate::enrich::container::Runtime;
use crate::event::KnownContainer;

/// How long one runtime may take for all that is asked about one container.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a runtime is left alone after its first failure in a row; after each further one twice as long.
const FIRST_REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(60);
/// When a container is asked about again, after the time before.
const AGAIN: [Duration; 5] = [
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_secs(60),
];
/// Most containers that are to be asked about again.
const MAX_AGAIN: usize = 1_024;

/// A runtime behind a socket.
#[derive(Debug)]
struct Socket {
    path: PathBuf,
    /// Left alone until then.
    rests: Option<Instant>,
    rest: Duration,
}

/// A question that is asked again.
#[derive(Debug)]
struct Again {
    due: Instant,
    asked: usize,
    question: Question,
}

/// Asks runtimes.
pub struct Resolver {
    sockets: Vec<Socket>,
    node: String,
    lookups: Arc<Lookups>,
    questions: Receiver<Question>,
    answers: Sender<Answer>,
    again: VecDeque<Again>,
}

impl Resolver {
    pub(super) fn new(
        settings: Settings,
        lookups: Arc<Lookups>,
        questions: Receiver<Question>,
        answers: Sender<Answer>,
    ) -> Resolver {
        let socket = |path| Socket {
            path,
            rests: None,
            rest: FIRST_REST,
        };
        Resolver {
            sockets: settings.sockets.into_iter().map(socket).collect(),
            node: settings.node,
            lookups,
            questions,
            answers,
            again: VecDeque::new(),
        }
    }

    /// Answers questions until nobody asks any more.
    ///
    /// # Errors
    /// If there can be no event loop for the sockets.
    pub fn run(mut self) -> io::Result<()> {
        let io = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        loop {
            let (question, asked) = match self.next() {
                Ok(next) => next,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
            let (outcome, known) = io.block_on(self.ask(&question));
            self.lookups.count(outcome);
            if known.is_none() && outcome != Outcome::NoRuntime {
                self.ask_again(&question, asked);
            }
            let answer = Answer { id: question.id, known };
            if (asked == 0 || answer.known.is_some()) && self.answers.send(answer).is_err() {
                return Ok(());
            }
        }
    }

    /// The question that is to be asked now, and how often it was before. New ones come first: somebody waits for them.
    fn next(&mut self) -> Result<(Question, usize), RecvTimeoutError> {
        if let Ok(question) = self.questions.try_recv() {
            return Ok((question, 0));
        }
        let Some(at) = (0..self.again.len()).min_by_key(|&at| self.again[at].due) else {
            return match self.questions.recv() {
                Ok(question) => Ok((question, 0)),
                Err(_) => Err(RecvTimeoutError::Disconnected),
            };
        };
        match self.questions.recv_deadline(self.again[at].due) {
            Ok(question) => Ok((question, 0)),
            Err(RecvTimeoutError::Disconnected) => Err(RecvTimeoutError::Disconnected),
            Err(RecvTimeoutError::Timeout) => {
                let due = self.again.swap_remove_back(at).ok_or(RecvTimeoutError::Timeout)?;
                Ok((due.question, due.asked))
            }
        }
    }

    fn ask_again(&mut self, question: &Question, asked: usize) {
        let Some(&after) = AGAIN.get(asked) else { return };
        if self.again.len() >= MAX_AGAIN {
            self.lookups.count(Outcome::Overflow);
            return;
        }
        self.again.push_back(Again {
            due: Instant::now() + after,
            asked: asked + 1,
            question: question.clone(),
        });
    }

    async fn ask(&mut self, question: &Question) -> (Outcome, Option<KnownContainer<'static>>) {
        if question.runtime == Runtime::Podman {
            return match storage::describe(&question.id) {
                Ok(Some(known)) => (Outcome::Found, Some(known)),
                Ok(None) => (Outcome::NotFound, None),
                Err(error) => {
                    tracing::debug!("what Podman keeps of its containers cannot be read: {error}");
                    (Outcome::Unreachable, None)
                }
            };
        }
        let mut outcome = Outcome::NoRuntime;
        for socket in &mut self.sockets {
            let one = socket.ask(&question.id, &self.node).await;
            match one {
                Ok(known @ Some(_)) => return (Outcome::Found, known),
                Ok(None) if outcome == Outcome::NoRuntime => outcome = Outcome::NotFound,
                Err(Outcome::NoRuntime) | Ok(None) => {}
                Err(failure) => outcome = failure,
            }
        }
        (outcome, None)
    }
}

impl Socket {
    async fn ask(&mut self, id: &str, node: &str) -> Result<Option<KnownContainer<'static>>, Outcome> {
        if !self.path.exists() {
            return Err(Outcome::NoRuntime);
        }
        if self.rests.is_some_and(|rests| Instant::now() < rests) {
            return Err(Outcome::BackingOff);
        }
        let answer = tokio::time::timeout(PATIENCE, cri::describe(&self.path, id, node)).await;
        let (outcome, why) = match answer {
            Ok(Ok(known)) => {
                if self.rests.take().is_some() {
                    tracing::info!(socket = %self.path.display(), "the container runtime answers again");
                }
                self.rest = FIRST_REST;
                return Ok(known);
            }
            Ok(Err(cri::Failure::Unreachable(why))) => (Outcome::Unreachable, why),
            Ok(Err(cri::Failure::Refused(why))) => (Outcome::Refused, why),
            Err(_) => (Outcome::TimedOut, format!("no answer within {PATIENCE:?}")),
        };
        self.fail(&why);
        Err(outcome)
    }

    /// Leaves it alone for a while; says so the first time in a row.
    fn fail(&mut self, why: &str) {
        let socket = Path::display(&self.path);
        if self.rests.is_none() {
            tracing::warn!(%socket, "the container runtime cannot be asked: {why}; its containers have no names until it can");
        } else {
            tracing::debug!(%socket, "the container runtime still cannot be asked: {why}");
        }
        self.rests = Some(Instant::now() + self.rest);
        self.rest = LONGEST_REST.min(self.rest * 2);
    }
}
