//! The HTTP side over a real connection.
#![expect(clippy::expect_used, reason = "a test's way to fail")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use vespid::http::{BindError, Http, Source};
use vespid::metrics::Scrape;

/// A daemon whose scrape waits for leave, if it is told to.
struct Daemon {
    readiness: Mutex<Result<(), String>>,
    gate: Option<(SyncSender<()>, Mutex<Receiver<()>>)>,
}

impl Source for Daemon {
    fn scrape(&self) -> Scrape {
        if let Some((entered, leave)) = &self.gate {
            entered.send(()).expect("the test waits");
            leave.lock().expect("one scrape").recv().expect("the test gives leave");
        }
        Scrape::default()
    }

    fn plugins(&self) -> serde_json::Value {
        serde_json::json!([{ "name": "tcp-stats" }])
    }

    fn readiness(&self) -> Result<(), String> {
        self.readiness.lock().expect("not poisoned").clone()
    }
}

fn daemon() -> Arc<Daemon> {
    Arc::new(Daemon {
        readiness: Mutex::new(Ok(())),
        gate: None,
    })
}

fn start(source: Arc<Daemon>) -> Http {
    Http::start(SocketAddr::from(([127, 0, 0, 1], 0)), source).expect("a free port")
}

fn connect(http: &Http) -> TcpStream {
    let stream = TcpStream::connect(http.address()).expect("it listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a socket");
    stream
}

/// Status, content type and body of an answer.
fn answer(mut stream: &TcpStream) -> (u16, String, String) {
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .expect("a status");
    let field = head
        .lines()
        .find_map(|line| line.strip_prefix("content-type: "))
        .unwrap_or_default();
    (status, field.to_owned(), body.to_owned())
}

fn get(http: &Http, path: &str, fields: &str) -> (u16, String, String) {
    let mut stream = connect(http);
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{fields}\r\n"
    )
    .expect("it reads");
    answer(&stream)
}

#[test]
fn a_scraper_gets_the_format_that_it_asks_for() {
    let http = start(daemon());
    let (status, kind, body) = get(&http, "/metrics", "");
    assert_eq!(
        (status, kind.as_str()),
        (200, "text/plain; version=0.0.4; charset=utf-8")
    );
    assert!(
        body.contains("# TYPE process_cpu_seconds_total counter\n") && !body.contains("# EOF"),
        "{body}"
    );

    let accept = "accept: application/openmetrics-text;version=1.0.0;q=0.8\r\naccept: text/plain;q=0.5\r\n";
    let (status, kind, body) = get(&http, "/metrics", accept);
    assert_eq!(
        (status, kind.as_str()),
        (200, "application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    assert!(
        body.contains("# TYPE process_cpu_seconds counter\n") && body.ends_with("# EOF\n"),
        "{body}"
    );
    http.stop();
}

#[test]
fn readiness_says_what_is_missing() {
    let source = daemon();
    let http = start(Arc::clone(&source));
    *source.readiness.lock().expect("not poisoned") = Err("probes are not attached".into());
    let (status, _, body) = get(&http, "/readyz", "");
    assert_eq!((status, body.as_str()), (503, "not ready: probes are not attached\n"));
    assert_eq!(get(&http, "/healthz", "").0, 200, "alive, though not ready");
    *source.readiness.lock().expect("not poisoned") = Ok(());
    assert_eq!(get(&http, "/readyz", "").0, 200);
    http.stop();
}

#[test]
fn the_first_page_lists_the_others() {
    let http = start(daemon());
    let (_, _, index) = get(&http, "/", "");
    for path in ["/metrics", "/healthz", "/readyz", "/plugins"] {
        assert!(index.contains(path), "{index}");
        assert_eq!(get(&http, path, "").0, 200, "{path}");
    }
    let (status, kind, body) = get(&http, "/plugins", "");
    assert_eq!(
        (status, kind.as_str(), body.as_str()),
        (200, "application/json", "[{\"name\":\"tcp-stats\"}]")
    );
    assert_eq!(get(&http, "/nothing", "").0, 404);
    http.stop();
}

#[test]
fn a_taken_port_is_named_with_what_to_do() {
    let first = start(daemon());
    let error = Http::start(first.address(), daemon()).expect_err("taken");
    assert!(
        matches!(error, BindError::InUse { address } if address == first.address()),
        "{error:?}"
    );
    let said = error.to_string();
    for part in [&first.address().to_string(), "http.listen", "--listen"] {
        assert!(said.contains(part), "{said}");
    }
    first.stop();
}

#[test]
fn a_large_page_under_way_does_not_hold_up_healthz_and_is_finished_before_the_end() {
    let (entered, entering) = sync_channel(1);
    let (leave, leaving) = sync_channel(1);
    let gate = Some((entered, Mutex::new(leaving)));
    let http = start(Arc::new(Daemon {
        readiness: Mutex::new(Ok(())),
        gate,
    }));
    let mut scraper = connect(&http);
    scraper
        .write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n")
        .expect("it reads");
    entering.recv().expect("the scrape began");
    assert_eq!(get(&http, "/healthz", "").0, 200);
    let ending = std::thread::spawn(move || http.stop());
    leave.send(()).expect("the scrape waits");
    let (status, _, body) = answer(&scraper);
    assert_eq!(status, 200);
    assert!(body.contains("vespid_build_info"), "{body}");
    ending.join().expect("it stops");
}

#[test]
fn a_head_without_end_is_refused() {
    let http = start(daemon());
    let (status, _, _) = get(&http, "/metrics", &format!("x: {}\r\n", "y".repeat(15_000)));
    assert_eq!(status, 200, "a large head is served");
    let mut stream = connect(&http);
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\n")
        .expect("it reads");
    // It may hang up while we write.
    let written = (0..1_000).try_for_each(|at| write!(stream, "x-{at}: {}\r\n", "y".repeat(100)));
    let mut text = Vec::new();
    let read = stream.read_to_end(&mut text);
    let refused = text.starts_with(b"HTTP/1.1 431") || written.is_err() || read.is_err();
    assert!(refused, "{}", text.escape_ascii());
    assert_eq!(get(&http, "/healthz", "").0, 200);
    http.stop();
}

#[test]
fn idle_clients_beyond_the_limit_wait_and_cost_no_thread() {
    let http = start(daemon());
    let mut idle: Vec<TcpStream> = (0..64).map(|_| connect(&http)).collect();
    for stream in &mut idle {
        // Served once, so that it has its place.
        stream
            .write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
            .expect("it reads");
        stream.read_exact(&mut [0; 15]).expect("an answer");
    }
    let mut waiting = connect(&http);
    waiting
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .expect("buffered");
    waiting
        .set_read_timeout(Some(Duration::from_millis(100)))
        .expect("a socket");
    assert!(waiting.read(&mut [0; 1]).is_err(), "there is no place for it yet");
    waiting
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a socket");
    idle.pop();
    assert_eq!(answer(&waiting).0, 200);
    http.stop();
}
