//! Recordings of binary rows, whole and damaged, of this version and of others.
use super::*;

/// A binary recording of these lines, not compressed.
fn rows(lines: &[Line<'_>], fields: &str) -> Vec<u8> {
    let mut bytes = format!("{{\"vespid_recording\":2,\"rows\":{fields},");
    bytes.push_str(
        &serde_json::to_string(&header())
            .unwrap()
            .replace("{\"vespid_recording\":1,", ""),
    );
    let mut chunk = Chunk::new(Form::Rows);
    lines.iter().for_each(|line| chunk.push(line).unwrap());
    [bytes.as_bytes(), b"\n", chunk.bytes()].concat()
}

#[test]
fn a_binary_recording_cut_anywhere_gives_its_complete_rows_and_says_that_it_was_cut() {
    let end = Line::End(End { events: 10 });
    let mut all = lines(b"x");
    all.push(end);
    let head = rows(&[], "{}").len();
    let ends: Vec<usize> = (0..=all.len()).map(|count| rows(&all[..count], "{}").len()).collect();
    let whole = rows(&all, "{}");
    for cut in head..whole.len() {
        let (count, error) = read(&whole[..cut]);
        assert_eq!(count, ends.iter().filter(|&&end| end <= cut).count() - 1);
        assert!(
            matches!(error, Some(RecordingError::Truncated { .. })),
            "{cut}: {error:?}"
        );
    }
    assert!(read(&whole).1.is_none());
}

#[test]
fn fields_that_were_added_at_the_end_are_empty_in_older_rows_and_passed_over_in_newer_ones() {
    let usage = || {
        event(Body::Resource(Resource {
            cgroup: "/system.slice".into(),
            ..Resource::of(ResourceOp::Usage)
        }))
    };
    let mut bytes = rows(&[usage()], "{}");
    // A field of a later version.
    let head = rows(&[], "{}").len();
    let row = bytes.len() - head - 4;
    bytes.push(77);
    bytes[head..head + 4].copy_from_slice(&u32::try_from(row + 1).unwrap().to_le_bytes());
    let check = |bytes: &[u8], line: Line<'_>| {
        let input = Box::new(Cursor::new(bytes.to_vec()));
        let mut reader = Reader::new(Path::new("r.vespid"), input).unwrap();
        assert_eq!(reader.next().unwrap(), Some(line));
    };
    check(&bytes, usage());
    // A row of an earlier one, without `cache_misses` and `memory`.
    let short = head + 4 + row - 2;
    bytes.truncate(short);
    bytes[head..head + 4].copy_from_slice(&u32::try_from(row - 2).unwrap().to_le_bytes());
    check(&bytes, usage());
    // One of before containers had labels and an owner.
    let container = || {
        Line::Container(KnownContainer {
            id: "3f2a".into(),
            namespace: "shop".into(),
            ..KnownContainer::default()
        })
    };
    let mut bytes = rows(&[container()], "{}");
    let row = bytes.len() - head - 4 - 2;
    bytes.truncate(head + 4 + row);
    bytes[head..head + 4].copy_from_slice(&u32::try_from(row).unwrap().to_le_bytes());
    check(&bytes, container());
}

#[test]
fn rows_with_other_fields_are_a_newer_vespids() {
    let of = |fields: &str| read(&rows(&[Line::End(End { events: 0 })], fields)).1;
    assert!(of(r#"{"5 open":["time","pid"],"243 end":["events","bytes"]}"#).is_none());
    for other in [r#"{"5 open":["pid","time"]}"#, r#"{"200 thought":["time"]}"#] {
        assert!(matches!(of(other), Some(RecordingError::Newer { .. })), "{other}");
    }
}

#[test]
fn a_damaged_row_ends_the_recording() {
    let mut bytes = rows(&lines(b"x"), "{}");
    let head = rows(&[], "{}").len();
    bytes[head + 4] = 0x7f;
    assert_eq!(
        read(&bytes).1.unwrap().to_string(),
        "r.jsonl: row 2 of the recording is damaged; `vespid recording cut` keeps what comes before it"
    );
    bytes[head..head + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(matches!(read(&bytes).1, Some(RecordingError::Damaged { row: 2, .. })));
}

proptest! {
    #[test]
    fn hostile_bytes_survive_in_rows(text: Vec<u8>) {
        let all = lines(&text);
        let bytes = rows(&all, "{}");
        let mut reader = Reader::new(Path::new("r.vespid"), Box::new(Cursor::new(bytes))).unwrap();
        for line in all {
            prop_assert_eq!(reader.next().unwrap(), Some(line));
        }
    }

    #[test]
    fn any_bytes_are_refused_as_rows_without_a_panic(bytes: Vec<u8>) {
        let (_, error) = read(&[&*rows(&[], "{}"), &bytes].concat());
        prop_assert!(error.is_some());
    }
}
