use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::interface::vespid::plugin::reports::Severity;
use crate::verdict::RECENT;

const PATIENCE: Duration = Duration::from_secs(10);

fn record(number: usize) -> Record {
    let summary = Summary {
        time: 0,
        plugin: "p".into(),
        rule: format!("rule-{number}"),
        severity: Severity::Info,
        message: String::new(),
        key: String::new(),
        subject: None,
        process: None,
    };
    Record {
        line: format!("{{\"number\":{number}}}\n").into_bytes(),
        summary: Arc::new(summary),
    }
}

/// Waits until the sink has booked everything that was delivered to it.
fn settled(sink: &Sink, delivered: u64) -> Verdicts {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let verdicts = sink.verdicts();
        if verdicts.written + verdicts.dropped.values().sum::<u64>() == delivered {
            return verdicts;
        }
        assert!(Instant::now() < deadline, "{verdicts:?} after {delivered} verdicts");
        std::thread::yield_now();
    }
}

fn file(path: &std::path::Path) -> (Sink, Delivery) {
    Sink::start(Target::File(path.to_owned())).expect("a destination")
}

#[test]
fn verdicts_are_appended_to_a_file_that_only_its_owner_and_group_can_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("verdicts.jsonl");
    for number in [1, 2] {
        let (sink, delivery) = file(&path);
        sink.deliver(record(number));
        assert_eq!(delivery.finish(PATIENCE).written, 1);
    }
    assert_eq!(
        fs::read_to_string(&path).expect("a file"),
        "{\"number\":1}\n{\"number\":2}\n"
    );
    assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o027, 0);
}

#[test]
fn a_destination_that_cannot_be_written_is_an_error_at_the_start() {
    let error = Sink::start(Target::File("/nowhere/verdicts".into()))
        .expect_err("no such folder")
        .to_string();
    assert!(
        error.contains("/nowhere/verdicts") && error.contains("--verdicts"),
        "{error}"
    );
}

#[test]
fn a_full_disk_is_counted_verdict_by_verdict() {
    let (sink, delivery) = file("/dev/full".as_ref());
    (0..5).for_each(|number| sink.deliver(record(number)));
    let verdicts = delivery.finish(PATIENCE);
    assert_eq!((verdicts.written, verdicts.dropped["disk_full"]), (0, 5));
    assert_eq!(sink.recent().len(), 5, "the screen shows them all the same");
}

#[test]
fn after_a_rotation_verdicts_go_to_the_new_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("verdicts");
    let (sink, delivery) = file(&path);
    sink.deliver(record(1));
    settled(&sink, 1);
    fs::rename(&path, folder.path().join("verdicts.1")).expect("renamed");
    sink.deliver(record(2));
    assert_eq!(delivery.finish(PATIENCE).written, 2);
    assert_eq!(fs::read_to_string(&path).expect("a file"), "{\"number\":2}\n");
}

#[test]
fn writing_resumes_when_the_folder_is_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("logs/verdicts");
    fs::create_dir(folder.path().join("logs")).expect("a folder");
    let (sink, delivery) = file(&path);
    fs::remove_dir_all(folder.path().join("logs")).expect("removed");
    sink.deliver(record(1));
    assert_eq!(settled(&sink, 1).dropped["write_failed"], 1);
    fs::create_dir(folder.path().join("logs")).expect("a folder");
    sink.deliver(record(2));
    assert_eq!(delivery.finish(PATIENCE).written, 1);
    assert_eq!(fs::read_to_string(&path).expect("a file"), "{\"number\":2}\n");
}

#[test]
fn a_line_that_was_cut_off_does_not_spoil_the_next_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("verdicts");
    fs::write(&path, "{\"number\":").expect("written");
    let (sink, delivery) = file(&path);
    sink.deliver(record(1));
    delivery.finish(PATIENCE);
    assert_eq!(
        fs::read_to_string(&path).expect("a file"),
        "{\"number\":\n{\"number\":1}\n"
    );
}

#[test]
fn a_pipe_that_nobody_reads_holds_up_neither_the_plugins_nor_the_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .expect("a pipe");
    let mut reader = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path)
        .expect("a reader");
    let (sink, delivery) = file(&path);
    // More than a pipe holds: the writer waits within the first line.
    sink.deliver(Record {
        line: vec![b'x'; 1 << 20],
        ..record(0)
    });
    let delivered = 20_000;
    (1..delivered).for_each(|number| sink.deliver(record(number)));
    let verdicts = delivery.finish(Duration::from_millis(50));
    assert!(verdicts.dropped["queue_full"] > 0, "{verdicts:?}");
    assert!(verdicts.dropped["shutdown"] > 0, "{verdicts:?}");
    assert_eq!(
        verdicts.written + verdicts.dropped.values().sum::<u64>(),
        delivered as u64,
        "{verdicts:?}"
    );
    reader.read_exact(&mut vec![0; 1 << 20]).expect("the first line");
}

#[test]
fn a_pipe_that_nobody_has_opened_is_not_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("pipe");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).expect("a pipe");
    let (sink, delivery) = file(&path);
    sink.deliver(record(1));
    settled(&sink, 1);
    let mut reader = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path)
        .expect("a reader");
    sink.deliver(record(2));
    let verdicts = delivery.finish(PATIENCE);
    assert_eq!((verdicts.written, verdicts.dropped["broken_pipe"]), (1, 1));
    let mut line = [0; 12];
    reader.read_exact(&mut line).expect("the second");
    assert_eq!(line, *b"{\"number\":2}");
}

#[test]
fn a_reader_that_goes_away_is_counted_as_a_broken_pipe() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .expect("a pipe");
    let reader = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path)
        .expect("a reader");
    let (sink, delivery) = file(&path);
    sink.deliver(record(1));
    settled(&sink, 1);
    drop(reader);
    sink.deliver(record(2));
    let verdicts = delivery.finish(PATIENCE);
    assert_eq!((verdicts.written, verdicts.dropped["broken_pipe"]), (1, 1));
}

#[test]
fn the_screen_keeps_the_last_verdicts_only() {
    let (sink, delivery) = file("/dev/null".as_ref());
    (0..RECENT + 3).for_each(|number| sink.deliver(record(number)));
    let recent = sink.recent();
    assert_eq!((recent.len(), &*recent[0].rule), (RECENT, "rule-3"));
    delivery.finish(PATIENCE);
    sink.deliver(record(99));
    assert_eq!(
        sink.verdicts().dropped["shutdown"],
        1,
        "a verdict after the end is counted too"
    );
}
