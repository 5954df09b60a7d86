//! Whatever happens in the directory leads to a look.
use std::fs::File;
use std::io::Write;
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};

use super::super::watch::Watch;
use super::super::window::WatchSettings;
use super::desk::Desk;

/// Longer than any test waits for something that does happen.
const PATIENCE: Duration = Duration::from_secs(30);

fn without_rescans() -> WatchSettings {
    WatchSettings {
        rescan: Duration::from_secs(3600),
        ..WatchSettings::default()
    }
}

fn watch(desk: &Desk, settings: WatchSettings) -> (Watch, Receiver<()>) {
    let (wake, woken) = bounded(1);
    let watch = Watch::start(&desk.directory(), settings, wake).expect("a watch");
    woken.recv_timeout(PATIENCE).expect("the first look");
    (watch, woken)
}

/// Looks whenever it is woken, until what runs is as it should be.
fn until(desk: &mut Desk, woken: &Receiver<()>, running: &[&str]) {
    loop {
        desk.look();
        if desk.running() == running {
            return;
        }
        let waited = woken.recv_timeout(PATIENCE);
        assert!(
            waited.is_ok(),
            "not woken; {:?} runs instead of {running:?}",
            desk.running()
        );
    }
}

#[test]
fn every_change_wakes() {
    let mut desk = Desk::empty();
    let (watch, woken) = watch(&desk, without_rescans());
    assert!(watch.hears());
    desk.write("a.wasm", "name=a version=1");
    until(&mut desk, &woken, &["active name=a version=1 < a.wasm"]);
    desk.rename("a.wasm", "b.wasm");
    until(&mut desk, &woken, &["active name=a version=1 < b.wasm"]);
    desk.write("b.toml", "mode=shadow");
    until(&mut desk, &woken, &["shadow name=a version=1 < b.wasm"]);
    desk.remove("b.toml");
    until(&mut desk, &woken, &["active name=a version=1 < b.wasm"]);
    let mut writer = File::create(desk.path("b.wasm")).expect("truncated");
    writer.write_all(b"name=a version=2").expect("written");
    desk.look();
    drop(writer);
    until(&mut desk, &woken, &["active name=a version=2 < b.wasm"]);
    desk.remove("b.wasm");
    until(&mut desk, &woken, &[]);
    let real = desk.parent.path().join("real");
    std::fs::write(&real, "name=c").expect("written");
    std::os::unix::fs::symlink(&real, desk.path("c.wasm")).expect("a link");
    until(&mut desk, &woken, &["active name=c < c.wasm"]);
}

#[test]
fn a_directory_that_is_removed_moved_or_exchanged_is_watched_again() {
    let mut desk = Desk::with(&[("a.wasm", "name=a")]);
    let (_watch, woken) = watch(&desk, without_rescans());
    let directory = desk.directory();
    for round in 0..3 {
        std::fs::remove_dir_all(&directory).expect("removed");
        std::fs::create_dir(&directory).expect("created");
        desk.write("b.wasm", &format!("name=b version={round}"));
        until(&mut desk, &woken, &[&format!("active name=b version={round} < b.wasm")]);
        desk.write("b.wasm", "name=b");
        until(&mut desk, &woken, &["active name=b < b.wasm"]);
    }
    let away = desk.parent.path().join("away");
    std::fs::rename(&directory, &away).expect("renamed");
    woken.recv_timeout(PATIENCE).expect("woken by the move");
    std::fs::write(away.join("b.wasm"), "name=b version=away").expect("written");
    std::fs::rename(&away, &directory).expect("renamed");
    until(&mut desk, &woken, &["active name=b version=away < b.wasm"]);
    desk.write("b.wasm", "name=b version=back");
    until(&mut desk, &woken, &["active name=b version=back < b.wasm"]);
}

#[test]
fn a_directory_that_is_a_link_may_be_exchanged() {
    let mut desk = Desk::empty();
    let (directory, parent) = (desk.directory(), desk.parent.path().to_owned());
    std::fs::remove_dir(&directory).expect("removed");
    for release in ["one", "two"] {
        std::fs::create_dir(parent.join(release)).expect("created");
        std::fs::write(parent.join(release).join("a.wasm"), format!("name=a version={release}")).expect("written");
    }
    std::os::unix::fs::symlink("one", &directory).expect("a link");
    let (_watch, woken) = watch(&desk, without_rescans());
    until(&mut desk, &woken, &["active name=a version=one < a.wasm"]);
    std::os::unix::fs::symlink("two", parent.join("next")).expect("a link");
    std::fs::rename(parent.join("next"), &directory).expect("renamed");
    until(&mut desk, &woken, &["active name=a version=two < a.wasm"]);
    std::fs::write(parent.join("two/a.wasm"), "name=a version=three").expect("written");
    until(&mut desk, &woken, &["active name=a version=three < a.wasm"]);
}

#[test]
fn a_directory_that_comes_later_is_found() {
    let mut desk = Desk::empty();
    std::fs::remove_dir(desk.directory()).expect("removed");
    let (_watch, woken) = watch(&desk, without_rescans());
    std::fs::create_dir(desk.directory()).expect("created");
    desk.write("a.wasm", "name=a");
    until(&mut desk, &woken, &["active name=a < a.wasm"]);
}

#[test]
fn without_events_there_is_the_periodic_look() {
    let mut desk = Desk::empty();
    let settings = WatchSettings {
        rescan: Duration::from_millis(10),
        ..WatchSettings::default()
    };
    let (wake, woken) = bounded(1);
    let watch = Watch::start_with(&desk.directory(), settings, wake, |_| {
        Err(notify::Error::new(notify::ErrorKind::MaxFilesWatch))
    })
    .expect("a watch");
    desk.write("a.wasm", "name=a");
    until(&mut desk, &woken, &["active name=a < a.wasm"]);
    assert!(!watch.hears());
}

#[test]
fn a_look_can_be_asked_for() {
    let desk = Desk::empty();
    let (watch, woken) = watch(&desk, without_rescans());
    watch.look_again(Duration::from_millis(1));
    woken.recv_timeout(PATIENCE).expect("woken");
}

#[test]
fn dropping_the_watch_ends_its_thread() {
    let desk = Desk::empty();
    let (watch, woken) = watch(&desk, without_rescans());
    drop(watch);
    assert_eq!(
        woken.recv_timeout(PATIENCE),
        Err(crossbeam_channel::RecvTimeoutError::Disconnected)
    );
}
