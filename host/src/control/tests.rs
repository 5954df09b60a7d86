//! A server with a daemon that is not one behind it.
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::protocol::{Answer, MAX_ANSWER_BYTES, MAX_REQUEST_BYTES, Outcome};
use super::*;
use crate::control::ledger::Ledger;
use crate::control::probes::Probes;
use crate::control::view::PluginLine;

mod clients;

/// A daemon with one plugin. A reload waits for leave, if it is told to.
#[derive(Default)]
struct Fake {
    gate: Option<(Sender<()>, Receiver<()>)>,
}

impl Fake {
    fn only(plugin: &str) -> Result<(), Refused> {
        if plugin == "file-audit" {
            Ok(())
        } else {
            Err(Refused::unknown_plugin(plugin, ["file-audit"]))
        }
    }
}

impl Control for Fake {
    fn probes(&self) -> Probes {
        Probes::default()
    }

    fn ledger(&self) -> Ledger {
        Ledger::default()
    }

    fn plugins(&self) -> Value {
        json!({ "running": ["file-audit"] })
    }

    fn reload(&self) -> Result<Reloaded, Refused> {
        if let Some((entered, leave)) = &self.gate {
            entered.send(()).expect("the test waits");
            leave.recv().expect("the test gives leave");
        }
        Ok(Reloaded {
            unchanged: 1,
            ..Reloaded::default()
        })
    }

    fn resume(&self, plugin: &str) -> Result<Change, Refused> {
        Fake::only(plugin)?;
        Err(Refused::conflict("it is not in quarantine"))
    }

    fn shadow(&self, plugin: &str) -> Result<shadow::Summary, Refused> {
        Fake::only(plugin)?;
        Ok(shadow::Summary {
            since: 7,
            ..shadow::Summary::default()
        })
    }

    fn promote(&self, plugin: &str) -> Result<Change, Refused> {
        assert!(plugin != "panic", "as asked");
        Fake::only(plugin)?;
        // More than a client wants to read.
        let note = Some("x".repeat(MAX_ANSWER_BYTES));
        Ok(Change {
            note,
            ..Change::default()
        })
    }

    fn view(&self) -> View {
        let name = "file-audit".to_owned();
        let plugins = vec![PluginLine {
            name,
            events: u64::MAX,
            ..PluginLine::default()
        }];
        View {
            started: 3,
            up: Duration::from_millis(1_500),
            plugins,
            ..View::default()
        }
    }
}

fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("run/vespid/control.sock");
    (directory, path)
}

fn start(path: &Path) -> Server {
    Server::start(path, Arc::new(Fake::default())).expect("a free socket")
}

fn connect(path: &Path) -> UnixStream {
    let stream = UnixStream::connect(path).expect("it listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a socket");
    stream
}

fn mode(path: &Path) -> u32 {
    path.metadata().expect("it is there").permissions().mode() & 0o7777
}

#[test]
fn every_request_gets_its_answer() {
    let (_directory, path) = place();
    let server = start(&path);
    let client = Client::new(&path);
    assert_eq!(client.plugins().expect("plugins"), json!({ "running": ["file-audit"] }));
    assert_eq!(client.view().expect("a view"), Fake::default().view());
    assert_eq!(client.reload().expect("an outcome").unchanged, 1);
    assert_eq!(client.shadow("file-audit").expect("a summary").since, 7);
    let refused = |result: Result<Change, CallError>| match result {
        Err(CallError::Refused(refused)) => (refused.code, refused.message),
        other => panic!("{other:?}"),
    };
    let (code, message) = refused(client.resume("file-audit"));
    assert_eq!((code, &*message), (Code::Conflict, "it is not in quarantine"));
    let (code, message) = refused(client.promote("file_audit"));
    assert_eq!(code, Code::UnknownPlugin);
    assert!(message.contains("did you mean `file-audit`?"), "{message}");
    let (code, message) = refused(client.promote("file-audit"));
    assert!(code == Code::Failed && message.contains("at most"), "{message}");
    assert_eq!(refused(client.promote("panic")).0, Code::Failed);
    assert!(
        client.view().is_ok(),
        "a panic behind one request is not the end of others"
    );
    server.stop();
}

#[test]
fn only_the_owner_can_reach_the_socket_and_it_is_gone_at_the_end() {
    let (_directory, path) = place();
    let server = start(&path);
    assert_eq!((mode(&path), mode(path.parent().expect("a directory"))), (0o600, 0o700));
    server.stop();
    assert!(!path.exists());
    assert!(Client::new(&path).view().expect_err("no daemon").is_absence());
}

#[test]
fn a_directory_that_is_there_keeps_its_mode() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).expect("ours");
    let path = directory.path().join("control.sock");
    let server = start(&path);
    assert_eq!((mode(&path), mode(directory.path())), (0o600, 0o755));
    server.stop();
}

#[test]
fn of_two_daemons_the_first_keeps_the_socket() {
    let (_directory, path) = place();
    let first = start(&path);
    let second = Server::start(&path, Arc::new(Fake::default())).expect_err("taken");
    assert!(second.to_string().contains("another daemon runs here"), "{second}");
    assert!(Client::new(&path).view().is_ok());
    first.stop();
    start(&path).stop();
}

#[test]
fn a_socket_of_a_dead_daemon_is_replaced() {
    let (_directory, path) = place();
    std::fs::create_dir_all(path.parent().expect("a directory")).expect("made");
    drop(UnixListener::bind(&path).expect("a socket"));
    let error = Client::new(&path).view().expect_err("nobody listens");
    assert!(
        error.is_absence() && error.to_string().contains("nobody answers"),
        "{error}"
    );
    let server = start(&path);
    assert!(Client::new(&path).view().is_ok());
    server.stop();
}

#[test]
fn what_belongs_to_another_program_is_left_alone() {
    let (_directory, path) = place();
    std::fs::create_dir_all(path.parent().expect("a directory")).expect("made");
    let foreign = UnixListener::bind(&path).expect("a socket");
    let error = Server::start(&path, Arc::new(Fake::default())).expect_err("taken");
    assert!(
        matches!(error, ServerError::Socket(SocketError::InUse { .. })),
        "{error}"
    );
    drop(foreign);
    std::fs::remove_file(&path).expect("ours");
    std::fs::write(&path, "precious").expect("written");
    let error = Server::start(&path, Arc::new(Fake::default())).expect_err("taken");
    assert!(
        matches!(error, ServerError::Socket(SocketError::NotASocket { .. })),
        "{error}"
    );
    assert_eq!(std::fs::read_to_string(&path).expect("still there"), "precious");
}
