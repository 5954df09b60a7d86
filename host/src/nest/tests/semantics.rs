//! Each sentence of the module's documentation about one file.
use super::super::{Change, Kind};
use super::desk::Desk;

const NOTHING: [&str; 0] = [];

#[test]
fn a_new_file_is_started_and_then_left_alone() {
    let mut desk = Desk::empty();
    assert_eq!(desk.look(), NOTHING);
    desk.write("a.wasm", "name=a version=1");
    assert_eq!(desk.look(), ["load a.wasm", "start active name=a version=1"]);
    assert_eq!(desk.look(), NOTHING);
    assert_eq!(desk.running(), ["active name=a version=1 < a.wasm"]);
}

#[test]
fn other_contents_are_swapped() {
    let mut desk = Desk::with(&[("a.wasm", "name=a version=1")]);
    desk.write("a.wasm", "name=a version=2");
    assert_eq!(desk.look(), ["load a.wasm", "swap active name=a version=2"]);
    desk.write("new.tmp", "name=a version=3");
    desk.rename("new.tmp", "a.wasm");
    assert_eq!(desk.look(), ["load a.wasm", "swap active name=a version=3"]);
}

#[test]
fn another_configuration_is_a_swap_and_so_is_none() {
    let mut desk = Desk::with(&[("a.wasm", "name=a")]);
    for _ in 0..2 {
        desk.write("a.toml", "limit = 1");
        assert_eq!(desk.look(), ["load a.wasm", "swap active name=a"]);
        desk.remove("a.toml");
        assert_eq!(desk.look(), ["load a.wasm", "swap active name=a"]);
    }
}

#[test]
fn a_touched_file_is_left_alone() {
    let mut desk = Desk::with(&[("a.wasm", "name=a"), ("a.toml", "limit = 1")]);
    desk.write("a.wasm", "name=a");
    desk.write("copy.tmp", "limit = 1");
    desk.rename("copy.tmp", "a.toml");
    assert_eq!(desk.look(), NOTHING);
}

#[test]
fn a_refused_version_stops_nothing_and_is_tried_once() {
    for (file, text, kind) in [
        ("a.wasm", "garbage", Kind::Component),
        ("a.toml", "broken", Kind::Config),
        ("a.wasm", "name=a fails", Kind::Start),
    ] {
        let mut desk = Desk::with(&[("a.wasm", "name=a version=1")]);
        desk.write(file, text);
        assert!(desk.look().contains(&"load a.wasm".to_owned()));
        assert_eq!(desk.running(), ["active name=a version=1 < a.wasm"]);
        assert_eq!(desk.refused(), [format!("a.wasm: {}", kind.as_str())]);
        assert_eq!(desk.look(), NOTHING);
        assert_eq!(desk.refusals(), 1);
        if file == "a.toml" {
            desk.remove(file);
        } else {
            desk.write(file, "name=a version=1");
        }
        assert_eq!(desk.look(), NOTHING, "what runs is back");
        assert!(desk.refused().is_empty());
    }
}

#[test]
fn a_refused_version_is_tried_again_by_request_and_when_it_changes() {
    let mut desk = Desk::with(&[("a.wasm", "garbage")]);
    assert_eq!(desk.retry(), ["load a.wasm"]);
    assert_eq!(desk.refusals(), 2);
    desk.write("a.toml", "limit = 1");
    assert_eq!(desk.look(), ["load a.wasm"]);
    desk.write("a.wasm", "name=a");
    assert_eq!(desk.look(), ["load a.wasm", "start active name=a"]);
    assert_eq!(desk.retry(), NOTHING, "what runs was not refused");
}

#[test]
fn what_the_daemon_lacks_is_not_held_against_a_file() {
    let mut desk = Desk::empty();
    desk.runtime.starved = true;
    desk.write("a.wasm", "name=a");
    assert_eq!(desk.look(), ["load a.wasm"]);
    assert_eq!(desk.look(), ["load a.wasm"]);
    assert_eq!((desk.refused(), desk.refusals()), (vec!["a.wasm: passing".into()], 1));
    desk.runtime.starved = false;
    assert_eq!(desk.look(), ["load a.wasm", "start active name=a"]);
}

#[test]
fn a_file_that_changes_while_it_is_loaded_is_looked_at_again() {
    let mut desk = Desk::empty();
    desk.runtime.stale = true;
    desk.write("a.wasm", "name=a version=1");
    assert!(desk.reconcile(false).look_again);
    assert!(desk.refused().is_empty() && desk.running().is_empty());
    desk.runtime.stale = false;
    assert!(!desk.reconcile(false).look_again);
    assert_eq!(desk.running(), ["active name=a version=99 < a.wasm"]);
}

#[test]
fn removal_stops_and_unreadable_files_do_not() {
    let mut desk = Desk::with(&[("a.wasm", "name=a"), ("b.wasm", "name=b"), ("c.wasm", "name=c")]);
    desk.remove("a.wasm");
    desk.remove("b.wasm");
    std::os::unix::fs::symlink("nowhere", desk.path("b.wasm")).expect("a link");
    std::fs::write(desk.path("c.toml"), [0xFF]).expect("written");
    assert_eq!(desk.look(), ["stop active a"]);
    assert_eq!(desk.refused(), ["b.wasm: unreadable", "c.wasm: unreadable"]);
    assert!(desk.reason("c.wasm").contains("c.toml"), "{}", desk.reason("c.wasm"));
    assert_eq!((desk.look(), desk.refusals()), (vec![], 2));
    desk.remove("b.wasm");
    desk.remove("c.toml");
    assert_eq!(desk.look(), ["stop active b"]);
    assert!(desk.refused().is_empty());
}

#[test]
fn a_renamed_file_goes_on_undisturbed() {
    let mut desk = Desk::with(&[("a.wasm", "name=a"), ("a.toml", "limit = 1")]);
    desk.rename("a.wasm", "b.wasm");
    desk.rename("a.toml", "b.toml");
    assert_eq!(desk.look(), ["moved active a b.wasm"]);
    assert_eq!(desk.running(), ["active name=a < b.wasm"]);
    desk.rename("b.wasm", "c.wasm");
    assert_eq!(
        desk.look(),
        ["load c.wasm", "swap active name=a"],
        "it has left its configuration behind"
    );
}

#[test]
fn a_file_that_declares_another_name_starts_it_before_the_old_one_is_stopped() {
    let mut desk = Desk::with(&[("a.wasm", "name=a")]);
    desk.write("a.wasm", "name=b fails");
    assert_eq!(desk.look(), ["load a.wasm", "start active name=b fails"]);
    assert_eq!(desk.running(), ["active name=a < a.wasm"]);
    desk.write("a.wasm", "name=b");
    assert_eq!(desk.look(), ["load a.wasm", "start active name=b", "stop active a"]);
}

#[test]
fn a_shadow_runs_beside_the_active_plugin_of_its_name() {
    let mut desk = Desk::with(&[("a.wasm", "name=a version=1"), ("a.shadow.wasm", "name=a version=2")]);
    assert_eq!(
        desk.running(),
        [
            "active name=a version=1 < a.wasm",
            "shadow name=a version=2 < a.shadow.wasm"
        ]
    );
    assert_eq!(desk.nest.lonely_shadows().count(), 0);
    desk.write("b.wasm", "name=b");
    desk.write("b.toml", "mode=shadow");
    desk.look();
    assert_eq!(desk.nest.lonely_shadows().collect::<Vec<_>>(), ["b"]);
    desk.rename("a.shadow.wasm", "a.wasm");
    assert_eq!(
        desk.look(),
        ["load a.wasm", "swap active name=a version=2", "stop shadow a"],
        "promoted by hand"
    );
    desk.remove("b.toml");
    assert_eq!(desk.look(), ["load b.wasm", "start active name=b", "stop shadow b"]);
}

#[test]
fn a_missing_directory_disarms_nothing_and_an_empty_one_does() {
    let mut desk = Desk::with(&[("a.wasm", "name=a"), ("b.wasm", "name=b")]);
    let away = desk.parent.path().join("away");
    std::fs::rename(desk.directory(), &away).expect("renamed");
    let changes = desk.reconcile(false).list;
    assert!(matches!(changes[..], [Change::Away(_)]), "{changes:?}");
    assert!(desk.nest.away().is_some_and(|why| why.contains("does not exist")));
    assert!(desk.reconcile(false).list.is_empty(), "said once");
    assert_eq!(desk.running().len(), 2);
    std::fs::rename(&away, desk.directory()).expect("renamed");
    assert_eq!(desk.reconcile(false).list, [Change::Back]);
    std::fs::remove_dir_all(desk.directory()).expect("removed");
    assert_eq!(desk.look(), NOTHING);
    std::fs::create_dir(desk.directory()).expect("created");
    assert_eq!(desk.look(), ["stop active a", "stop active b"]);
    assert_eq!(desk.nest.away(), None);
}
