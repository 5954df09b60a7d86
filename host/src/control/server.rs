//! The daemon's end of the control socket: a thread of its own that reads requests, and a few that fulfil them.
use std::future::Future;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use serde::Serialize;
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use super::Control;
use super::protocol::{Answer, Code, MAX_ANSWER_BYTES, MAX_REQUEST_BYTES, Outcome, Refused, Request, VERSION, parse};
use super::socket::{Place, SocketError, listen};

/// Connections at a time; further ones wait in the kernel's backlog.
const CONNECTIONS: usize = 16;
/// Requests that look, at a time.
const LOOKS: usize = 2;
/// Requests that change something, waiting or under way; one is under way at a time.
const CHANGES: usize = 4;
/// Longest time that a client may take to send its request, and to read its answer.
const TALK: Duration = Duration::from_secs(2);
/// Longest time until an answer about how things are.
const LOOK_TIME: Duration = Duration::from_secs(5);
/// Longest time until the outcome of a change: a reload compiles.
pub(super) const CHANGE_TIME: Duration = Duration::from_secs(120);
/// How long answers under way may take when the daemon stops.
const DRAIN: Duration = Duration::from_secs(2);

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// No socket.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// No thread.
    #[error("cannot start a thread for the control socket: {0}")]
    Thread(#[from] io::Error),
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

impl Server {
    /// Listens on the socket `path`, for root and the user of this process.
    ///
    /// # Errors
    /// If the socket cannot be had; above all if another daemon has it.
    pub fn start(path: &Path, control: Arc<dyn Control>) -> Result<Server, ServerError> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(LOOKS + 1)
            .thread_name("vespid-control")
            .build()?;
        let (listener, place) = runtime.block_on(listen(path))?;
        let (stop, stopped) = watch::channel(false);
        let desk = Arc::new(Desk::new(control));
        let thread = std::thread::Builder::new()
            .name("vespid-control".to_owned())
            .spawn(move || serve(runtime, listener, place, desk, stopped))?;
        Ok(Server { stop, thread })
    }

    /// Finishes the answers under way, removes the socket and ends. A change under way is not waited for.
    pub fn stop(self) {
        self.stop.send_replace(true);
        if self.thread.join().is_err() {
            tracing::error!("the control thread panicked");
        }
    }
}

fn serve(runtime: Runtime, listener: UnixListener, place: Place, desk: Arc<Desk>, stopped: watch::Receiver<bool>) {
    runtime.block_on(accept(listener, desk, stopped));
    runtime.shutdown_timeout(Duration::ZERO);
    drop(place);
}

async fn accept(listener: UnixListener, desk: Arc<Desk>, mut stopped: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let connection = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => break,
            connection = connection => connection,
        };
        match accepted {
            Ok((stream, _)) => {
                let desk = Arc::clone(&desk);
                tokio::spawn(async move {
                    if let Err(error) = desk.talk(stream).await {
                        // What a client does wrong is no fault of the daemon's, and no reason to fill its log.
                        tracing::debug!(%error, "a control connection failed");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "cannot accept a control connection");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    let all = u32::try_from(CONNECTIONS).unwrap_or(u32::MAX);
    if timeout(DRAIN, places.acquire_many(all)).await.is_err() {
        tracing::debug!("control connections were cut off");
    }
}

/// Takes requests and hands out answers.
struct Desk {
    control: Arc<dyn Control>,
    owner: u32,
    looks: Arc<Semaphore>,
    /// Held by the change that is under way.
    change: Arc<Semaphore>,
    /// Held by changes under way or waiting.
    changes: Arc<Semaphore>,
}

impl Desk {
    fn new(control: Arc<dyn Control>) -> Desk {
        Desk {
            control,
            owner: rustix::process::geteuid().as_raw(),
            looks: Arc::new(Semaphore::new(LOOKS)),
            change: Arc::new(Semaphore::new(1)),
            changes: Arc::new(Semaphore::new(CHANGES)),
        }
    }

    async fn talk(&self, stream: UnixStream) -> io::Result<()> {
        let peer = stream.peer_cred()?;
        let answer = if may_ask(peer.uid(), self.owner) {
            match within(TALK, read_line(&stream)).await? {
                Ok(line) => match parse(&line) {
                    Ok(request) => self.fulfil(request, peer.pid()).await,
                    Err(refused) => line_of(Outcome::<()>::Refused(refused)),
                },
                Err(refused) => line_of(Outcome::<()>::Refused(refused)),
            }
        } else {
            let message = format!(
                "user {} may not control this daemon: only root and user {} may",
                peer.uid(),
                self.owner
            );
            line_of(Outcome::<()>::Refused(Refused::new(Code::Denied, message)))
        };
        within(TALK, write(&stream, &answer)).await
    }

    /// The answer to a request. One that takes too long is answered so, and goes on.
    async fn fulfil(&self, request: Request, pid: Option<i32>) -> Vec<u8> {
        let (patience, place) = if request.is_change() {
            let Ok(waiting) = Arc::clone(&self.changes).try_acquire_owned() else {
                let message = format!("{CHANGES} changes wait already; try again when they are done");
                return line_of(Outcome::<()>::Refused(Refused::new(Code::Busy, message)));
            };
            tracing::info!(pid, "an operator asks: {request:?}");
            (CHANGE_TIME, (Some(waiting), Arc::clone(&self.change)))
        } else {
            (LOOK_TIME, (None, Arc::clone(&self.looks)))
        };
        let (waiting, place) = place;
        let control = Arc::clone(&self.control);
        let answered = timeout(patience, async {
            let place = place.acquire_owned().await;
            tokio::task::spawn_blocking(move || {
                let line = answer(&*control, &request);
                drop((place, waiting));
                line
            })
            .await
        });
        let refused = match answered.await {
            Ok(Ok(line)) => return line,
            Ok(Err(_)) => Refused::failed("the daemon failed at this; its log says why"),
            Err(_) => Refused::new(
                Code::Busy,
                format!("not done within {} s; it goes on", patience.as_secs()),
            ),
        };
        line_of(Outcome::<()>::Refused(refused))
    }
}

/// Root may, and whoever runs the daemon.
fn may_ask(peer: u32, owner: u32) -> bool {
    peer == 0 || peer == owner
}

fn answer(control: &dyn Control, request: &Request) -> Vec<u8> {
    match request {
        Request::Plugins => line_of(Outcome::Ok(control.plugins())),
        Request::View => line_of(Outcome::Ok(control.view())),
        Request::Probes => line_of(Outcome::Ok(control.probes())),
        Request::Ledger => line_of(Outcome::Ok(control.ledger())),
        Request::Reload => line_of(control.reload().into()),
        Request::Resume { plugin } => line_of(control.resume(plugin).into()),
        Request::Shadow { plugin } => line_of(control.shadow(plugin).into()),
        Request::Promote { plugin } => line_of(control.promote(plugin).into()),
    }
}

impl<T> From<Result<T, Refused>> for Outcome<T> {
    fn from(result: Result<T, Refused>) -> Outcome<T> {
        result.map_or_else(Outcome::Refused, Outcome::Ok)
    }
}

fn line_of(outcome: Outcome<impl Serialize>) -> Vec<u8> {
    let version = VERSION;
    let refused = |message: String| {
        let outcome = Outcome::<()>::Refused(Refused::failed(message));
        serde_json::to_vec(&Answer { version, outcome }).unwrap_or_default()
    };
    let mut line = match serde_json::to_vec(&Answer { version, outcome }) {
        Ok(line) if line.len() < MAX_ANSWER_BYTES => line,
        Ok(line) => refused(format!(
            "the answer has {} bytes, and at most {MAX_ANSWER_BYTES} are sent",
            line.len()
        )),
        Err(error) => refused(format!("the answer cannot be written: {error}")),
    };
    line.push(b'\n');
    line
}

/// The first line that the client sends. What follows it is not read.
async fn read_line(stream: &UnixStream) -> io::Result<Result<Vec<u8>, Refused>> {
    let mut line = Vec::with_capacity(256);
    let mut part = [0; 1_024];
    loop {
        stream.readable().await?;
        let count = match stream.try_read(&mut part) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            result => result?,
        };
        if let Some(end) = part[..count].iter().position(|byte| *byte == b'\n') {
            line.extend_from_slice(&part[..end]);
            return Ok(Ok(line));
        }
        line.extend_from_slice(&part[..count]);
        if line.len() >= MAX_REQUEST_BYTES {
            let message = format!("a request has at most {MAX_REQUEST_BYTES} bytes");
            return Ok(Err(Refused::new(Code::BadRequest, message)));
        }
        if count == 0 {
            let message = "a request is one line, and ends with a newline";
            return Ok(Err(Refused::new(Code::BadRequest, message)));
        }
    }
}

async fn write(stream: &UnixStream, mut rest: &[u8]) -> io::Result<()> {
    while !rest.is_empty() {
        stream.writable().await?;
        match stream.try_write(rest) {
            Ok(count) => rest = &rest[count..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn within<T>(time: Duration, talk: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(time, talk)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

#[cfg(test)]
mod tests {
    use super::may_ask;

    #[test]
    fn only_root_and_the_daemons_own_user_may_ask() {
        assert!(may_ask(0, 0) && may_ask(0, 990) && may_ask(990, 990));
        assert!(!may_ask(1000, 0) && !may_ask(1000, 990));
    }
}
