//! Processes killed for want of memory: each cause once, and those that do not end.
use std::time::Duration;

use vespid_plugin::prelude::*;
use vespid_plugin::{Burst, BurstLimits, Container, Edge, Globs, Keyed, Repeats, Resource, remembered};

use crate::config::Config;

const MAX_CAUSES: usize = 1024;
const MAX_PLACES: usize = 1024;

/// What is remembered of kills.
pub(crate) struct Kills {
    except: Globs,
    limits: BurstLimits,
    /// By container and executable; a message for the closing note.
    causes: Repeats<[Vec<u8>; 2], String>,
    places: Places,
}

/// Kills by container; the empty one is the host. Another instance goes on with it.
pub(crate) type Places = Keyed<Vec<u8>, Burst>;

impl Kills {
    pub(crate) fn new(config: &Config) -> Self {
        let window = Duration::from_secs(config.again.window_seconds.into());
        Kills {
            except: Globs::new(&config.except),
            limits: BurstLimits {
                limit: config.again.limit,
                window,
                calm: window,
            },
            causes: Repeats::new(MAX_CAUSES, Duration::from_secs(config.repeat_after_seconds.into())),
            places: Keyed::new(MAX_PLACES, window * 2),
        }
    }

    pub(crate) fn hit(&mut self, kill: Resource<'_>, out: &mut Report) {
        let process = kill.process();
        let exe = process.map_or(&b""[..], Process::exe);
        if self.except.matches(exe) {
            return;
        }
        let id = kill.container().map_or(&b""[..], Container::id);
        let place = match kill.container() {
            Some(container) => format!("container {}", text(label(container))),
            None => "no container".to_owned(),
        };
        let victim = match process {
            Some(process) => format!("{} (pid {})", text(process.name()), process.pid()),
            None => "a process".to_owned(),
        };
        let had = kill
            .memory()
            .map_or(String::new(), |memory| format!(", which had {},", mebibytes(memory)));
        let message = format!("{victim} in {place}{had} was killed for want of memory");
        let cause = [remembered(id), remembered(exe)];
        if self.causes.is_first(kill.time(), cause, || message.clone()) {
            out.verdict("oom-kill", Severity::Warning)
                .about(&kill)
                .message(message)
                .key(format!("oom-kill/{}/{}", text(id), text(exe)))
                .field("memory", kill.memory().unwrap_or(0));
        }
        if self.limits.limit == 0 {
            return;
        }
        let (burst, _) = self.places.touch(kill.time(), remembered(id), Burst::default);
        if burst.hit(kill.time(), &self.limits) == Edge::Started {
            let minutes = self.limits.window.as_secs() / 60;
            out.verdict("oom-kill-again", Severity::Error)
                .about(&kill)
                .message(format!(
                    "processes in {place} were killed for want of memory more than {} times within {minutes} minutes, last {victim}",
                    self.limits.limit
                ))
                .key(format!("oom-kill-again/{}", text(id)));
        }
    }

    pub(crate) fn places(&self) -> &Places {
        &self.places
    }

    pub(crate) fn adopt(&mut self, places: Places) {
        self.places.adopt(places);
    }

    pub(crate) fn tick(&mut self, now: u64, out: &mut Report) {
        for (message, count) in self.causes.closed(now) {
            out.verdict("oom-kill-repeated", Severity::Warning)
                .message(format!("{count} more times: {message}"))
                .field("count", count);
        }
        for (_, burst) in self.places.iter_mut() {
            let _over = burst.end(now, &self.limits);
        }
        self.places.expire(now);
    }
}

fn label(container: Container<'_>) -> &[u8] {
    match (container.pod(), container.name()) {
        (b"", b"") => container.short_id(),
        (b"", name) => name,
        (pod, _) => pod,
    }
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}
