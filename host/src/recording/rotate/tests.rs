use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::recording::{End, Line, Loss, Reader};

fn header() -> Header {
    Header {
        version: 1,
        node: "n1".into(),
        boot_id: "b".into(),
        kernel: "6.18.0".into(),
        created: 0,
        namespaces: crate::enrich::namespaces::FIXED,
        kinds: Vec::new(),
    }
}

/// Lines of about so many bytes that do not compress.
fn chunk(bytes: usize, seed: u64) -> Chunk {
    let mut chunk = Chunk::default();
    let (mut word, mut text) = (seed | 1, String::new());
    while text.len() < bytes {
        word = word
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        text.push(char::from(b' ' + u8::try_from((word >> 40) % 90).unwrap()));
    }
    let stage = text.replace(['"', '\\'], "x").into();
    let loss = Loss {
        stage,
        kind: None,
        count: seed,
    };
    chunk.push(&Line::Lost(loss)).unwrap();
    chunk
}

/// Sizes of all files there.
fn sizes(folder: &Path) -> HashMap<PathBuf, u64> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .map(|entry| (entry.path(), entry.metadata().unwrap().len()))
        .collect()
}

/// The counts of the losses in it, and whether it is complete.
fn read(file: &Path) -> (Vec<u64>, bool) {
    let mut reader = Reader::open(file).unwrap();
    let mut counts = Vec::new();
    loop {
        match reader.next() {
            Ok(Some(Line::Lost(loss))) => counts.push(loss.count),
            Ok(Some(Line::End(End { .. }))) => return (counts, true),
            Ok(other) => panic!("{other:?}"),
            Err(RecordingError::Truncated { .. }) => return (counts, false),
            Err(error) => panic!("{error}"),
        }
    }
}

fn read_all(folder: &Path) -> Vec<(Vec<u64>, bool)> {
    let mut files: Vec<PathBuf> = sizes(folder).into_keys().collect();
    files.sort();
    files.iter().map(|file| read(file)).collect()
}

fn rotation(segment_bytes: u64, total_bytes: u64, files: usize) -> Rotation {
    Rotation {
        segment_bytes,
        segment_age: Duration::MAX,
        total_bytes,
        files,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn the_bounds_hold_at_all_times_whatever_is_written(
        name in prop_oneof![Just("r.jsonl"), Just("r.jsonl.zst")],
        segment in 1_000_u64..40_000,
        room in 4_u64..10,
        files in 1_usize..9,
        steps in prop::collection::vec((1_usize..20_000, 0_u8..12), 1..60),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(name);
        let bounds = rotation(segment, room * segment + 30_000, files);
        let mut segments = Segments::open(&file, bounds).unwrap();
        let (mut written, mut seed) = (Vec::new(), 0);
        segments.begin(&header(), &Chunk::default()).unwrap();
        for (bytes, what) in steps {
            match what {
                // Killed, and started again.
                0 => {
                    segments = Segments::open(&file, bounds).unwrap();
                    segments.begin(&header(), &Chunk::default()).unwrap();
                }
                _ if segments.is_due() || what == 1 => segments.begin(&header(), &Chunk::default()).unwrap(),
                _ => {}
            }
            seed += 1;
            if segments.append(&chunk(bytes, seed)).is_ok() {
                written.push(seed);
            }
            let there = sizes(folder.path());
            prop_assert!(there.values().sum::<u64>() <= bounds.total_bytes, "{there:?}");
            prop_assert!(there.len() <= files, "{there:?}");
            prop_assert_eq!(there.values().sum::<u64>(), segments.bytes());
        }
        // What is there is the newest of what was written, in order and without holes.
        let kept: Vec<u64> = read_all(folder.path()).into_iter().flat_map(|(counts, _)| counts).collect();
        prop_assert!(written.ends_with(&kept), "{written:?} {kept:?}");
        segments.finish().unwrap();
        prop_assert!(sizes(folder.path()).values().sum::<u64>() <= bounds.total_bytes);
    }
}

#[test]
fn a_new_run_goes_on_beside_what_a_killed_one_left() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("r.jsonl.zst");
    let open = || Segments::open(&file, rotation(1 << 20, 1 << 20, 9)).unwrap();
    let mut killed = open();
    killed.begin(&header(), &chunk(10, 1)).unwrap();
    killed.append(&chunk(10, 2)).unwrap();
    drop(killed);
    let mut next = open();
    next.begin(&header(), &chunk(10, 3)).unwrap();
    next.begin(&header(), &chunk(10, 4)).unwrap();
    next.finish().unwrap();
    assert_eq!(
        read_all(folder.path()),
        [(vec![1, 2], false), (vec![3], true), (vec![4], true)]
    );
    let mut files: Vec<PathBuf> = sizes(folder.path()).into_keys().collect();
    files.sort();
    let places: Vec<Place> = files.iter().map(|file| Place::of(file).unwrap()).collect();
    assert!(
        !places[1].follows(places[0]) && places[2].follows(places[1]),
        "{places:?}"
    );
}

#[test]
fn a_frame_that_could_not_be_written_whole_is_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("r.jsonl.zst");
    let mut segments = Segments::open(&file, Rotation::NEVER).unwrap();
    segments.begin(&header(), &chunk(10, 1)).unwrap();
    let whole = fs::read(folder.path().join("r.jsonl.zst.part")).unwrap();
    for cut in whole.len() + 1..whole.len() + 60 {
        // What a crash leaves: a part of the next frame.
        let mut damaged = whole.clone();
        damaged.extend(zstd::bulk::compress(chunk(10, 2).bytes(), 3).unwrap());
        damaged.truncate(cut);
        let part = folder.path().join("cut.jsonl.zst");
        fs::write(&part, &damaged).unwrap();
        assert!(read(&part).0.starts_with(&[1]));
    }
    segments.append(&chunk(10, 2)).unwrap();
    segments.finish().unwrap();
    assert_eq!(read(&file), (vec![1, 2], true));
}

#[test]
fn a_name_says_its_place() {
    let place = Place {
        began_ms: 1_790_000_000_123,
        number: 7,
    };
    let name = format!("/var/lib/my-node-{place}.jsonl.zst.part");
    assert_eq!(Place::of(Path::new(&name)), Some(place));
    for other in [
        "r.jsonl",
        "a-b-c.jsonl",
        "r-20261399T000000.000Z-000001.jsonl",
        "é-é-é.jsonl.zst",
    ] {
        assert_eq!(Place::of(Path::new(other)), None, "{other}");
    }
}
