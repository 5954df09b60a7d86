//! `vespid plugin test` on the built components: what passes, what fails, and what an author reads of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

mod support;

use support::{plugins, vespid, zoo};

/// A folder with cases for a component.
struct Author {
    folder: TempDir,
    component: PathBuf,
}

/// What a command came to.
struct Done {
    code: i32,
    out: String,
    said: String,
}

fn run(args: &[&str]) -> Done {
    let done = vespid().args(args).output().expect("vespid runs");
    Done {
        code: done.status.code().unwrap_or(-1),
        out: String::from_utf8(done.stdout).expect("text"),
        said: String::from_utf8(done.stderr).expect("text"),
    }
}

fn fixture(name: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(name);
    file.to_str().expect("a name").to_owned()
}

impl Author {
    fn of(component: PathBuf) -> Author {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("cases")).unwrap();
        Author { folder, component }
    }

    fn anomalies() -> Author {
        Author::of(plugins().join("exec-anomaly.wasm"))
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn case(&self, name: &str, text: &str) {
        fs::write(self.path(&format!("cases/{name}.toml")), text).unwrap();
    }

    fn test(&self, more: &[&str]) -> Done {
        let (folder, component) = (self.path(""), self.component.to_str().unwrap());
        let args = [&["plugin", "test", folder.as_str(), "--component", component], more].concat();
        run(&args)
    }

    /// The only case fails, and this is said.
    #[track_caller]
    fn fails(&self, text: &str, expected: &[&str]) {
        self.case("it", text);
        let done = self.test(&[]);
        assert_eq!(done.code, 1, "{}{}", done.out, done.said);
        for part in expected {
            assert!(done.out.contains(part), "`{part}` is not in:\n{}", done.out);
        }
        assert!(done.out.ends_with("0 passed, 1 failed\n"), "{}", done.out);
    }
}

/// A recording with programs started at these times, in milliseconds.
fn recording(times: &[u64]) -> String {
    let created = 1_700_000_000_000_000_000_u64;
    let mut text = format!(
        "{{\"vespid_recording\":1,\"node\":\"n\",\"boot_id\":\"b\",\"kernel\":\"6.1\",\"created\":{created},\"kinds\":[\"exec\"]}}\n"
    );
    for ms in times {
        let time = created + ms * 1_000_000;
        writeln!(
            text,
            "{{\"event\":{{\"time\":{time},\"pid\":7,\"start\":5,\"uid\":0,\"gid\":0,\"mood\":\"good\",\"exec\":{{\"filename\":\"/bin/a\",\
             \"colour\":[1],\"image\":{{\"ppid\":1,\"comm\":\"a\",\"exe\":\"/bin/a\",\"smell\":null}}}}}}}}"
        )
        .expect("text");
    }
    text + &format!("{{\"end\":{{\"events\":{}}}}}\n", times.len())
}

#[test]
fn a_case_passes_after_what_was_observed_was_accepted_and_its_comments_stay() {
    let author = Author::anomalies();
    let burst = fixture("exec-burst.jsonl.zst");
    author.case(
        "burst",
        &format!(
            "# Two hundred programs.\nrecording = {burst:?}\n\n[[metric]]\nname = \"execs\"\nvalue = 0 # counted\n"
        ),
    );
    author.case("half", &format!("recording = {burst:?}\n[slice]\nkinds = [\"exit\"]\n"));
    let done = author.test(&[]);
    assert_eq!(done.code, 1, "{}", done.said);
    assert!(
        done.out.contains("+ not expected: warning exec-burst: "),
        "{}",
        done.out
    );
    assert!(done.out.contains("ok       half"), "{}", done.out);
    assert!(done.out.ends_with("1 passed, 1 failed\n"), "{}", done.out);
    let done = author.test(&["--accept"]);
    assert!(done.out.contains("accepted burst"), "{}", done.out);
    let text = fs::read_to_string(author.path("cases/burst.toml")).unwrap();
    assert!(
        text.starts_with("# Two hundred programs.\n") && text.contains("# counted"),
        "{text}"
    );
    assert!(
        text.contains("rule = \"exec-burst\"\nseverity = \"warning\"\n"),
        "{text}"
    );
}

#[test]
fn a_plugin_that_is_swapped_in_the_middle_finds_the_same() {
    let author = Author::anomalies();
    let burst = fixture("exec-burst.jsonl.zst");
    let expected = "[[verdict]]\nrule = \"exec-burst\"\n[[verdict]]\nrule = \"exec-burst-ended\"\n";
    author.case(
        "swapped",
        &format!("recording = {burst:?}\n[swap]\nafter = 100\n{expected}"),
    );
    author.case(
        "compressed",
        &format!("recording = {burst:?}\ncompress = 10.0\n{expected}"),
    );
    let junit = author.path("junit.xml");
    let dump = author.path("dump");
    let done = author.test(&["--junit", &junit, "--dump", &dump]);
    assert_eq!(done.code, 0, "{}{}", done.out, done.said);
    assert!(done.out.ends_with("2 passed, 0 failed\n"), "{}", done.out);
    assert!(
        fs::read_to_string(junit)
            .unwrap()
            .contains("tests=\"2\" failures=\"0\"")
    );
    let seen = fs::read_to_string(Path::new(&dump).join("swapped.jsonl")).unwrap();
    let first: Value = serde_json::from_str(seen.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&first["event"]["kind"], first["process"]["pid"].is_u64()),
        (&Value::from("exec"), true)
    );
}

#[test]
fn what_is_dumped_are_the_tables_of_the_version_that_serves() {
    let author = Author::of(zoo());
    let mut bytes = fs::read(zoo()).unwrap();
    let (word, other) = (b"describe:as-it-should-be", b"describe:other-tables-on");
    let at = bytes.windows(word.len()).position(|window| window == word).unwrap();
    bytes[at..at + word.len()].copy_from_slice(other);
    fs::write(author.path("other.wasm"), bytes).unwrap();
    let burst = fixture("exec-burst.jsonl.zst");
    let dump = author.path("dump");
    let kinds = |to: &str| {
        author.case("it", &format!("recording = {burst:?}\n[swap]\nafter = 500\n{to}"));
        let done = author.test(&["--dump", &dump]);
        assert_eq!(done.code, 0, "{}{}", done.out, done.said);
        let seen = fs::read_to_string(Path::new(&dump).join("it.jsonl")).unwrap();
        let kind = |line: &str| -> Option<String> {
            let line: Value = serde_json::from_str(line).unwrap();
            line.pointer("/event/kind")?.as_str().map(str::to_owned)
        };
        seen.lines().filter_map(kind).collect::<Vec<_>>()
    };
    let count = |kinds: &[String], kind: &str| kinds.iter().filter(|found| *found == kind).count();
    let (same, other) = (kinds(""), kinds("to = \"../other.wasm\"\n"));
    assert!(count(&same, "open") > 0 && count(&same, "exit") == 0, "{same:?}");
    let (opens, exits) = (count(&other, "open"), count(&other, "exit"));
    assert!(
        0 < opens && opens < count(&same, "open") && exits > 0,
        "{opens} {exits}"
    );
    assert_eq!(count(&other, "exec"), count(&same, "exec"));
    assert!(
        !other
            .iter()
            .skip_while(|kind| *kind != "exit")
            .any(|kind| kind == "open")
    );
}

#[test]
fn what_differs_names_the_key_and_the_line() {
    let shell = fixture("web-shell.jsonl.zst");
    Author::anomalies().fails(
        &format!("recording = {shell:?}\n[[verdict]]\nrule = \"run-from-tmp\"\nprocess = {{ comm = \"pong.sh\" }}\n"),
        &[
            "(line 3)",
            "process.comm\n        expected \"pong.sh\"\n        observed \"ping.sh\"\n",
        ],
    );
}

#[test]
fn a_case_that_cannot_be_run_names_its_line_and_the_remedy() {
    let author = Author::anomalies();
    let burst = fixture("exec-burst.jsonl.zst");
    author.fails(
        &format!("recording = {burst:?}\n\n[[verdcit]]\n"),
        &["it.toml:3: ", "did you mean `verdict`?"],
    );
    author.fails(
        &format!("recording = {burst:?}\n[config]\nburst_per_secnd = 1\n"),
        &["it.toml:2: `config`: unknown key `burst_per_secnd`; did you mean `burst`?"],
    );
    author.fails(
        "\nrecording = \"nowhere\"\n",
        &["it.toml:2: `recording`: ", "No such file"],
    );
    author.fails(
        &format!("recording = {burst:?}\n[slice]\nfrom = \"noon\"\n"),
        &["it.toml:2: `slice`: `noon` is neither"],
    );
    author.fails(
        &format!("recording = {burst:?}\n[swap]\nafter = 1000000\n"),
        &["`swap` is after 1000000 events, but there are only 1010"],
    );
    fs::write(author.path("newer.jsonl"), "{\"vespid_recording\":3,\"nodes\":[]}\n").unwrap();
    author.fails(
        "recording = \"../newer.jsonl\"\n",
        &["it.toml:1: ", "made by a newer Vespid (format 3)"],
    );
}

#[test]
fn columns_that_are_not_known_are_passed_over_and_disorder_is_refused_by_line() {
    let author = Author::of(zoo());
    let metric = "[[metric]]\nname = \"events\"\nlabels = { kind = \"exec\" }\nvalue = 3\n";
    fs::write(author.path("a.jsonl"), recording(&[3_000, 2_999, 3_100])).unwrap();
    author.case("it", &format!("recording = \"../a.jsonl\"\n{metric}"));
    let done = author.test(&[]);
    assert_eq!(done.code, 0, "{}{}", done.out, done.said);
    fs::write(author.path("a.jsonl"), recording(&[3_000, 500, 3_100])).unwrap();
    author.fails(
        &format!("recording = \"../a.jsonl\"\n{metric}"),
        &["a.jsonl:3: this event is 2.5 s older than one before it"],
    );
}

#[test]
fn a_plugin_that_fails_is_shown_with_the_functions_it_failed_in() {
    let burst = fixture("exec-burst.jsonl.zst");
    let author = Author::of(zoo());
    author.fails(
        &format!("recording = {burst:?}\n[config]\nbatch = \"trap\"\n"),
        &["the plugin failed by event", "it trapped: ", "in zoo::dig_a_hole\n"],
    );
    author.fails(
        &format!("recording = {burst:?}\n[config]\ninit = \"error\"\n"),
        &["it.toml:2: plugin `zoo` does not start: it returned an error: the keeper said no"],
    );
}

#[test]
fn a_component_that_cannot_be_tested_is_refused_with_what_to_do() {
    let mut author = Author::anomalies();
    author.case("it", "recording = \"x\"\n");
    let old = wat::parse_str(r#"(component (instance $i) (export "vespid:plugin/guest@0.0.1" (instance $i)))"#);
    author.component = author.folder.path().join("old.wasm");
    let done = author.test(&[]);
    assert_eq!(done.code, 2, "{}", done.said);
    assert!(done.said.contains("`vespid plugin build "), "{}", done.said);
    fs::write(&author.component, old.unwrap()).unwrap();
    let done = author.test(&[]);
    assert_eq!(done.code, 4, "{}", done.said);
    assert!(
        done.said.contains("interface version 0.0.1") && done.said.contains("0.1.0"),
        "{}",
        done.said
    );
    let done = author.test(&["--only", "other"]);
    assert_eq!(done.code, 2, "{}", done.said);
}

#[test]
fn the_calls_as_data_are_the_calls_that_the_component_gets() {
    let burst = fixture("exec-burst.jsonl.zst");
    let done = run(&[
        "recording",
        "batches",
        &burst,
        "--subscribe",
        "execs",
        "--swap-after",
        "100",
    ]);
    assert_eq!(done.code, 0, "{}", done.said);
    let calls: Vec<Value> = done
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let count = |what: &str| calls.iter().filter(|call| call.get(what).is_some()).count();
    assert_eq!(count("replace"), 1);
    let batch = &calls[0]["batch"];
    let columns = ["pid", "login_uid", "namespaces", "flags"];
    assert!(
        columns.iter().all(|column| batch["processes"][column].is_array()),
        "{batch}"
    );
    assert!(
        batch["strings"]["blob"].is_array() && batch["opens"].is_null(),
        "{batch}"
    );
    let done = run(&[
        "recording",
        "batches",
        &burst,
        "--subscribe",
        "execs",
        "--swap-after",
        "100",
        "--swap-subscribe",
        "exits",
    ]);
    let (before, after) = done.out.split_once("{\"replace\":{}}\n").unwrap();
    assert!(before.contains("\"exits\":null") && !before.contains("\"execs\":null"));
    assert!(after.contains("\"execs\":null") && !after.contains("\"exits\":null"));
    let author = Author::anomalies();
    author.case("it", &format!("recording = {burst:?}\n[swap]\nafter = 100\n"));
    let said = format!(" in {} batches, {} ticks,", count("batch"), count("tick"));
    let done = author.test(&[]);
    assert!(done.out.contains(&said), "`{said}` is not in:\n{}", done.out);
}

#[test]
fn the_shipped_plugins_pass_their_cases_as_the_components_that_ship() {
    for name in ["exec-anomaly", "file-audit", "resource-usage", "tcp-stats"] {
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins").join(name);
        let component = plugins().join(name).with_extension("wasm");
        let (project, component) = (project.to_str().unwrap(), component.to_str().unwrap());
        let done = run(&["plugin", "test", project, "--component", component]);
        assert_eq!(done.code, 0, "{}{}", done.out, done.said);
    }
}
