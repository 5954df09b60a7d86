//! What can be done with recordings: look at them, cut, merge and anonymise them; and what happens to damaged ones.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::{plugins, vespid};

/// What a command came to: its code, its output and what it said.
type Done = (Option<i32>, String, String);

fn run(args: &[&str]) -> Done {
    let done = vespid()
        .args(args)
        .args(["--log", "warn"])
        .output()
        .expect("vespid runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (done.status.code(), text(done.stdout), text(done.stderr))
}

#[track_caller]
fn succeed(args: &[&str]) -> String {
    let (code, out, said) = run(args);
    assert_eq!(code, Some(0), "{args:?}: {said}");
    out
}

fn fixture(name: &str) -> String {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    name_of(&fixtures.join(format!("{name}.jsonl.zst")))
}

fn name_of(file: &Path) -> String {
    file.to_str().expect("a name").to_owned()
}

fn text(file: &str) -> String {
    let bytes = fs::read(file).expect("a recording");
    let bytes = match file.ends_with(".zst") {
        true => zstd::decode_all(&*bytes).expect("zstd"),
        false => bytes,
    };
    String::from_utf8(bytes).expect("text")
}

#[test]
fn a_recording_becomes_binary_and_text_again_and_is_the_same() {
    let folder = Folder::new();
    let original = fixture("demo");
    let (binary, again) = (folder.file("demo.vespid"), folder.file("again.jsonl"));
    succeed(&["recording", "convert", &original, "-o", &binary]);
    succeed(&["recording", "convert", &binary, "-o", &again]);
    assert_eq!(text(&again), text(&original));
    assert!(fs::metadata(&binary).expect("a file").len() < fs::metadata(&original).expect("a file").len());
    assert_eq!(verdicts(&binary, &[]), verdicts(&original, &[]));
    let (code, found) = info(&binary);
    assert_eq!((code, found["vespid_recording"].as_u64()), (Some(0), Some(2)));
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().expect("a folder"))
    }

    fn file(&self, name: &str) -> String {
        name_of(&self.path(name))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> String {
        fs::write(self.path(name), bytes).expect("written");
        self.file(name)
    }
}

fn info(file: &str) -> (Option<i32>, Value) {
    let (code, out, said) = run(&["recording", "info", file, "--json"]);
    (
        code,
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{said}")),
    )
}

fn verdicts(file: &str, slice: &[&str]) -> String {
    let plugins = name_of(&plugins());
    let args = [&["replay", file, "--plugins", &plugins][..], slice].concat();
    succeed(&args)
}

#[test]
fn what_is_in_a_recording_can_be_read_before_it_is_replayed() {
    let (code, found) = info(&fixture("demo"));
    assert_eq!(code, Some(0));
    let events = text(&fixture("demo"))
        .lines()
        .filter(|line| line.starts_with("{\"event\""))
        .count();
    assert_eq!(found["events"], events);
    let by_kind: u64 = found["by_kind"]
        .as_object()
        .expect("kinds")
        .values()
        .filter_map(Value::as_u64)
        .sum();
    assert_eq!(by_kind, events as u64);
    assert_eq!(found["is_whole"], true);
    assert!(found["first"].as_str() < found["last"].as_str());
    let said = succeed(&["recording", "info", &fixture("demo")]);
    assert!(
        said.contains("whole       yes") && said.contains("node        fixture"),
        "{said}"
    );
}

#[test]
fn a_cut_of_all_replays_to_the_same_verdicts_and_so_do_flags_of_replay() {
    let folder = Folder::new();
    for name in ["web-shell", "exec-burst", "sensitive-read"] {
        let (input, output) = (fixture(name), folder.file(&format!("{name}.jsonl.zst")));
        succeed(&["recording", "cut", &input, "-o", &output]);
        assert_eq!(text(&input), text(&output));
        let slice = ["--from", "+0.2s", "--kinds", "exec,open"];
        let cut = [&["recording", "cut", &input, "-o", &output][..], &slice].concat();
        succeed(&cut);
        assert_eq!(verdicts(&output, &[]), verdicts(&input, &slice), "{name}");
    }
}

#[test]
fn an_event_kept_alone_has_the_ancestors_it_had() {
    let folder = Folder::new();
    let (input, output) = (fixture("sensitive-read"), folder.file("cut.jsonl"));
    let whole = verdicts(&input, &[]);
    // Opens alone: the programs that opened are known from execs that are not in the part.
    succeed(&["recording", "cut", &input, "-o", &output, "--kinds", "open,exit"]);
    let part = text(&output);
    assert!(!part.contains("\"exec\":") && part.contains("\"known\":"), "{part}");
    let strip = |verdicts: &str| -> Vec<Value> {
        let lines = verdicts
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        lines
            .map(|line| serde_json::json!([line["rule"], line["process"], line["ancestors"]]))
            .collect()
    };
    let shadow = |verdicts: Vec<Value>| -> Vec<Value> {
        verdicts
            .into_iter()
            .filter(|verdict| !verdict.to_string().contains("exec-"))
            .collect()
    };
    let (whole, part) = (shadow(strip(&whole)), shadow(strip(&verdicts(&output, &[]))));
    assert!(!part.is_empty());
    assert_eq!(whole, part);
}

#[test]
fn a_tree_of_processes_can_be_taken_out() {
    let folder = Folder::new();
    let (input, output) = (fixture("web-shell"), folder.file("tree.jsonl"));
    let fork = text(&input)
        .lines()
        .find(|line| line.contains("\"fork\":"))
        .map(str::to_owned)
        .expect("a fork");
    let fork: Value = serde_json::from_str(&fork).expect("JSON");
    let child = fork["event"]["fork"]["child_pid"].to_string();
    succeed(&["recording", "cut", &input, "-o", &output, "--pid-tree", &child]);
    let part = text(&output);
    let events = part.lines().filter(|line| line.starts_with("{\"event\"")).count();
    assert!(events > 0 && events < text(&input).lines().count() - 2, "{part}");
    let (code, _, said) = run(&["recording", "cut", &input, "-o", &output, "--pid-tree", "0"]);
    assert_eq!(code, Some(2), "{said}");
}

#[test]
fn a_recording_that_was_cut_off_is_described_and_repaired() {
    let folder = Folder::new();
    let whole = text(&fixture("demo"));
    let lines = 40;
    let head: String = whole.lines().take(lines).map(|line| format!("{line}\n")).collect();
    let torn = folder.write("torn.jsonl", format!("{head}{{\"event\":{{\"ti").as_bytes());
    let compressed = zstd::encode_all(whole.as_bytes(), 3).expect("zstd");
    let torn_zstd = folder.write("torn.jsonl.zst", &compressed[..compressed.len() * 2 / 3]);
    for file in [torn, torn_zstd] {
        let (code, found) = info(&file);
        assert_eq!(code, Some(6));
        assert_eq!(found["is_whole"], false);
        let damage = found["damage"].as_str().expect("what is wrong");
        assert!(damage.contains("cut off"), "{damage}");
        let repaired = folder.file("repaired.jsonl");
        let (code, _, said) = run(&["recording", "cut", &file, "-o", &repaired]);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("was cut off"), "{said}");
        let (code, after) = info(&repaired);
        assert_eq!((code, &after["events"]), (Some(0), &found["events"]));
    }
}

#[test]
fn hostile_recordings_are_refused_with_their_line_and_leave_no_output() {
    let folder = Folder::new();
    let whole = text(&fixture("web-shell"));
    let (head, rest) = whole.split_once('\n').expect("lines");
    let newer = whole.replacen("\"vespid_recording\":1", "\"vespid_recording\":9", 1);
    let cases = [
        ("newer", newer.into_bytes(), "made by a newer Vespid (format 9)"),
        (
            "garbage",
            format!("{head}\n\u{0}\u{1}garbage\n{rest}").into_bytes(),
            ":2:",
        ),
        (
            "long",
            format!("{head}\n{{\"event\":\"{}", "x".repeat(5 << 20)).into_bytes(),
            "longer than",
        ),
        ("other", b"\x7fELF not one at all".to_vec(), "not a recording"),
        ("empty", Vec::new(), "not a recording"),
    ];
    for (name, bytes, expected) in cases {
        let (input, output) = (folder.write(name, &bytes), folder.file("out.jsonl"));
        for command in ["cut", "anonymise"] {
            let (code, _, said) = run(&["recording", command, &input, "-o", &output]);
            assert_eq!(code, Some(6), "{name}: {said}");
            assert!(said.contains(expected), "{name}: {said}");
            assert!(!Path::new(&output).exists(), "{name}");
        }
    }
    let input = folder.write("self.jsonl", whole.as_bytes());
    let (code, _, said) = run(&["recording", "cut", &input, "-o", &input]);
    assert_eq!(code, Some(2), "{said}");
    assert_eq!(text(&input), whole);
}

#[test]
fn times_that_run_backwards_lose_nothing() {
    let folder = Folder::new();
    let whole = text(&fixture("ordinary-work"));
    let mut lines: Vec<&str> = whole.lines().collect();
    let end = lines.len() - 1;
    lines[1..end].reverse();
    let input = folder.write("backwards.jsonl", format!("{}\n", lines.join("\n")).as_bytes());
    let (code, found) = info(&input);
    assert_eq!(code, Some(0));
    let output = folder.file("out.jsonl");
    succeed(&[
        "recording",
        "cut",
        &input,
        "-o",
        &output,
        "--to",
        "2200-01-01T00:00:00Z",
    ]);
    assert_eq!(info(&output).1["events"], found["events"]);
    verdicts(&input, &[]);
}

#[test]
fn halves_merge_to_the_whole_and_recordings_of_two_nodes_do_not() {
    let folder = Folder::new();
    let input = fixture("connections");
    let (first, second, merged) = (
        folder.file("a.jsonl"),
        folder.file("b.jsonl.zst"),
        folder.file("m.jsonl"),
    );
    succeed(&["recording", "cut", &input, "-o", &first, "--to", "+0.1s"]);
    succeed(&["recording", "cut", &input, "-o", &second, "--from", "+0.1s"]);
    succeed(&["recording", "merge", &second, &first, "-o", &merged]);
    let events = |file: &str| -> Vec<String> {
        let lines = text(file);
        lines
            .lines()
            .filter(|line| line.starts_with("{\"event\""))
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(events(&merged), events(&input));
    let other = text(&first).replacen("\"node\":\"fixture\"", "\"node\":\"other\"", 1);
    let other = folder.write("other.jsonl", other.as_bytes());
    let (code, _, said) = run(&["recording", "merge", &first, &other, "-o", &merged]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("node other"), "{said}");
}

#[test]
fn an_anonymised_recording_says_nothing_of_its_users_and_draws_the_same_verdicts() {
    let folder = Folder::new();
    for name in ["web-shell", "sensitive-read", "exec-burst"] {
        let (input, output) = (fixture(name), folder.file(&format!("{name}.jsonl")));
        succeed(&["recording", "anonymise", &input, "-o", &output, "--seed", "a long one"]);
        let (before, after) = (text(&input), text(&output));
        let header: Value = serde_json::from_str(before.lines().next().expect("a header")).expect("JSON");
        for secret in [
            header["boot_id"].as_str().expect("an id"),
            "\"fixture\"",
            "/srv/vespid",
            name,
            "process_api",
        ] {
            assert!(before.contains(secret) || secret == "process_api", "{secret}");
            assert!(!after.contains(secret), "{secret} is in the anonymised {name}");
        }
        let rules = |file: &str| -> Vec<String> {
            let verdicts = verdicts(file, &[]);
            let lines = verdicts
                .lines()
                .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
            lines.map(|line| line["rule"].to_string()).collect()
        };
        assert_eq!(rules(&input), rules(&output), "{name}");
        let again = folder.file("again.jsonl");
        succeed(&["recording", "anonymise", &input, "-o", &again, "--seed", "a long one"]);
        assert_eq!(text(&again), after);
        succeed(&["recording", "anonymise", &input, "-o", &again]);
        assert_ne!(text(&again), after, "without a seed the key is random");
    }
}

/// A container's processes talk to somebody: an execution and a connection to each address.
/// The rest of what is told of it.
const ABOUT_POD: &str = r#""pod":"till-0","namespace":"acme","labels":["acme.example/team=payments","app=till","note=","tier=till",""],"owner":"StatefulSet/till""#;

fn talk(container: &str, peers: &[&str]) -> String {
    let header = r#"{"vespid_recording":1,"node":"shop-7","boot_id":"fcbc56ad-f1d7-4193-b6cc-2aa71b80c6f5","kernel":"6.12.1","created":1000000000,"kinds":["fork","exec","exit","connection"]}"#;
    let subject = r#""pid":7,"tid":7,"start":1000000000,"uid":0,"gid":0,"cgroup":9"#;
    let container_line = format!(
        r#"{{"container":{{"id":"{container}","runtime":"docker","name":"till","image":"shop/till:3",{ABOUT_POD}}}}}"#
    );
    let exec = format!(
        r#"{{"event":{{"time":1000000001,{subject},"exec":{{"filename":"/bin/curl","image":{{"comm":"curl","exe":"/bin/curl","args":["curl"],"cwd":"/","cgroup_path":"/docker/{container}"}}}}}}}}"#
    );
    let mut lines = vec![header.to_owned(), container_line, exec];
    for (time, peer) in (1_000_000_002_u64..).zip(peers) {
        lines.push(format!(
            r#"{{"event":{{"time":{time},{subject},"connection":{{"op":"opened","direction":0,"local":"192.168.7.7:40000","remote":"{peer}","cookie":{time},"netns":5}}}}}}"#
        ));
    }
    let end = format!(r#"{{"end":{{"events":{}}}}}"#, peers.len() + 1);
    lines.push(end);
    lines.join("\n") + "\n"
}

#[test]
fn anonymised_usage_is_of_the_same_containers_by_other_names() {
    let folder = Folder::new();
    let (input, output) = (fixture("resources"), folder.file("resources.jsonl"));
    succeed(&["recording", "anonymise", &input, "-o", &output, "--seed", "a long one"]);
    let (before, after) = (text(&input), text(&output));
    assert!(
        before.contains("\"cgroup\":\"/shop-api\"") && !after.contains("shop"),
        "{after}"
    );
    let count = |file: &str| {
        let verdicts = verdicts(file, &[]);
        let containers = verdicts.lines().map(|line| {
            let verdict: Value = serde_json::from_str(line).expect("JSON");
            (verdict["rule"].to_string(), verdict["container"].is_object())
        });
        containers.collect::<Vec<_>>()
    };
    let found = count(&input);
    assert!(found.contains(&("\"oom-kill\"".to_owned(), true)), "{found:?}");
    assert_eq!(count(&output), found);
}

#[test]
fn anonymised_addresses_and_containers_are_others_of_the_same_sort_and_always_the_same() {
    const ID: &str = "3f4e9c0d7b2a41586e7d8c9b0a1f2e3d4c5b6a79887766554433221100ffeedd";
    let peers = [
        "203.0.113.77:443",
        "203.0.113.77:80",
        "10.99.88.77:443",
        "192.168.45.67:443",
        "172.20.33.44:443",
        "[2001:db8:1234:5678::9]:443",
        "[fe80::1234:5678]:443",
        "127.0.0.1:443",
        "[::1]:443",
    ];
    let folder = Folder::new();
    let input = folder.write("in.jsonl", talk(ID, &peers).as_bytes());
    let output = folder.file("out.jsonl");
    succeed(&["recording", "anonymise", &input, "-o", &output, "--seed", "a long one"]);
    let after = text(&output);
    for secret in [
        ID,
        &ID[..12],
        "till",
        "shop",
        "acme",
        "payments",
        "team",
        "203.0.113",
        "99.88",
        "45.67",
        "33.44",
        "2001:db8",
        "1234",
        "192.168.7.7",
    ] {
        assert!(!after.contains(secret), "{secret}:\n{after}");
    }

    let lines: Vec<Value> = after
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let told: Vec<&str> = lines
        .iter()
        .filter_map(|line| line["event"]["connection"]["remote"].as_str())
        .collect();
    let addresses: Vec<std::net::SocketAddr> = told.iter().map(|end| end.parse().expect("an address")).collect();
    assert_eq!(addresses[0].ip(), addresses[1].ip(), "the same stays the same");
    let sorts = addresses.iter().map(|end| match end.ip() {
        std::net::IpAddr::V4(v4) => (v4.is_private(), v4.is_loopback()),
        std::net::IpAddr::V6(v6) => (v6.is_unicast_link_local(), v6.is_loopback()),
    });
    let [public, private, loopback] = [(false, false), (true, false), (false, true)];
    assert_eq!(
        sorts.collect::<Vec<_>>(),
        [
            public, public, private, private, private, public, private, loopback, loopback
        ]
    );
    let ports = addresses
        .iter()
        .zip(peers)
        .all(|(end, peer)| peer.ends_with(&format!(":{}", end.port())));
    assert!(ports, "{told:?}");

    let told = lines.iter().find(|line| line["container"].is_object());
    let told = &told.expect("a container")["container"];
    let labels: Vec<&str> = told["labels"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let [app, tier, other, another, mark] = labels[..] else {
        panic!("{labels:?}");
    };
    let till = app.strip_prefix("app=").expect("a key that says nothing stays");
    assert_eq!(
        (tier, mark),
        (&*format!("tier={till}"), ""),
        "what was the same still is"
    );
    assert_eq!(told["owner"], format!("StatefulSet/{till}"));
    assert!(
        [other, another].iter().any(|label| label.ends_with('=')),
        "what was empty still is: {labels:?}"
    );
    assert!(labels[..4].is_sorted());
    let container = told["id"].as_str().expect("an id");
    assert_eq!(container.len(), ID.len());
    assert!(container.bytes().all(|byte| byte.is_ascii_hexdigit()), "{container}");
    let (cut, count) = (folder.file("cut.jsonl"), |file: &str| info(file).1["events"].clone());
    succeed(&["recording", "cut", &output, "-o", &cut, "--container", container]);
    assert_eq!(count(&cut), count(&input), "its events are still its");
}
