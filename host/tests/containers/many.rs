//! Many short containers of runc at once: each execution is in the container that it was in.
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Stdio;

use serde_json::json;
use vespid::enrich::{Nothing, Options, ProcessTable};
use vespid::event::Body;
use vespid::recording::{Line, Reader};

use crate::containerd::tools;
use crate::runc::specify;
use crate::support::{is_live, vespid};

/// How many, unless `VESPID_TEST_CONTAINERS` says otherwise.
const CONTAINERS: usize = 100;

/// A bundle for each container, in a folder named by its number; all share one root. In each runs a shell with the
/// number for a name, which runs a program.
fn bundles(folder: &Path, path: &str, count: usize) -> bool {
    let Some(mut spec) = specify(folder, path, &["sh", "true"]) else {
        return false;
    };
    for number in 0..count {
        spec["process"]["args"] = json!(["/bin/sh", "-c", "/bin/true $0; :", format!("number-{number}")]);
        let bundle = folder.join(number.to_string());
        fs::create_dir(&bundle).expect("a folder");
        fs::write(bundle.join("config.json"), spec.to_string()).expect("a file");
    }
    true
}

#[test]
fn every_execution_in_many_short_containers_is_in_its_own() {
    if !is_live() {
        return;
    }
    let count = std::env::var("VESPID_TEST_CONTAINERS").map_or(CONTAINERS, |count| count.parse().expect("a number"));
    let (folder, path) = (tempfile::tempdir().expect("a folder"), tools().1);
    if !bundles(folder.path(), &path, count) {
        return;
    }
    let prefix = format!("vespid-{}-", std::process::id());
    let run = format!(
        "seq 0 {last} | xargs -P 4 -I {{}} runc run --bundle {folder}/{{}} {prefix}{{}}",
        last = count - 1,
        folder = folder.path().display(),
    );
    let file = folder.path().join("containers.jsonl.zst");
    let recorded = vespid()
        .args(["record", "--output"])
        .arg(&file)
        .args(["--", "sh", "-c", &run])
        .env("PATH", path)
        .stdin(Stdio::null())
        .status();
    assert!(recorded.expect("vespid runs").success());

    let mut table = ProcessTable::new(Options::default(), Box::new(Nothing));
    let mut reader = Reader::open(&file).expect("a recording");
    // By the number among a process's arguments, the containers that were told.
    let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut most = 0;
    while let Some(line) = reader.next().expect("a line") {
        match line {
            Line::Known(known) => table.learn(&known),
            Line::Container(container) => table.learn_container(&container),
            Line::Event(event) => {
                let process = table.observe(&event).process;
                let Body::Exec(exec) = &event.body else { continue };
                let args = exec.image.args.as_slice().split(|&byte| byte == 0);
                let mut number = args.filter_map(|arg| str::from_utf8(arg).ok()?.strip_prefix("number-"));
                let Some(number) = number.next_back() else { continue };
                let container = process.and_then(|id| table.get(id)?.container());
                let container = container.and_then(|id| table.containers().get(id));
                let id = container.map_or("", |container| str::from_utf8(&container.id).expect("text"));
                told.entry(number.to_owned()).or_default().push(id.to_owned());
                most = most.max(table.containers().len());
            }
            _ => {}
        }
    }
    assert_eq!(told.len(), count);
    for (number, containers) in told {
        let own = format!("{prefix}{number}");
        assert_eq!(containers, [own.clone(), own], "the shell and its program");
    }
    assert!(most <= count, "{most}");
}
