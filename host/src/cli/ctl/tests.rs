//! What an operator reads, with a daemon that is not one behind the socket.
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use clap::Parser;
use serde_json::{Value, json};
use tempfile::TempDir;
use vespid_ebpf::Kind;

use super::super::{Cli, Command};
use super::*;
use crate::control::ledger::{Calls, Ledger};
use crate::control::probes::{Probe, Probes};
use crate::control::view::PluginLine;
use crate::control::{Control, Refused, RefusedFile, Server};
use crate::kernel::{Beside, Inventory, MapFacts, PassedOver, Program, State, Way};
use crate::ledger::Stage;
use crate::shadow::{Counts, Sample, SideSummary, Summary};

struct Fake;

fn change_of(plugin: &str, before: Option<&str>, note: Option<&str>) -> Change {
    Change {
        plugin: plugin.to_owned(),
        version: "0.2.0".to_owned(),
        before: before.map(str::to_owned),
        note: note.map(str::to_owned),
        ..Change::default()
    }
}

fn only_file_audit(plugin: &str) -> Result<(), Refused> {
    if plugin == "file-audit" {
        return Ok(());
    }
    Err(Refused::unknown_plugin(plugin, ["file-audit"]))
}

impl Control for Fake {
    fn probes(&self) -> Probes {
        let probe = |name: &str, state| Probe {
            name: name.to_owned(),
            hook: "tp_btf/sys_exit".to_owned(),
            state,
            loses: "file opens".to_owned(),
            link: Some(31),
            variant: Some(Way::Tracepoints),
            passed_over: vec![PassedOver {
                variant: Way::Fentry,
                reason: "not permitted\u{1b}[2J".to_owned(),
                loses: "links".to_owned(),
            }],
            beside: vec![Beside {
                name: "vespid_path".to_owned(),
                hook: "fentry/security_path_unlink".to_owned(),
                link: Some(32),
            }],
        };
        Probes {
            probes: vec![
                probe("vespid_open", State::Attached),
                probe(
                    "vespid_tcp",
                    State::Unavailable("the verifier said no\u{1b}[2J".to_owned()),
                ),
            ],
            kernel: Inventory {
                programs: vec![Program {
                    name: "vespid_open".to_owned(),
                    id: 1_234,
                    verified_instructions: 5_678,
                    bytes: 8_192,
                    ..Program::default()
                }],
                maps: vec![MapFacts {
                    name: "RECORDS".to_owned(),
                    id: 77,
                    kind: 27,
                    entries: 8_388_608,
                    bytes: 8_434_072,
                }],
            },
        }
    }

    fn ledger(&self) -> Ledger {
        let mut stage = Stage::default();
        stage.pass(Kind::Exec, 5);
        stage.pass(Kind::Open, 100);
        stage.drop(Kind::Open, "limited", 40);
        let mut ledger = Ledger::default();
        ledger.add("kernel", None, &stage);
        ledger.calls.push(Calls {
            kind: "open".to_owned(),
            filtered: 7,
            merged: 9,
        });
        let kinds = |count| BTreeMap::from([("open".to_owned(), count)]);
        ledger.containers = BTreeMap::from([("3f2a9c0d1e4b".to_owned(), kinds(39)), ("other".to_owned(), kinds(1))]);
        ledger
    }

    fn plugins(&self) -> Value {
        json!({ "running": [{ "plugin": { "name": "file-audit" } }], "refused": [] })
    }

    fn reload(&self) -> Result<Reloaded, Refused> {
        Ok(Reloaded {
            started: vec![change_of("tcp-stats", None, None)],
            swapped: vec![change_of("file-audit", Some("0.1.0"), Some("state carried over"))],
            refused: vec![RefusedFile {
                file: "/etc/vespid/plugins/\u{1b}[31mbad.wasm".to_owned(),
                reason: "it is not WebAssembly".to_owned(),
            }],
            unchanged: 1,
            ..Reloaded::default()
        })
    }

    fn resume(&self, plugin: &str) -> Result<Change, Refused> {
        only_file_audit(plugin)?;
        Err(Refused::conflict("`file-audit` is not in quarantine"))
    }

    fn shadow(&self, plugin: &str) -> Result<Summary, Refused> {
        only_file_audit(plugin)?;
        let counts = |agreed, missing, extra| Counts {
            agreed,
            missing,
            extra,
            ..Counts::default()
        };
        let rules = [("passwd", counts(400, 3, 0)), ("shadow", counts(12, 0, 9))];
        let sample = |number: u64| Sample {
            rule: "shadow".to_owned(),
            severity: "warning".to_owned(),
            time: 3_661_000_000_000 + number,
            message: format!("cat read /etc/shadow\u{1b}]0;x\u{7} {}", "x".repeat(300)),
            ..Sample::default()
        };
        Ok(Summary {
            active: SideSummary {
                events: 1_200_000,
                ..SideSummary::default()
            },
            shadow: SideSummary {
                events: 1_190_000,
                dropped: 10_000,
                undecided: 2,
                ..SideSummary::default()
            },
            rules: rules.map(|(rule, counts)| (rule.to_owned(), counts)).into(),
            extra: (0..9).map(sample).collect(),
            ..Summary::default()
        })
    }

    fn promote(&self, plugin: &str) -> Result<Change, Refused> {
        only_file_audit(plugin)?;
        Ok(change_of(plugin, Some("0.1.0"), None))
    }

    fn view(&self) -> View {
        let line = PluginLine {
            name: "file-audit".to_owned(),
            version: "0.1.0".to_owned(),
            state: "quarantined".to_owned(),
            dropped: 77,
            series: 12,
            reloads: 3,
            last_failure: Some("trapped: \u{1b}[1munreachable".to_owned()),
            ..PluginLine::default()
        };
        View {
            plugins: vec![line],
            ..View::default()
        }
    }
}

fn daemon() -> (TempDir, Server) {
    let directory = tempfile::tempdir().expect("a directory");
    let server = Server::start(&directory.path().join("s"), Arc::new(Fake)).expect("a free socket");
    (directory, server)
}

/// What `vespid ctl …` writes, and the code and words of its failure.
fn ctl_at(socket: &Path, words: &[&str]) -> (String, Option<(u8, String)>) {
    let socket = socket.display().to_string();
    let line = ["vespid", "ctl", "--socket", &socket]
        .into_iter()
        .chain(words.iter().copied());
    let Command::Ctl(args) = Cli::try_parse_from(line).expect("a command").command else {
        panic!("not a ctl command");
    };
    let mut out = Vec::new();
    let client = Client::new(&args.socket);
    let done = run(&args.command, &client, args.json, Duration::from_millis(1), &mut out);
    let failed = done.err().map(|failure| (failure.code, format!("{:#}", failure.error)));
    (String::from_utf8(out).expect("text"), failed)
}

fn ctl(words: &[&str]) -> (String, Option<(u8, String)>) {
    let (directory, server) = daemon();
    let done = ctl_at(&directory.path().join("s"), words);
    server.stop();
    done
}

#[track_caller]
fn check_code(failed: Option<(u8, String)>, code: u8, part: &str) {
    let (found, message) = failed.expect("it fails");
    assert_eq!(found, code, "{message}");
    assert!(message.contains(part), "{message}");
}

#[test]
fn plugins_are_a_table_for_people_and_json_for_scripts() {
    let (text, failed) = ctl(&["plugins"]);
    assert_eq!(failed, None);
    for part in [
        "ns/event",
        "file-audit",
        "quarantined",
        "77",
        "last failure: trapped: \\x1b[1munreachable",
    ] {
        assert!(text.contains(part), "`{part}` is missing:\n{text}");
    }
    for words in [["plugins", "--json"], ["--json", "plugins"]] {
        let (text, failed) = ctl(&words);
        assert_eq!(failed, None);
        let value: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(value["running"][0]["plugin"]["name"], "file-audit");
    }
}

#[test]
fn the_ledger_says_where_events_went_and_whose_did_not_arrive() {
    let (text, failed) = ctl(&["ledger"]);
    assert!(failed.is_none());
    for line in [
        ["kernel", "exec", "5", "5", "0"].as_slice(),
        &["kernel", "open", "140", "100", "40", "limited", "40"],
        &["open", "7", "9"],
        &["3f2a9c0d1e4b", "open", "39"],
        &["other", "open", "1"],
    ] {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert!(text.lines().any(|found| words(found) == line), "{line:?} in\n{text}");
    }
    let (text, _) = ctl(&["ledger", "--json"]);
    let value: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(value["lines"][1]["dropped"]["limited"], 40);
}

#[test]
fn probes_are_listed_with_what_they_cost_and_what_is_lost_without_them() {
    let (text, failed) = ctl(&["probes"]);
    assert_eq!(failed, None);
    let row = |name: &str| {
        let line = text.lines().find(|line| line.trim_start().starts_with(name));
        line.unwrap_or_else(|| panic!("no {name}:\n{text}"))
            .split_whitespace()
            .collect::<Vec<_>>()
    };
    assert_eq!(
        row("vespid_open"),
        [
            "vespid_open",
            "tp_btf/sys_exit",
            "tracepoints",
            "attached",
            "-",
            "-",
            "0",
            "1234",
            "31",
            "5678",
            "8"
        ]
    );
    assert_eq!(
        row("vespid_path"),
        [
            "vespid_path",
            "fentry/security_path_unlink",
            "-",
            "-",
            "-",
            "-",
            "32",
            "-",
            "-"
        ]
    );
    let passed_over = "vespid_open has to do without fentry: not permitted\\x1b[2J; lost without it: links";
    assert!(text.contains(passed_over), "{text}");
    assert_eq!(row("RECORDS"), ["RECORDS", "ringbuf", "8388608", "8237", "77"]);
    let lost = "vespid_tcp cannot run because the verifier said no\\x1b[2J; lost without it: file opens";
    assert!(text.contains(lost) && text.contains("run this as root"), "{text}");
    let (text, _) = ctl(&["probes", "--json"]);
    let value: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(
        (&value["probes"][0]["state"], &value["kernel"]["programs"][0]["id"]),
        (&json!("attached"), &json!(1_234))
    );
}

#[test]
fn a_reload_says_what_came_of_it_and_fails_if_a_plugin_was_refused() {
    let (text, failed) = ctl(&["reload"]);
    assert_eq!(
        text,
        "started tcp-stats 0.2.0\nswapped file-audit 0.1.0 -> 0.2.0: state carried over\n\
         refused /etc/vespid/plugins/\\x1b[31mbad.wasm: it is not WebAssembly\n1 plugin runs as before\n"
    );
    check_code(failed, 4, "a plugin was refused");
    assert_eq!(reload_text(&Reloaded::default()), "nothing has changed");
}

#[test]
fn a_shadow_is_told_in_one_sentence_then_by_rule_then_by_example() {
    let (text, failed) = ctl(&["shadow", "file-audit"]);
    assert_eq!(failed, None);
    let first = "412 verdicts agree, 3 only the active version gave, 9 only the shadow gave, over 1.2M events.";
    assert_eq!(text.lines().next(), Some(first), "{text}");
    for part in [
        "The shadow did not get 10.0k events, and saw 1.2M.",
        "(2 undecided)",
        "Only the shadow gave (and 4 more with --json)",
        "01:01:01 warning shadow: cat read /etc/shadow\\x1b]0;x\\x07 xxx",
    ] {
        assert!(text.contains(part), "`{part}` is missing:\n{text}");
    }
    let (text, _) = ctl(&["shadow", "file-audit", "--json"]);
    let value: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(
        (
            &value["rules"]["passwd"]["agreed"],
            value["extra"].as_array().map(Vec::len)
        ),
        (&json!(400), Some(9))
    );
}

#[test]
fn a_change_is_confirmed_and_a_refusal_explained() {
    let (text, failed) = ctl(&["promote", "file-audit"]);
    assert_eq!((&*text, failed), ("promoted file-audit 0.1.0 -> 0.2.0\n", None));
    check_code(ctl(&["plugin", "resume", "file-audit"]).1, 1, "not in quarantine");
    check_code(ctl(&["promote", "fileaudit"]).1, 2, "did you mean `file-audit`?");
}

#[test]
fn without_a_daemon_the_socket_is_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("control.sock");
    check_code(
        ctl_at(&path, &["plugins"]).1,
        7,
        &format!("no control socket {}", path.display()),
    );
    drop(std::os::unix::net::UnixListener::bind(&path).expect("a socket"));
    check_code(ctl_at(&path, &["reload"]).1, 7, "nobody answers");
    let denied = CallError::Denied { path };
    check_code(Some((failure(denied).code, "run this as root".to_owned())), 3, "root");
}
