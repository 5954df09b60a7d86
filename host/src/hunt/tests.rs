use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::thread;

use super::*;
use crate::enrich::{Found, Nothing, Options, ProcessTable};
use crate::event::Event;
use crate::recording::{Header, Loss, Reader, Reel, Rotation, Segments, Tape as Recorder, WhenFull, Writer};

const SECOND: u64 = 1_000_000_000;

/// All lines of a recording, as text and parsed.
fn read(file: &Path) -> (Header, Vec<Line<'static>>) {
    let mut reader = Reader::open(file).unwrap();
    let header = reader.header().clone();
    let mut lines = Vec::new();
    while let Some(line) = reader.next().unwrap() {
        let text: &'static str = serde_json::to_string(&line).unwrap().leak();
        lines.push(serde_json::from_str(text).unwrap());
    }
    (header, lines)
}

fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files
        .filter(|file| file.to_string_lossy().ends_with(".jsonl.zst"))
        .collect();
    files.sort();
    assert!(files.len() > 2);
    files
}

fn table() -> ProcessTable {
    ProcessTable::new(Options::default(), Box::new(Nothing))
}

/// An event with everything that is known of its process.
fn seen(table: &mut ProcessTable, event: &Event<'_>) -> String {
    let mut next = table.observe(event).process;
    let mut text = format!("{event:?}");
    while let Some(process) = next.and_then(|id| table.get(id)) {
        let container = process.container().and_then(|id| table.containers().get(id));
        let words = [
            process.comm(),
            process.exe(),
            process.args(),
            process.cwd(),
            process.cgroup(),
        ];
        let (pid, ppid, start, euid) = (process.pid, process.ppid, process.start, process.euid);
        let container = container.map(|container| (&container.id, &container.name));
        let flags = process.flags;
        write!(text, "\n{pid} {ppid} {start} {euid} {flags} {words:?} {container:?}").expect("text");
        next = process.parent;
    }
    text
}

fn learn(table: &mut ProcessTable, line: &Line<'_>) -> Option<String> {
    match line {
        Line::Known(known) => table.learn(known),
        Line::Container(container) => table.learn_container(container),
        Line::Account(account) => table.learn_account(account),
        Line::Event(event) => return Some(seen(table, event)),
        Line::Lost(_) | Line::End(_) => {}
    }
    None
}

/// Records these lines as a live daemon would, in as many files as it can.
fn record(folder: &Path, header: &Header, lines: &[Line<'static>]) {
    let rotation = Rotation {
        segment_bytes: 1,
        ..Rotation::NEVER
    };
    let segments = Segments::open(&folder.join("flight.jsonl.zst"), rotation).unwrap();
    let (mut recorder, reel): (Recorder, Reel) = Recorder::new(header.clone(), "recorder", WhenFull::Wait);
    let writer = reel.start(segments).unwrap();
    let (mut table, mut found) = (table(), Vec::new());
    let (mut sent, mut now) = (0, 0);
    for line in lines {
        learn(&mut table, line);
        match line.clone() {
            Line::Known(known) => found.push(Found::Process(known)),
            Line::Container(container) => found.push(Found::Container(container)),
            Line::Account(account) => found.push(Found::Account(account)),
            Line::Event(event) => {
                recorder.take(&event, std::mem::take(&mut found));
                sent += 1;
            }
            Line::Lost(_) | Line::End(_) => {}
        }
        if sent % 50 == 1 {
            for _ in 0..2 {
                now += 2 * SECOND;
                recorder.pass_time(now, &table, 0);
            }
            while recorder.books().stage().entered.iter().sum::<u64>() < sent {
                thread::yield_now();
            }
        }
    }
    recorder.end(now, &table, 0);
    writer.join().unwrap().unwrap();
}

fn follow_all(tapes: &[Tape]) -> (Vec<String>, Account) {
    let (mut table, mut all) = (table(), Vec::new());
    let account = follow(tapes, Span::ALL, &Counter::default(), |line| {
        all.extend(learn(&mut table, line));
        Next::On
    });
    (all, account)
}

#[test]
fn files_that_follow_one_another_are_one_recording_and_each_stands_by_itself() {
    for file in fixtures() {
        let (header, lines) = read(&file);
        let folder = tempfile::tempdir().unwrap();
        record(folder.path(), &header, &lines);
        let (mut table, mut expected) = (table(), Vec::new());
        for line in &lines {
            expected.extend(learn(&mut table, line));
        }
        let tapes = select(&[folder.path().into()], Span::ALL, |error| panic!("{error}")).unwrap();
        assert!(tapes.len() > 1, "{}", file.display());
        for first in [0, 1, tapes.len() / 2, tapes.len() - 1] {
            let (all, account) = follow_all(&tapes[first..]);
            assert!(account.gaps.is_empty() && account.damaged.is_empty(), "{account:?}");
            assert!(expected.ends_with(&all), "{} from file {first}", file.display());
            assert_eq!(first == 0, all.len() == expected.len());
        }
    }
}

#[test]
fn what_is_missing_is_said() {
    let (header, lines) = read(&fixtures()[0]);
    let folder = tempfile::tempdir().unwrap();
    let file = |number: usize| folder.path().join(format!("{number}.jsonl.zst"));
    for number in 0..3 {
        let created = header.created + number as u64 * 3_600 * SECOND;
        let mut writer = Writer::create(
            &file(number),
            &Header {
                created,
                ..header.clone()
            },
        )
        .unwrap();
        for line in lines.iter().filter(|line| !matches!(line, Line::End(_))) {
            writer.write(line).unwrap();
        }
        let loss = Loss {
            stage: "kernel".into(),
            kind: Some("open".into()),
            count: 3,
        };
        writer.write(&Line::Lost(loss)).unwrap();
        writer.finish().unwrap();
    }
    let cut = fs::read(file(1)).unwrap();
    fs::write(file(1), &cut[..cut.len() - 30]).unwrap();
    let tapes = select(&[folder.path().into()], Span::ALL, |error| panic!("{error}")).unwrap();
    let (_, account) = follow_all(&tapes);
    assert_eq!((account.gaps.len(), account.damaged.len(), account.files), (2, 1, 3));
    assert_eq!(account.lost, [(("kernel".to_owned(), "open".to_owned()), 9)].into());
    // A day later, only the newest can have something.
    let late = Span {
        from: header.created + 86_400 * SECOND,
        to: u64::MAX,
    };
    assert_eq!(select(&[folder.path().into()], late, |_| {}).unwrap().len(), 1);
    let early = Span {
        from: 0,
        to: header.created,
    };
    assert_eq!(select(&[folder.path().into()], early, |_| {}).unwrap().len(), 1);
}
