//! Connections, and what a client may do with one.
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use super::{Source, routes};

/// Connections at a time; further ones wait in the kernel's backlog.
const CONNECTIONS: usize = 64;
/// Bytes of a request's head.
const MAX_HEAD_BYTES: usize = 16 * 1_024;
/// Fields of a request's head.
const MAX_HEADERS: usize = 64;
/// Longest wait for a request's head, on a connection that is kept alive too.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);
/// Longest life of a connection, whatever its client does or does not do.
const CONNECTION_LIFETIME: Duration = Duration::from_secs(600);
/// How long answers under way may take when the daemon stops.
const DRAIN: Duration = Duration::from_secs(2);

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The port is taken.
    #[error(
        "cannot listen on {address}: another program (another Vespid?) does already; stop it, or choose another address \
         with `http.listen` in the configuration or `--listen`"
    )]
    InUse {
        /// Which address.
        address: SocketAddr,
    },
    /// The port needs a privilege.
    #[error(
        "cannot listen on {address}: permission denied; ports below 1024 need CAP_NET_BIND_SERVICE, or choose another \
         address with `http.listen` in the configuration or `--listen`"
    )]
    Denied {
        /// Which address.
        address: SocketAddr,
    },
    /// The address is not this machine's.
    #[error(
        "cannot listen on {address}: this machine does not have that address; choose another with `http.listen` in the \
         configuration or `--listen`"
    )]
    NotHere {
        /// Which address.
        address: SocketAddr,
    },
    /// Anything else.
    #[error("cannot serve HTTP on {address}: {source}")]
    Other {
        /// Which address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

impl BindError {
    fn new(address: SocketAddr, source: io::Error) -> BindError {
        match source.kind() {
            ErrorKind::AddrInUse => BindError::InUse { address },
            ErrorKind::PermissionDenied => BindError::Denied { address },
            ErrorKind::AddrNotAvailable => BindError::NotHere { address },
            _ => BindError::Other { address, source },
        }
    }
}

/// A running server.
#[derive(Debug)]
pub struct Http {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

impl Http {
    /// Binds the address and starts to serve.
    ///
    /// # Errors
    /// If the address cannot be had.
    pub fn start(address: SocketAddr, source: Arc<dyn Source>) -> Result<Http, BindError> {
        let failed = |error| BindError::new(address, error);
        let listener = StdListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(routes::RENDERERS)
            .thread_name("vespid-scrape")
            .build()
            .map_err(failed)?;
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener).map_err(failed)?
        };
        let (stop, stopped) = watch::channel(false);
        let thread = std::thread::Builder::new()
            .name("vespid-http".to_owned())
            .spawn(move || serve(runtime, listener, routes::router(source), stopped))
            .map_err(failed)?;
        Ok(Http { address, stop, thread })
    }

    /// Where it listens: the port, if it was asked for any.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Finishes the answers under way and ends.
    pub fn stop(self) {
        self.stop.send_replace(true);
        if self.thread.join().is_err() {
            tracing::error!("the HTTP thread panicked");
        }
    }
}

fn serve(runtime: Runtime, listener: TcpListener, router: Router, stopped: watch::Receiver<bool>) {
    runtime.block_on(accept(listener, router, stopped));
    runtime.shutdown_timeout(DRAIN);
}

async fn accept(listener: TcpListener, router: Router, mut stopped: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let connection = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = told_to_stop(&mut stopped) => break,
            connection = connection => connection,
        };
        match accepted {
            Ok((stream, _)) => {
                let served = serve_connection(stream, router.clone(), stopped.clone());
                tokio::spawn(async move {
                    served.await;
                    drop(place);
                });
            }
            Err(error) => {
                // Out of descriptors, most likely: they come back when connections end.
                tracing::debug!(%error, "cannot accept a connection");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    // Every place is free again once every connection has ended.
    let all = u32::try_from(CONNECTIONS).unwrap_or(u32::MAX);
    if timeout(DRAIN, places.acquire_many(all)).await.is_err() {
        tracing::debug!("HTTP connections were cut off");
    }
}

/// Ends when the daemon stops.
async fn told_to_stop(stopped: &mut watch::Receiver<bool>) {
    drop(stopped.wait_for(|stop| *stop).await);
}

async fn serve_connection(stream: TcpStream, router: Router, mut stopped: watch::Receiver<bool>) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = told_to_stop(&mut stopped) => finish(connection).await,
        () = sleep(CONNECTION_LIFETIME) => finish(connection).await,
    };
    if let Err(error) = ended {
        // What a client does wrong is no fault of the daemon's, and no reason to fill its log.
        tracing::debug!(%error, "an HTTP connection failed");
    }
}

type Connection = http1::Connection<TokioIo<TcpStream>, TowerToHyperService<Router>>;

async fn finish(mut connection: std::pin::Pin<&mut Connection>) -> hyper::Result<()> {
    connection.as_mut().graceful_shutdown();
    timeout(routes::REQUEST_TIMEOUT, connection).await.unwrap_or(Ok(()))
}
