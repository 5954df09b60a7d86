//! Container runtimes: what they say of a container whose id its control group told.
//!
//! The runtimes are asked by a thread of their own ([`Resolver`]). Whoever attributes events waits for a new container's
//! answer, but never long, and never for more than a share of the time; what is heard later counts from then on.
mod cri;
mod lookups;
mod resolver;
mod storage;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use super::Container;
use super::container::Runtime;
use super::share::Share;
use crate::event::KnownContainer;

pub use lookups::{LookupCounts, Lookups, Outcome};
pub use resolver::Resolver;

/// Containers that may wait to be asked about; on a node that is just being looked at, that is all of them.
const MAX_QUESTIONS: usize = 4_096;
const MAX_ANSWERS: usize = 256;
/// Share of the time that may be spent waiting.
const MAX_SHARE: u32 = 4;
/// What may be spent at once after a quiet time.
const MAX_SAVED: Duration = Duration::from_millis(250);

/// Which runtimes are asked, and how long they are waited for.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Sockets of runtimes that speak the Container Runtime Interface.
    pub sockets: Vec<PathBuf>,
    /// Name of the node, which owns its static pods.
    pub node: String,
    /// Longest wait for one container.
    pub wait: Duration,
}

/// Something to find out.
#[derive(Clone, Debug)]
struct Question {
    id: Box<str>,
    runtime: Runtime,
}

/// What came of asking. The first time there is always an answer, later only if there is something in it.
#[derive(Debug)]
struct Answer {
    id: Box<str>,
    known: Option<KnownContainer<'static>>,
}

/// The way to the runtimes, for one process table.
#[derive(Debug)]
pub struct Runtimes {
    questions: Sender<Question>,
    answers: Receiver<Answer>,
    late: VecDeque<KnownContainer<'static>>,
    wait: Duration,
    share: Share,
    lookups: Arc<Lookups>,
}

impl Runtimes {
    /// The way to the runtimes, and what must run in a thread for there to be answers. It ends when the way is dropped.
    #[must_use]
    pub fn new(settings: Settings) -> (Runtimes, Resolver) {
        let (questions, asked) = bounded(MAX_QUESTIONS);
        let (answered, answers) = bounded(MAX_ANSWERS);
        let lookups = Arc::new(Lookups::default());
        let wait = settings.wait;
        let resolver = Resolver::new(settings, lookups.clone(), asked, answered);
        let runtimes = Runtimes {
            questions,
            answers,
            late: VecDeque::new(),
            wait,
            share: Share::new(MAX_SHARE, MAX_SAVED),
            lookups,
        };
        (runtimes, resolver)
    }

    /// What has come of asking so far.
    #[must_use]
    pub fn lookups(&self) -> Arc<Lookups> {
        self.lookups.clone()
    }

    /// What its runtime says of a container, if it says so soon; else [`Self::heard`] has it later.
    pub fn describe(&mut self, container: &Container) -> Option<KnownContainer<'static>> {
        let id: Box<str> = str::from_utf8(&container.id).ok()?.into();
        let runtime = Runtime::of_name(&container.runtime);
        if runtime == Runtime::Runc {
            // It has no more to say than what its folder says.
            return None;
        }
        match self.questions.try_send(Question {
            id: id.clone(),
            runtime,
        }) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                self.lookups.count(Outcome::Overflow);
                return None;
            }
            Err(TrySendError::Disconnected(_)) => return None,
        }
        let begun = Instant::now();
        let deadline = begun + self.wait.min(self.share.left(begun));
        let known = self.wait_for(&id, deadline);
        self.share.spend(begun.elapsed());
        known
    }

    fn wait_for(&mut self, id: &str, deadline: Instant) -> Option<KnownContainer<'static>> {
        loop {
            let answer = self.answers.recv_deadline(deadline).ok()?;
            if &*answer.id == id {
                return answer.known;
            }
            // It is about a container that the table holds, so there are not too many.
            self.late.extend(answer.known);
        }
    }

    /// What was heard meanwhile of a container that was asked about before.
    pub fn heard(&mut self) -> Option<KnownContainer<'static>> {
        if let Some(known) = self.late.pop_front() {
            return Some(known);
        }
        // Asked before each event. To try to receive from an empty channel takes a fence, a look at it does not.
        if self.answers.is_empty() {
            return None;
        }
        self.answers.try_iter().find_map(|answer| answer.known)
    }
}
