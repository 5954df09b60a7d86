//! Each change of a file is of some kinds of access, is said in words, and is let through by the filters.
use super::*;

/// Every change, the letters of the access that it is to its path, and what a verdict says of it.
const CHANGES: [(ChangeOp, &str, &str); 12] = [
    (ChangeOp::Rename, "wd", "renamed /srv/x to /srv/y"),
    (ChangeOp::Link, "l", "linked /srv/x as /srv/y"),
    (ChangeOp::Symlink, "l", "made a symbolic link to /srv/x as /srv/y"),
    (ChangeOp::Unlink, "wd", "removed /srv/x"),
    (ChangeOp::RemoveDirectory, "wd", "removed /srv/x"),
    (ChangeOp::Truncate, "wd", "cut /srv/x"),
    (ChangeOp::MakeDirectory, "w", "made /srv/x"),
    (ChangeOp::MakeNode, "w", "made /srv/x"),
    (ChangeOp::Mode, "as", "changed the mode of /srv/x to 4755"),
    (ChangeOp::Owner, "a", "changed the owner of /srv/x"),
    (ChangeOp::SetAttribute, "a", "changed an attribute of /srv/x"),
    (ChangeOp::RemoveAttribute, "a", "changed an attribute of /srv/x"),
];

fn rule(letter: char) -> String {
    format!(r#"{{"rules": [{{"key": "k", "path": "/srv/x", "access": "{letter}"}}]}}"#)
}

/// Verdicts on one change of `/srv/x`, by a rule on one kind of access.
fn judge_change(letter: char, op: ChangeOp, change: impl FnOnce(&mut ChangeRow)) -> Vec<String> {
    let mut batch = BatchBuilder::new();
    let process = batch.process("/bin/do").id();
    let row = batch.change(process, op, "/srv/x").mode(0o4755);
    if matches!(op, ChangeOp::Rename | ChangeOp::Link | ChangeOp::Symlink) {
        row.target("/srv/y");
    }
    change(row);
    start(&rule(letter)).batch(&batch).lines()
}

#[test]
fn every_change_is_of_its_kinds_of_access_and_no_other() {
    for (op, letters, words) in CHANGES {
        for letter in "rwxalsd".chars() {
            let lines = judge_change(letter, op, |_| {});
            if letters.contains(letter) {
                assert_eq!(lines.len(), 1, "{op:?} {letter}");
                assert!(
                    lines[0].ends_with(&format!("do (pid 1000, uid 0) {words}")),
                    "{}",
                    lines[0]
                );
            } else {
                assert_eq!(lines, [""; 0], "{op:?} {letter}");
            }
        }
    }
}

#[test]
fn what_is_cut_to_some_length_is_written_and_not_destroyed() {
    let cut = |letter, length| judge_change(letter, ChangeOp::Truncate, |row| row.value = length).len();
    assert_eq!([cut('w', 0), cut('d', 0), cut('w', 1), cut('d', 1)], [1, 1, 1, 0]);
}

#[test]
fn a_mode_without_the_bit_is_an_attribute_alone() {
    let mode = |letter, mode| judge_change(letter, ChangeOp::Mode, |row| row.mode = mode).len();
    assert_eq!(
        [mode('a', 0o644), mode('s', 0o644), mode('a', 0o4755), mode('s', 0o4755)],
        [1, 0, 1, 1]
    );
}

#[test]
fn filters_let_through_what_rules_are_about_and_want_no_other_table() {
    for letter in "rwxalsd".chars() {
        let plugin = start(&rule(letter));
        let wanted = || plugin.filters().iter().filter(|filter| !filter.never);
        for (op, letters, _) in CHANGES {
            // The name that a link makes is written, whatever was there.
            let makes = letter == 'w' && matches!(op, ChangeOp::Link | ChangeOp::Symlink);
            let number = BatchBuilder::new().change(0, op, "").op;
            let is_wanted = wanted().any(|filter| filter.ops.contains(&number));
            assert_eq!(is_wanted, letters.contains(letter) || makes, "{op:?} {letter}");
        }
        let accesses: usize = wanted().filter(|filter| filter.ops.is_empty()).count();
        assert_eq!(
            accesses,
            usize::from("rwxd".contains(letter)),
            "opens or execs of {letter}"
        );
        assert!(
            wanted().all(|filter| !filter.paths.is_empty()),
            "nothing but the rule's path is asked for"
        );
    }
}

#[test]
fn rules_that_differ_in_their_files_alone_share_a_filter() {
    let plugin = start(
        r#"{"rules": [
            {"key": "a", "path": "/srv/x", "access": "rl"},
            {"key": "b", "path": "/srv/y", "glob": "/srv/*.key", "access": "r"},
            {"key": "c", "path": "/srv/z", "access": "r", "results": "failed"}
        ]}"#,
    );
    let wanted = plugin.filters().iter().filter(|filter| !filter.never);
    let paths: Vec<usize> = wanted.map(|filter| filter.paths.len()).collect();
    assert_eq!(paths, [3, 1, 1], "reads, links, reads that failed");
}

#[test]
fn more_files_than_one_filter_takes_are_in_several() {
    let many = |folder| {
        (0..3000)
            .map(|file| format!("\"/{folder}/{file}\""))
            .collect::<Vec<_>>()
            .join(",")
    };
    let rule = |folder| format!(r#"{{"key": "k", "path": [{}], "access": "r"}}"#, many(folder));
    let plugin = start(&format!(r#"{{"rules": [{}, {}]}}"#, rule("a"), rule("b")));
    let wanted = plugin.filters().iter().filter(|filter| !filter.never);
    assert!(wanted.map(|filter| filter.paths.len()).eq([3000, 3000]));
}

#[test]
fn repetitions_are_told_by_a_rule_of_their_own() {
    for (letter, op, repeated) in [
        ('w', ChangeOp::Unlink, "file-write-repeated"),
        ('a', ChangeOp::Owner, "file-attributes-repeated"),
        ('l', ChangeOp::Link, "file-link-repeated"),
    ] {
        let mut plugin = start(&rule(letter));
        let mut batch = BatchBuilder::new();
        let process = batch.process("/bin/do").id();
        for _ in 0..3 {
            batch.change(process, op, "/srv/x").target("/srv/y");
        }
        plugin.batch(&batch);
        let closed = plugin.tick(61 * SECOND);
        assert_eq!(closed.rules(), [repeated]);
        assert_eq!(
            closed.verdicts[0]
                .fields
                .iter()
                .filter(|(name, value)| name == "count" && value == "2")
                .count(),
            1
        );
    }
}

#[test]
fn a_row_that_stands_for_many_opens_counts_as_many() {
    let mut plugin = start(&rule('r'));
    assert!(
        plugin
            .filters()
            .iter()
            .filter(|filter| !filter.never)
            .all(|filter| filter.merge_ms == 1000)
    );
    let mut batch = BatchBuilder::new();
    let process = batch.process("/bin/do").id();
    batch.open(process, "/srv/x");
    batch.open(process, "/srv/x").count(40);
    assert_eq!(plugin.batch(&batch).rules(), ["file-read"]);
    let closed = plugin.tick(61 * SECOND);
    assert_eq!(closed.rules(), ["file-read-repeated"]);
    assert!(
        closed.verdicts[0]
            .fields
            .iter()
            .any(|(name, value)| name == "count" && value == "40")
    );
}
