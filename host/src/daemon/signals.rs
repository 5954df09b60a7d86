//! SIGTERM, SIGINT and SIGHUP as messages.
use anyhow::Context;
use crossbeam_channel::{Receiver, TrySendError, bounded};
use tokio::signal::unix::{SignalKind, signal};

use super::privileges;

/// From now on the two signals no longer end the process; the first one arrives in the channel instead. A second one ends
/// it at once, so that a drain that hangs can be cut short.
///
/// # Errors
/// If the signals cannot be caught.
pub fn stop_requests() -> anyhow::Result<Receiver<&'static str>> {
    let (send, receive) = bounded(1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (mut term, mut int) = {
        let _inside = runtime.enter();
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
    };
    let wait = move || {
        without_privileges();
        runtime.block_on(async move {
            for attempt in 0.. {
                let name = tokio::select! {
                    _ = term.recv() => "SIGTERM",
                    _ = int.recv() => "SIGINT",
                };
                if attempt > 0 {
                    tracing::warn!("{name} again: ending at once");
                    // The default action, which the process would have had without this thread.
                    let killed =
                        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
                    debug_assert!(killed.is_ok(), "a process may signal itself");
                }
                send.try_send(name).unwrap_or_default();
            }
        });
    };
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(wait)
        .context("cannot start a thread for signals")?;
    Ok(receive)
}

/// From now on SIGHUP no longer ends the process, and arrives in the channel instead.
///
/// # Errors
/// If the signal cannot be caught.
pub fn hangups() -> anyhow::Result<Receiver<()>> {
    let (send, receive) = bounded(1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let mut hangup = {
        let _inside = runtime.enter();
        signal(SignalKind::hangup())?
    };
    let wait = move || {
        without_privileges();
        runtime.block_on(async move {
            while hangup.recv().await.is_some() {
                // One that waits already says the same.
                if let Err(TrySendError::Disconnected(())) = send.try_send(()) {
                    return;
                }
            }
        });
    };
    std::thread::Builder::new()
        .name("hangups".into())
        .spawn(wait)
        .context("cannot start a thread for SIGHUP")?;
    Ok(receive)
}

/// These threads are started before the daemon gives its privileges up, and need none.
fn without_privileges() {
    if let Err(error) = privileges::drop_all() {
        tracing::warn!("a thread that waits for signals keeps its privileges: {error:#}");
    }
}
