//! When to look at the directory: soon after something happened in it, and every now and then in case nobody said so.
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError, at, bounded, select};

use super::events::{Listener, NewWatcher, inotify};
use super::window::{Hint, WatchSettings, Window, later};

/// Requests that may wait. More of them say nothing new.
const REQUESTS: usize = 16;
/// Events that may wait. One that is lost was preceded by others, so a look is due anyway.
const EVENTS: usize = 256;

/// Watches a directory; dropping it ends its thread.
#[derive(Debug)]
pub struct Watch {
    requests: Option<Sender<Duration>>,
    thread: Option<JoinHandle<()>>,
    hears: Arc<AtomicBool>,
}

impl Watch {
    /// Starts to watch `directory`, which need not exist yet, and sends to `wake` (of capacity 1) when a look is due: once
    /// as soon as events are being listened to, so that nothing is missed from the first look on, and then again and again.
    ///
    /// # Errors
    /// If no thread can be had, or the current directory, to which `directory` may be relative, is gone. A kernel that has
    /// no more watches to give is not an error: a warning is logged, and [`WatchSettings::rescan`] is the interval.
    pub fn start(directory: &Path, settings: WatchSettings, wake: Sender<()>) -> io::Result<Watch> {
        Watch::start_with(directory, settings, wake, inotify)
    }

    pub(super) fn start_with(
        directory: &Path,
        settings: WatchSettings,
        wake: Sender<()>,
        new_watcher: NewWatcher,
    ) -> io::Result<Watch> {
        let directory = std::path::absolute(directory)?;
        let (requests, asked) = bounded(REQUESTS);
        let (hints, heard) = bounded(EVENTS);
        let hears = Arc::new(AtomicBool::new(false));
        let watching = Watching {
            listener: Listener::new(directory.clone(), hints, new_watcher),
            directory,
            settings,
            wake,
            asked,
            heard,
            hears: hears.clone(),
            warned: false,
        };
        let thread = std::thread::Builder::new()
            .name("nest-watch".into())
            .spawn(move || watching.run())?;
        Ok(Watch {
            requests: Some(requests),
            thread: Some(thread),
            hears,
        })
    }

    /// Asks for a look after `time`, such as [`LookSettings::settle`](super::LookSettings) when a file is unsettled.
    pub fn look_again(&self, time: Duration) {
        if let Some(requests) = &self.requests {
            requests.try_send(time).unwrap_or_default();
        }
    }

    /// Whether the kernel reports events. If not, changes are seen after [`WatchSettings::rescan`].
    #[must_use]
    pub fn hears(&self) -> bool {
        self.hears.load(Ordering::Relaxed)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that watches the plugin directory panicked");
        }
    }
}

struct Watching {
    directory: PathBuf,
    settings: WatchSettings,
    wake: Sender<()>,
    asked: Receiver<Duration>,
    heard: Receiver<Hint>,
    listener: Listener,
    hears: Arc<AtomicBool>,
    warned: bool,
}

impl Watching {
    fn run(mut self) {
        let mut window: Option<Window> = None;
        let mut again: Option<Instant> = None;
        let mut rescan = Instant::now();
        loop {
            let due = [window.map(|window| window.due()), again]
                .into_iter()
                .flatten()
                .fold(rescan, Instant::min);
            select! {
                recv(self.asked) -> time => match time {
                    Ok(time) => {
                        let time = later(Instant::now(), time);
                        again = Some(again.map_or(time, |again| again.min(time)));
                    }
                    Err(_) => return,
                },
                recv(self.heard) -> hint => {
                    let hint = hint.unwrap_or(Hint::Begun);
                    window = Some(Window::extended(window, hint, Instant::now(), &self.settings));
                }
                recv(at(due)) -> _ => {
                    // First the watch, then the look: what happens in between is heard.
                    self.listen();
                    match self.wake.try_send(()) {
                        Ok(()) | Err(TrySendError::Full(())) => {}
                        Err(TrySendError::Disconnected(())) => return,
                    }
                    (window, again) = (None, None);
                    rescan = later(Instant::now(), self.settings.rescan);
                }
            }
        }
    }

    fn listen(&mut self) {
        let listening = self.listener.listen();
        self.hears.store(listening.is_ok(), Ordering::Relaxed);
        match listening {
            Ok(()) if self.warned => {
                tracing::info!("changes in {} are reported again", self.directory.display());
                self.warned = false;
            }
            Ok(()) => {}
            Err(error) if !self.warned => {
                tracing::warn!(
                    "cannot watch {}: {error}; it is looked at every {:?} instead; raise the sysctls \
                     fs.inotify.max_user_watches and fs.inotify.max_user_instances if they are exhausted",
                    self.directory.display(),
                    self.settings.rescan,
                );
                self.warned = true;
            }
            Err(_) => {}
        }
    }
}
