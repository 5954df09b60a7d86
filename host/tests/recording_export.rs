//! Exported tables as their readers see them: DuckDB and Polars, both from PyPI.
//!
//! `VESPID_PYTHON` names a Python that has them; without it these tests are skipped, out loud, unless
//! `VESPID_REQUIRE_TOOLS` is set.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "tests")]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use support::vespid;

const SCRIPT: &str = "
import duckdb, json, polars, sys
out = {}
for kind in ['execs', 'exits', 'connections', 'opens']:
    file = f'{sys.argv[1]}/{kind}.parquet'
    frame = polars.read_parquet(file)
    rows = duckdb.sql(f\"select count(*) from '{file}'\").fetchall()[0][0]
    assert rows == frame.height, (kind, rows, frame.height)
    out[kind] = rows
execs = f'{sys.argv[1]}/execs.parquet'
opens = f'{sys.argv[1]}/opens.parquet'
out['shells'] = duckdb.sql(f\"select exe, args, ppid from '{execs}' where comm = 'mktemp' order by seq\").fetchall()
out['first'] = duckdb.sql(f\"select epoch_ns(min(time)) from '{opens}'\").fetchall()[0][0]
frame = polars.read_parquet(opens)
assert frame.schema['time'] == polars.Datetime('ns', 'UTC'), frame.schema
assert frame.schema['pid'] == polars.UInt32 and frame.schema['result'] == polars.Int32, frame.schema
out['polars_first'] = frame['time'].to_physical().min()
out['failed'] = frame.filter(polars.col('result') < 0).height
print(json.dumps(out))
";

fn python() -> Option<String> {
    let path = std::env::var("VESPID_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let probe = Command::new(&path).args(["-c", "import duckdb, polars"]).output();
    if probe.is_ok_and(|output| output.status.success()) {
        return Some(path);
    }
    assert!(
        std::env::var_os("VESPID_REQUIRE_TOOLS").is_none(),
        "`{path}` with duckdb and polars is required by VESPID_REQUIRE_TOOLS"
    );
    eprintln!("SKIPPED: `{path}` cannot import duckdb and polars; name one that can with VESPID_PYTHON");
    None
}

/// Exports a fixture; gives its file.
fn export(fixture: &str, to: &Path) -> PathBuf {
    let recording = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../fixtures/{fixture}.jsonl.zst"));
    export_file(&recording, to);
    recording
}

fn export_file(recording: &Path, to: &Path) {
    let done = vespid()
        .args(["recording", "export", "--parquet"])
        .arg(recording)
        .arg("-o")
        .arg(to)
        .output()
        .expect("vespid runs");
    let said = String::from_utf8(done.stderr).expect("text");
    assert!(done.status.success(), "{said}");
}

#[test]
fn duckdb_and_polars_read_what_was_recorded() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let recording = export("web-shell", folder.path());
    let done = Command::new(python)
        .args(["-c", SCRIPT])
        .arg(folder.path())
        .output()
        .expect("it ran a moment ago");
    let said = String::from_utf8(done.stderr).expect("text");
    assert!(done.status.success(), "{said}");
    let found: Value = serde_json::from_slice(&done.stdout).expect("JSON");

    let text = zstd::decode_all(std::fs::File::open(recording).expect("a fixture")).expect("zstd");
    let text = String::from_utf8(text).expect("text");
    let events: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["event"].take())
        .collect();
    let of = |kind: &str| {
        events
            .iter()
            .filter(|event| event[kind].is_object())
            .collect::<Vec<_>>()
    };
    for (kind, table) in [
        ("exec", "execs"),
        ("exit", "exits"),
        ("connection", "connections"),
        ("open", "opens"),
    ] {
        assert_eq!(found[table], of(kind).len(), "{table}");
    }
    let opens = of("open");
    assert_eq!(found["first"], opens[0]["time"]);
    assert_eq!(found["polars_first"], opens[0]["time"]);
    let failed = opens
        .iter()
        .filter(|event| event["open"]["result"].as_i64() < Some(0))
        .count();
    assert_eq!(found["failed"], failed);
    let first = &of("exec")
        .into_iter()
        .find(|event| event["exec"]["image"]["comm"] == "mktemp")
        .expect("mktemp")["exec"];
    assert_eq!(found["shells"][0][0], first["image"]["exe"]);
    assert_eq!(found["shells"][0][1], "mktemp -d");
    assert_eq!(found["shells"][0][2], first["image"]["ppid"]);
}

#[test]
fn what_containers_used_is_summed_up_by_a_query() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    export("resources", folder.path());
    let script = "
import duckdb, json, sys
query = f\"select container, cgroup, sum(cpu), sum(minor_faults), countif(op = 'oom_kill') from '{sys.argv[1]}/resources.parquet'\"
print(json.dumps(duckdb.sql(f'{query} group by all order by all').fetchall(), default=int))
";
    let done = Command::new(python)
        .args(["-c", script])
        .arg(folder.path())
        .output()
        .expect("it ran a moment ago");
    let said = String::from_utf8(done.stderr).expect("text");
    assert!(done.status.success(), "{said}");
    let found: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    assert_eq!(
        found,
        json!([
            ["shop-api", "/shop-api", 747_474_740, 13_175, 0],
            ["shop-web", "/shop-web", 262_626_260, 99_479, 5],
        ])
    );
}

#[test]
fn what_runs_in_pods_is_summed_up_by_what_made_them() {
    const RECORDING: &str = r#"{"vespid_recording":1,"node":"n1","boot_id":"b","kernel":"6.12.1","created":1,"kinds":["exec"]}
{"container":{"id":"a1","pod":"web-7d4b-x2x4z","namespace":"shop","labels":["app=web","note=a b",""],"owner":"Deployment/web"}}
{"event":{"time":10,"pid":7,"start":9,"uid":0,"gid":0,"exec":{"filename":"/x","image":{"comm":"x","cgroup_path":"/k8s.io/a1"}}}}
{"event":{"time":11,"pid":8,"start":9,"uid":0,"gid":0,"exec":{"filename":"/x","image":{"comm":"x"}}}}
{"end":{"events":2}}
"#;
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let recording = folder.path().join("pods.jsonl");
    std::fs::write(&recording, RECORDING).expect("a file");
    export_file(&recording, folder.path());
    let script = "
import duckdb, json, sys
query = f\"select container, pod, namespace, labels, owner, count(*) from '{sys.argv[1]}/execs.parquet'\"
print(json.dumps(duckdb.sql(f'{query} group by all order by all').fetchall()))
";
    let done = Command::new(python)
        .args(["-c", script])
        .arg(folder.path())
        .output()
        .expect("it ran a moment ago");
    let said = String::from_utf8(done.stderr).expect("text");
    assert!(done.status.success(), "{said}");
    let found: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    assert_eq!(
        found,
        json!([
            ["", "", "", "", "", 1],
            [
                "a1",
                "web-7d4b-x2x4z",
                "shop",
                "app=web note=a\\x20b ",
                "Deployment/web",
                1
            ],
        ])
    );
}

#[test]
fn of_a_damaged_recording_nothing_half_is_left() {
    let recording = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/web-shell.jsonl.zst");
    let folder = tempfile::tempdir().expect("a folder");
    let (damaged, out) = (folder.path().join("damaged.jsonl.zst"), folder.path().join("out"));
    let bytes = std::fs::read(recording).expect("a fixture");
    std::fs::write(&damaged, &bytes[..bytes.len() / 2]).expect("half of it");
    let done = vespid()
        .args(["recording", "export", "--parquet"])
        .arg(&damaged)
        .arg("-o")
        .arg(&out)
        .output()
        .expect("vespid runs");
    let said = String::from_utf8(done.stderr).expect("text");
    assert!(!done.status.success() && said.contains("damaged.jsonl.zst"), "{said}");
    assert_eq!(std::fs::read_dir(&out).expect("a folder").count(), 0, "{said}");
}
