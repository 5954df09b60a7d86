//! Users of a container have the names that the container gives them.
use std::fs;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use vespid::bytes::Bytes;
use vespid::enrich::{Nothing, Options, ProcessTable};
use vespid::event::Body;
use vespid::recording::{Line, Reader};

use crate::many::bundles;
use crate::support::{is_live, vespid};
use crate::tools::runc;

#[test]
fn a_containers_user_has_the_name_that_the_container_gives_it() {
    if !is_live() {
        return;
    }
    let Some(path) = runc() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    bundles(folder.path(), &path, 1);
    let root = folder.path().join("rootfs/etc");
    fs::create_dir(&root).expect("a folder");
    fs::write(
        root.join("passwd"),
        "root:x:0:0::/:/bin/sh\nworker:x:1234:56::/:/bin/sh\n",
    )
    .expect("a file");
    fs::write(root.join("group"), "crew:x:56:\n").expect("a file");
    let config = folder.path().join("0/config.json");
    let mut spec: Value = serde_json::from_slice(&fs::read(&config).expect("a file")).expect("JSON");
    spec["process"]["user"] = json!({"uid": 1234, "gid": 56});
    // Long enough to be asked for.
    spec["process"]["args"] = json!(["/bin/sh", "-c", "/bin/busybox sleep 1; :", "the-worker"]);
    fs::write(&config, spec.to_string()).expect("a file");

    let file = folder.path().join("users.jsonl.zst");
    let id = format!("vespid-users-{}", std::process::id());
    let recorded = vespid()
        .args(["record", "--output"])
        .arg(&file)
        .args(["--", "runc", "run", "--bundle"])
        .arg(folder.path().join("0"))
        .arg(id)
        .env("PATH", &path)
        .stdin(Stdio::null())
        .status();
    assert!(recorded.expect("vespid runs").success());

    let mut table = ProcessTable::new(Options::default(), Box::new(Nothing));
    let mut reader = Reader::open(&file).expect("a recording");
    let mut names = Vec::new();
    while let Some(line) = reader.next().expect("a line") {
        match line {
            Line::Known(known) => table.learn(&known),
            Line::Container(container) => table.learn_container(&container),
            Line::Account(account) => table.learn_account(&account),
            Line::Event(event) => {
                let process = table.observe(&event).process.and_then(|id| table.get(id));
                if let (Body::Exec(exec), Some(process)) = (&event.body, process)
                    && exec.errno == 0
                {
                    let text = |text: &[u8]| Bytes::from(text).to_string();
                    let args = text(exec.image.args.as_slice());
                    names.push((args, text(table.user(process)), text(table.group_name(process))));
                }
            }
            _ => {}
        }
    }
    let of = |word: &str| {
        let found = names.iter().find(|(args, ..)| args.contains(word)).expect("it ran");
        (found.1.as_str(), found.2.as_str())
    };
    let node = Command::new("id").args(["-un"]).output().expect("id");
    assert_eq!(of("--bundle").0.as_bytes(), node.stdout.trim_ascii());
    assert_eq!(of("the-worker"), ("worker", "crew"));
}
