//! Changed names and attributes of files, and mounts.
use std::ffi::CString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use vespid::kernel::{Kernel, Settings, Way};
use vespid_ebpf::Kind;

use crate::harness::{Live, live, live_with};
use crate::variants::way;

/// A folder whose path has no symbolic link in it.
fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().canonicalize().expect("its path");
    (folder, path)
}

/// Runs a script in `folder`; the changes that it and its children made, in order.
fn changes(live: &mut Live, folder: &Path, script: &str) -> Vec<Value> {
    live.run(Command::new("sh").args(["-c", script]).current_dir(folder));
    let mut found = Vec::new();
    for event in &live.events {
        if event["change"].is_object() {
            found.push(event["change"].clone());
        }
    }
    live.events.clear();
    found
}

/// The only change that `script` made.
#[track_caller]
fn only(live: &mut Live, folder: &Path, script: &str) -> Value {
    let found = changes(live, folder, script);
    assert_eq!(found.len(), 1, "`{script}` made {found:#?}");
    found[0].clone()
}

/// The `path_kind` of what succeeded and was named by a text; null stands for 0.
fn typed_kind(live: &Live) -> Value {
    if way(&live.kernel) == Way::Fentry {
        Value::Null
    } else {
        1.into()
    }
}

fn text<'a>(change: &'a Value, field: &str) -> &'a str {
    change[field].as_str().unwrap_or("")
}

#[test]
fn both_names_of_a_rename_are_absolute() {
    let Some(mut live) = live() else { return };
    let (_held, folder) = folder();
    fs::write(folder.join("a"), "x").expect("a file");
    let change = only(&mut live, &folder, "exec mv a b");
    assert_eq!(change["op"], "rename");
    assert_eq!(Path::new(text(&change, "path")), folder.join("a"));
    assert_eq!(Path::new(text(&change, "target")), folder.join("b"));
    assert_eq!((text(&change, "typed"), text(&change, "target_typed")), ("a", "b"));
    assert!(change["result"].is_null(), "{change}");
    let change = only(&mut live, &folder, "exec mv none c 2> /dev/null");
    assert_eq!((&change["op"], &change["result"]), (&"rename".into(), &(-2).into()));
}

#[test]
fn links_say_what_they_point_to() {
    let Some(mut live) = live() else { return };
    let (_held, folder) = folder();
    fs::create_dir(folder.join("d")).expect("a folder");
    fs::write(folder.join("secret"), "x").expect("a file");
    let change = only(&mut live, &folder, "exec ln -s ../secret d/link");
    assert_eq!(change["op"], "symlink");
    assert_eq!(Path::new(text(&change, "path")), folder.join("secret"));
    assert_eq!(Path::new(text(&change, "target")), folder.join("d/link"));
    assert_eq!(text(&change, "typed"), "../secret");
    let change = only(&mut live, &folder, "exec ln secret hard");
    assert_eq!(change["op"], "link");
    assert_eq!(Path::new(text(&change, "path")), folder.join("secret"));
    assert_eq!(Path::new(text(&change, "target")), folder.join("hard"));
}

#[test]
fn what_is_removed_made_and_altered_is_told() {
    let Some(mut live) = live() else { return };
    let (_held, folder) = folder();
    fs::write(folder.join("f"), "xyz").expect("a file");
    let script = "mkdir -m 700 d; rmdir d; mkfifo p; chmod 4755 f; chown 1:2 f; truncate -s 1 f; rm f";
    let found = changes(&mut live, &folder, script);
    let ops: Vec<&str> = found.iter().map(|change| text(change, "op")).collect();
    let wanted = [
        ("make_directory", "d"),
        ("remove_directory", "d"),
        ("make_node", "p"),
        ("mode", "f"),
        ("owner", "f"),
        ("truncate", "f"),
        ("unlink", "f"),
    ];
    for (op, name) in wanted {
        let change = found
            .iter()
            .find(|change| change["op"] == op && Path::new(text(change, "path")) == folder.join(name))
            .unwrap_or_else(|| panic!("no {op} of {name} in {ops:?}"));
        assert!(change["result"].is_null(), "{change}");
    }
    let of = |op| found.iter().rfind(|change| change["op"] == op).expect("seen above");
    assert_eq!(of("mode")["mode"], 0o4755);
    assert_eq!(of("owner")["value"], 1_u64 | 2 << 32);
    assert_eq!(of("truncate")["value"], 1);
    // truncate(1) works on a descriptor, whose path the kernel knows.
    assert!(of("truncate")["path_kind"].is_null() && text(of("truncate"), "typed").is_empty());
    // And rm(1) names it, which is resolved where the kernel lets us see that.
    assert_eq!(of("unlink")["path_kind"], typed_kind(&live));
}

#[test]
fn a_relative_name_is_relative_to_where_the_kernel_says_the_folder_is() {
    let Some(mut live) = live() else { return };
    let (_held, folder) = folder();
    fs::create_dir(folder.join("real")).expect("a folder");
    symlink("real", folder.join("alias")).expect("a link");
    let change = only(&mut live, &folder, "cd alias && exec mkdir ./x/../y");
    assert_eq!(Path::new(text(&change, "path")), folder.join("real/y"));
    // Of an absolute text nothing is resolved, unless the kernel lets us see it.
    let absolute = folder.join("alias/z");
    let change = only(&mut live, &folder, &format!("exec mkdir {}", absolute.display()));
    let kind = typed_kind(&live);
    let resolved = folder.join("real/z");
    assert_eq!(
        Path::new(text(&change, "path")),
        if kind == 1 { absolute } else { resolved }
    );
    assert_eq!(change["path_kind"], kind);
}

#[test]
fn attributes_and_mounts_have_their_detail() {
    let Some(mut live) = live() else { return };
    let (_held, folder) = folder();
    fs::create_dir_all(folder.join("m")).expect("a folder");
    fs::create_dir_all(folder.join("n")).expect("a folder");
    let script = "exec unshare --mount --propagation private sh -c 'mount -t tmpfs -o nosuid none m; mount --bind m n; umount n'";
    let found = changes(&mut live, &folder, script);
    let mounts: Vec<&Value> = found.iter().filter(|change| change["op"] == "mount").collect();
    let tmpfs = mounts.iter().find(|change| text(change, "detail") == "tmpfs");
    let tmpfs = tmpfs.unwrap_or_else(|| panic!("no tmpfs: {found:#?}"));
    assert_eq!(text(tmpfs, "path"), "none");
    assert_eq!(Path::new(text(tmpfs, "target")), folder.join("m"));
    let bind = mounts
        .iter()
        .find(|change| Path::new(text(change, "target")) == folder.join("n"));
    let bind = bind.unwrap_or_else(|| panic!("no bind mount: {found:#?}"));
    assert_eq!(Path::new(text(bind, "path")), folder.join("m"));
    assert!(found.iter().any(|change| change["op"] == "unmount"));

    let file = CString::new(folder.join("f").display().to_string()).expect("no NUL");
    fs::write(folder.join("f"), "x").expect("a file");
    let script = format!(
        "import os; os.setxattr({0:?}, 'user.note', b'x'); os.removexattr({0:?}, 'user.note')",
        file.to_str().expect("text")
    );
    let python = Command::new("python3").arg("--version").output().is_ok();
    if !python {
        eprintln!("SKIPPED: python3 is not to be had here");
        return;
    }
    live.run(Command::new("python3").args(["-c", &script]));
    let attribute = |op: &str| {
        let changes = live.events.iter().map(|event| &event["change"]);
        changes
            .filter(|change| change["op"] == op)
            .any(|change| text(change, "detail") == "user.note")
    };
    assert!(attribute("set_attribute") && attribute("remove_attribute"));
}

#[test]
fn an_open_says_whether_it_made_the_file() {
    let Some(mut live) = live() else { return };
    let (_held, folder) = folder();
    live.run(
        Command::new("sh")
            .args(["-c", ": > fresh; : > fresh"])
            .current_dir(&folder),
    );
    let path = folder.join("fresh").display().to_string();
    let opens = live.events.iter().map(|event| &event["open"]);
    let traits: Vec<u64> = opens
        .filter(|open| open["path"] == path.as_str())
        .map(|open| open["traits"].as_u64().unwrap_or(0))
        .collect();
    assert_eq!(traits, [1, 0]);
}

#[test]
fn an_executable_that_was_dropped_into_an_overlay_is_told_from_one_of_the_image() {
    let Some(mut live) = live() else { return };
    let (_held, folder) = folder();
    // On a file system of its own: an overlay takes no overlay for its upper layer. That busybox does not know itself by
    // other names is no matter.
    let script = "set -e; mount -t tmpfs none \"$1\"; cd \"$1\"; mkdir lower upper work merged; cp /bin/true lower/own; \
                  mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work none merged; \
                  merged/own || :; cp /bin/true merged/dropped; merged/dropped || :";
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"]);
    live.run(unshare.arg(&folder));
    let flags = |name: &str| {
        let execs = live.events.iter().map(|event| &event["exec"]);
        let mut execs = execs.filter(|exec| text(exec, "filename").ends_with(name) && exec["image"].is_object());
        let exec = execs.next().unwrap_or_else(|| panic!("no exec of {name}"));
        exec["image"]["flags"].as_u64().unwrap_or(0)
    };
    const UPPER: u64 = 128;
    assert_eq!((flags("/own") & UPPER, flags("/dropped") & UPPER), (0, UPPER));
}

#[test]
fn nobody_pays_for_changes_that_nobody_wants() {
    let settings = Settings {
        kinds: Kind::Open.bit(),
        ..Settings::default()
    };
    let Some(mut live) = live_with(settings) else { return };
    let (_held, folder) = folder();
    assert!(changes(&mut live, &folder, "mkdir d").is_empty());
    let of = |kernel: &Kernel| {
        let probe = kernel.probes().iter().find(|probe| probe.name == "vespid_change");
        probe.map(|probe| probe.state.clone())
    };
    assert_eq!(of(&live.kernel), Some(vespid::kernel::State::NotNeeded));
}
