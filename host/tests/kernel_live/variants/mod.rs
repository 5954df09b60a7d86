//! The ways in which probes are to be had: the same rows come of each, save for how far their paths are resolved.
//!
//! On a kernel that refuses the better way both are the same, and then nothing else is asked of it.
pub(crate) mod acts;
mod cost;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use vespid::kernel::{Kernel, Settings, Way};

use crate::actor::actor;
use crate::harness::{Live, live_with};

const WAYS: [Way; 2] = [Way::Fentry, Way::Tracepoints];

fn live(prefer: Way) -> Option<Live> {
    live_with(Settings {
        prefer,
        ..Settings::default()
    })
}

/// How changes are had.
pub(crate) fn way(kernel: &Kernel) -> Way {
    way_of(kernel, "vespid_change")
}

fn way_of(kernel: &Kernel, name: &str) -> Way {
    let mut probes = kernel.probes().iter();
    let variant = probes.find(|probe| probe.name == name).expect("a probe").variant;
    variant.expect("a way")
}

/// A folder as the acts want it.
fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().canonicalize().expect("its path");
    for name in ["real", "real/dir", "other", "third", "root"] {
        fs::create_dir(path.join(name)).expect("a folder");
    }
    for name in ["real/a", "real/b"] {
        fs::write(path.join(name), "text").expect("a file");
    }
    symlink("real", path.join("alias")).expect("a link");
    (folder, path)
}

/// What an act changes, and the way in which it was seen. Paths are given below the folder.
fn seen(prefer: Way, what: &str) -> Option<(Way, Vec<Value>)> {
    let mut live = live(prefer)?;
    let (_held, folder) = folder();
    live.run(&mut actor("change", what, &folder));
    let changes = live.events.iter().filter(|event| event["change"].is_object());
    let changes = changes.map(|event| below(&folder, &event["change"])).collect();
    Some((way(&live.kernel), changes))
}

fn below(folder: &Path, change: &Value) -> Value {
    let mut change = change.clone();
    for name in ["path", "target"] {
        let path = change[name].as_str().unwrap_or_default();
        let below = Path::new(path)
            .strip_prefix(folder)
            .map_or(path, |path| path.to_str().expect("text"));
        change[name] = below.into();
    }
    for name in ["path_kind", "target_kind"] {
        change[name] = change[name].as_u64().unwrap_or(0).into();
    }
    change
}

/// Op, path and target of each row.
fn named(changes: &[Value]) -> Vec<[&str; 3]> {
    changes
        .iter()
        .map(|change| ["op", "path", "target"].map(|name| change[name].as_str().unwrap_or_default()))
        .collect()
}

/// The rows of an act in each way, of which everything but the paths must be the same.
fn in_each_way(what: &str) -> Option<[(Way, Vec<Value>); 2]> {
    let [best, plain] = WAYS.map(|prefer| seen(prefer, what));
    let (best, plain) = (best?, plain?);
    assert_eq!(plain.0, Way::Tracepoints);
    let strip = |changes: &[Value]| -> Vec<Value> {
        let mut changes = changes.to_vec();
        for change in &mut changes {
            for name in ["path", "target", "path_kind", "target_kind"] {
                change[name] = Value::Null;
            }
        }
        changes
    };
    assert_eq!(strip(&best.1), strip(&plain.1));
    Some([best, plain])
}

/// What is to be seen of an act in each way.
#[track_caller]
fn check(what: &str, resolved: &[[&str; 3]], typed: &[[&str; 3]]) {
    let Some(both) = in_each_way(what) else { return };
    for (way, changes) in &both {
        let wanted = if *way == Way::Fentry { resolved } else { typed };
        assert_eq!(named(changes), wanted, "{way:?}: {changes:#?}");
    }
}

#[test]
fn names_lead_where_the_kernel_went() {
    check(
        "names",
        &[
            ["rename", "real/a", "other/a2"],
            ["rename", "other/a2", "real/b"],
            // The file that the descriptor holds was exchanged away.
            ["link", "other/a2", "real/hard"],
            ["link", "real/hard", "real/harder"],
            ["symlink", "real/b", "real/soft"],
            ["make_directory", "real/new", ""],
            ["make_node", "real/pipe", ""],
            ["remove_directory", "real/new", ""],
            ["remove_directory", "real/dir", ""],
            ["unlink", "real/pipe", ""],
        ],
        &[
            ["rename", "alias/a", "other/a2"],
            ["rename", "other/a2", "real/b"],
            ["link", "other/a2", "alias/hard"],
            ["link", "alias/hard", "alias/harder"],
            ["symlink", "real/b", "alias/soft"],
            ["make_directory", "alias/new", ""],
            ["make_node", "real/pipe", ""],
            ["remove_directory", "alias/new", ""],
            ["remove_directory", "alias/dir", ""],
            ["unlink", "alias/pipe", ""],
        ],
    );
}

#[test]
fn attributes_are_those_of_the_file_that_a_link_leads_to() {
    let rows = |followed: &'static str| {
        vec![
            ["symlink", "real/b", "real/soft"],
            ["truncate", followed, ""],
            ["mode", followed, ""],
            ["owner", followed, ""],
            ["owner", "real/soft", ""],
            ["mode", followed, ""],
            ["set_attribute", followed, ""],
            ["remove_attribute", followed, ""],
            ["mode", "real/b", ""],
            ["truncate", "real/b", ""],
        ]
    };
    check("attributes", &rows("real/b"), &rows("real/soft"));
}

#[test]
fn a_call_that_fails_early_is_told_by_its_words() {
    let rows = |there: &'static str| {
        vec![
            ["unlink", "alias/none", ""],
            ["make_directory", "alias/dir", ""],
            ["rename", "alias/none", "other/none"],
            ["unlink", there, ""],
            ["unlink", "alias/a", ""],
        ]
    };
    check("failures", &rows("real/a"), &rows("alias/a"));
    let Some([(way, best), (_, plain)]) = in_each_way("failures") else {
        return;
    };
    let kinds =
        |changes: &[Value]| -> Vec<Value> { changes.iter().map(|change| change["path_kind"].clone()).collect() };
    let resolved = if way == Way::Fentry { 0 } else { 1 };
    assert_eq!(kinds(&best), [1, 1, 1, resolved, 1].map(Value::from));
    assert_eq!(kinds(&plain), [1; 5].map(Value::from));
}

#[test]
fn mounts_are_told_by_where_they_are() {
    let rows = |from: &'static str, at: &'static str, through: &'static str, moved: &'static str| {
        vec![
            ["mount", "none", "/"],
            ["symlink", "other", "alias2"],
            ["mount", from, at],
            ["make_directory", through, ""],
            ["unmount", at, ""],
            ["mount", "none", at],
            ["mount", moved, "third"],
            ["mount", "other", at],
        ]
    };
    check(
        "mounts",
        &rows("real", "other", "other/through", "other"),
        &rows("alias", "alias2", "alias2/through", "alias2"),
    );
}

#[test]
fn a_path_is_what_the_process_sees_below_its_root() {
    check(
        "chroot",
        &[
            ["symlink", "/", "/up"],
            ["make_directory", "/inside", ""],
            ["make_directory", "outside", ""],
        ],
        &[
            ["symlink", "/", "/up"],
            ["make_directory", "/up/inside", ""],
            ["make_directory", "outside", ""],
        ],
    );
    let Some([(way, best), _]) = in_each_way("chroot") else {
        return;
    };
    if way == Way::Fentry {
        let kinds: Vec<_> = best.iter().map(|change| &change["path_kind"]).collect();
        assert_eq!(kinds, [&json!(1), &json!(0), &json!(2)]);
    }
}

#[test]
fn a_path_too_deep_to_be_noted_is_told_by_its_words() {
    let Some(both) = in_each_way("deep") else { return };
    for (way, changes) in &both {
        assert_eq!(changes.len(), 900);
        for (at, change) in changes.iter().enumerate() {
            let path = change["path"].as_str().expect("text");
            let kind = change["path_kind"].as_u64().expect("a kind");
            match at {
                // Deeper than what is walked.
                820.. => assert_eq!(kind, 3),
                ..800 => assert_eq!(path, vec!["directory"; at + 1].join("/"), "{way:?}"),
                _ => {}
            }
            if at < 300 {
                assert_eq!(kind, u64::from(*way == Way::Tracepoints), "{at}");
            } else if (400..800).contains(&at) {
                assert_eq!(kind, 1, "{at}");
            }
        }
    }
}

#[test]
fn an_open_is_of_what_was_opened_whoever_replaces_its_descriptor() {
    for prefer in WAYS {
        let Some(mut live) = live(prefer) else { return };
        let (_held, folder) = folder();
        let child = live.start(&mut actor("change", "replaced", &folder));
        let pid = child.id();
        // Meanwhile, as it is more than the ring holds.
        live.until(|events| events.last().is_some_and(|event| event["exit"].is_object()));
        live.finish(child);
        let opens: Vec<_> = live
            .of(pid, "open")
            .into_iter()
            .filter(|event| event["open"]["typed"] == "real/a")
            .collect();
        assert_eq!(opens.len(), acts::REPLACED);
        let path = folder.join("real/a");
        let wrong = opens
            .iter()
            .filter(|event| Path::new(event["open"]["path"].as_str().expect("text")) != path)
            .count();
        let way = way_of(&live.kernel, "vespid_open");
        let line = format!(
            "{wrong} of {} were taken for what replaced them, by {}\n",
            opens.len(),
            way.name()
        );
        std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes()).expect("a line");
        assert!(wrong == 0 || way == Way::Tracepoints);
    }
}

#[test]
fn what_is_preferred_is_tried_first_and_what_is_refused_says_why() {
    for prefer in WAYS {
        let Some(live) = live(prefer) else { return };
        // Counters of the hardware are there or not, whatever is preferred.
        let probes = live.kernel.probes().iter();
        for probe in probes.filter(|probe| !probe.hook.starts_with("perf_event")) {
            let taken = (probe.variant, probe.passed_over.is_empty());
            assert_eq!(probe.unavailable(), None);
            assert!(
                taken == (Some(Way::Fentry), true) || probe.variant == Some(Way::Tracepoints),
                "{probe:?}"
            );
            for passed_over in &probe.passed_over {
                assert_eq!(passed_over.variant, Way::Fentry);
                assert!(!passed_over.reason.is_empty() && !passed_over.loses.is_empty());
                let is_wish = passed_over.reason == "the configuration prefers tracepoints";
                assert_eq!(is_wish, prefer == Way::Tracepoints, "{probe:?}");
            }
            let is_called = probe.hook == "called by vespid_sys_exit";
            assert_eq!(probe.link.is_none(), is_called, "{probe:?}");
            assert!(probe.beside.iter().all(|beside| beside.link.is_some()), "{probe:?}");
        }
        let change = way(&live.kernel);
        eprintln!("changes are had by {} if {} is preferred", change.name(), prefer.name());
        assert!(prefer == Way::Fentry || change == Way::Tracepoints);
    }
}
