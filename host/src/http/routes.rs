//! What is served.
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::Semaphore;

use super::{Source, accept};
use crate::metrics;

/// Longest time from a request to its answer.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

const INDEX: &str = "\
Vespid

/metrics   metrics of the daemon and its plugins (Prometheus text or OpenMetrics)
/plugins   the plugins and what each costs (JSON)
/healthz   200 while the daemon lives
/readyz    200 once probes run and plugins are loaded
";

/// Pages rendered at a time.
pub(super) const RENDERERS: usize = 2;

#[derive(Clone)]
struct Pages {
    source: Arc<dyn Source>,
    renderers: Arc<Semaphore>,
}

pub(super) fn router(source: Arc<dyn Source>) -> Router {
    let pages = Pages {
        source,
        renderers: Arc::new(Semaphore::new(RENDERERS)),
    };
    Router::new()
        .route("/", get(|| async { INDEX }))
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/plugins", get(plugins))
        .fallback(|| async { (StatusCode::NOT_FOUND, "not found; / lists what there is\n") })
        .layer(middleware::from_fn(within_time))
        .with_state(pages)
}

async fn within_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "took too long\n").into_response(),
    }
}

async fn metrics(State(pages): State<Pages>, headers: HeaderMap) -> Response {
    let accepted: Vec<&str> = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    let format = accept::format(&accepted.join(","));
    pages
        .aside(move |source| {
            (
                [(CONTENT_TYPE, format.content_type())],
                metrics::render(source.scrape(), format),
            )
        })
        .await
}

async fn plugins(State(pages): State<Pages>) -> Response {
    pages.aside(|source| Json(source.plugins())).await
}

async fn readyz(State(pages): State<Pages>) -> (StatusCode, String) {
    match pages.source.readiness() {
        Ok(()) => (StatusCode::OK, "ready\n".to_owned()),
        Err(missing) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {missing}\n")),
    }
}

impl Pages {
    /// Makes a page off the thread that serves, so that /healthz answers meanwhile. Waiting for a renderer ends with
    /// the request; rendering does not, and keeps its place until it is done.
    async fn aside<R: IntoResponse + Send + 'static>(
        &self,
        page: impl FnOnce(&dyn Source) -> R + Send + 'static,
    ) -> Response {
        let place = Arc::clone(&self.renderers).acquire_owned().await;
        let source = Arc::clone(&self.source);
        let rendered = tokio::task::spawn_blocking(move || {
            let page = page(&*source);
            drop(place);
            page
        });
        match rendered.await {
            Ok(page) => page.into_response(),
            Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "failed; see the daemon's log\n").into_response(),
        }
    }
}
