//! The shipped list: what it says of which access by whom, and that no field of it could be another without somebody
//! noticing: each entry, alternative, letter, exception and tag is taken out in turn, and each word exchanged.
mod expected;
mod mutants;
mod programs;

use std::collections::BTreeMap;

use expected::{EXPECTED, Expected, Whose};
use serde_json::{Value, json};
use vespid_plugin::bindings::vespid::plugin::reports::Row;

use super::*;

/// An access, and whether it is to be reported, by its letters.
struct Access {
    exe: String,
    letter: char,
    path: String,
    in_container: bool,
    fails: bool,
    reported: String,
}

/// A program that no list names.
const STRANGER: &str = "/opt/shop/tool";
/// The letters of what is done to a file, by the one that stands for it.
const DONE: [(char, &str); 7] = [
    ('r', "r"),
    ('w', "w"),
    ('x', "x"),
    ('a', "a"),
    ('l', "l"),
    ('s', "as"),
    ('d', "wd"),
];

impl Expected {
    fn reports(&self, letter: char, in_container: bool) -> String {
        let is_meant = match self.whose {
            Whose::Host => !in_container,
            Whose::Containers => in_container,
            Whose::Everybody => true,
        };
        let done = DONE
            .iter()
            .find(|(done, _)| *done == letter)
            .map_or("", |(_, letters)| letters);
        let letters = "rwxalsd".chars().filter(|letter| is_meant && done.contains(*letter));
        letters.filter(|letter| self.access.contains(*letter)).collect()
    }

    /// Accesses that are reported, and others that differ from these in one thing.
    fn accesses(&self) -> Vec<Access> {
        let letter = self.access.chars().next().expect("a letter");
        let in_container = self.whose == Whose::Containers;
        let who = self.only.first().copied().unwrap_or(STRANGER);
        let access = |exe: &str, path: &str| Access {
            exe: exe.to_owned(),
            letter,
            path: path.to_owned(),
            in_container,
            fails: false,
            reported: self.reports(letter, in_container),
        };
        let left_alone = |exe: &str, path: &str| Access {
            reported: String::new(),
            ..access(exe, path)
        };
        let mut out = Vec::new();
        for file in self.files {
            out.extend([access(who, file), left_alone(who, &format!("{file}~"))]);
        }
        for folder in self.folders {
            let other = format!("{}-old/a", folder.trim_end_matches('/'));
            out.extend([access(who, &format!("{folder}a/b")), left_alone(who, &other)]);
        }
        out.extend(self.beginnings.iter().map(|beginning| access(who, beginning)));
        out.extend(self.others.iter().map(|other| left_alone(who, other)));

        // Any of them; the two rules on set-user-id programs meet in `/tmp/`.
        let named = self.files.iter().chain(self.beginnings).next();
        let file = named.map_or_else(|| format!("{}a", self.folders[0]), |file| (*file).to_owned());
        for (letter, _) in DONE {
            for (in_container, fails) in [(false, false), (false, true), (true, false), (true, true)] {
                let rules = EXPECTED.iter().filter(|rule| rule.key == self.key);
                let reported = rules.map(|rule| rule.reports(letter, in_container)).collect();
                out.push(Access {
                    letter,
                    in_container,
                    fails,
                    reported,
                    ..access(who, &file)
                });
            }
        }
        out.extend(self.may.iter().copied().flatten().map(|exe| left_alone(exe, &file)));
        out.extend(self.only.iter().map(|exe| access(exe, &file)));
        if !self.only.is_empty() {
            out.push(left_alone(STRANGER, &file));
        }
        out
    }
}

/// For each access what is said of it under a key: severity, letters, tags.
fn said(plugin: &mut Harness<FileAudit>, key: &str, accesses: &[Access]) -> Vec<String> {
    let mut batch = BatchBuilder::new();
    let container = batch.container("0123456789abcdef", "shop");
    let (mut opens, mut changes, mut execs) = (Vec::new(), Vec::new(), Vec::new());
    for (number, access) in accesses.iter().enumerate() {
        let process = batch.process(&access.exe);
        if access.in_container {
            process.container(container);
        }
        let (process, errno) = (process.id(), if access.fails { EACCES } else { 0 });
        let change = match access.letter {
            'r' | 'w' => {
                let open = batch.open(process, &access.path);
                open.flags = if access.letter == 'w' { O_WRONLY | O_CREAT } else { 0 };
                if access.fails {
                    open.fails(errno);
                }
                opens.push(number);
                continue;
            }
            'x' => {
                let exec = batch.exec(process).filename(&access.path);
                if access.fails {
                    exec.fails(errno);
                }
                execs.push(number);
                continue;
            }
            'a' => batch.change(process, ChangeOp::Owner, &access.path),
            'l' => batch.change(process, ChangeOp::Link, &access.path).target("/srv/other"),
            's' => batch.change(process, ChangeOp::Mode, &access.path).mode(0o4755),
            _ => batch.change(process, ChangeOp::Unlink, &access.path),
        };
        if access.fails {
            change.fails(errno);
        }
        changes.push(number);
    }
    let mut said = vec![String::new(); accesses.len()];
    for verdict in plugin
        .batch(&batch)
        .verdicts
        .iter()
        .filter(|verdict| verdict.key == key)
    {
        let number = match verdict.subject {
            Some(Row::Open(row)) => opens[row as usize],
            Some(Row::Change(row)) => changes[row as usize],
            Some(Row::Exec(row)) => execs[row as usize],
            _ => unreachable!("no other table"),
        };
        let letters = verdict
            .fields
            .iter()
            .find(|(name, _)| name == "access")
            .expect("letters");
        let (severity, tags) = (verdict.severity, verdict.tags.join(" "));
        let line = format!("{severity:?} {} {tags}", letters.1);
        said[number].push_str(&line);
    }
    said
}

/// The first access of which something else is said than expected.
fn difference(plugin: &mut Harness<FileAudit>, expected: &Expected) -> Option<String> {
    let accesses = expected.accesses();
    let said = said(plugin, expected.key, &accesses);
    accesses.iter().zip(said).find_map(|(access, said)| {
        let wanted = match &*access.reported {
            "" => String::new(),
            letters => format!("{:?} {letters} {}", expected.severity, expected.tags.join(" ")),
        };
        let Access {
            exe,
            letter,
            path,
            in_container,
            fails,
            ..
        } = access;
        (said != wanted).then(|| {
            format!(
                "{}: {exe} {letter} {path} (container {in_container}, fails {fails}): `{said}`, not `{wanted}`",
                expected.key
            )
        })
    })
}

#[test]
fn what_the_shipped_rules_say() {
    let mut plugin = start("{}");
    for expected in EXPECTED {
        assert_eq!(difference(&mut plugin, expected), None);
    }
}

#[test]
fn no_field_of_the_shipped_rules_could_be_another_unnoticed() {
    let shipped = serde_json::to_value(Config::default()).expect("JSON");
    let mut counts = BTreeMap::<&str, u32>::new();
    let (mut refused, mut unnoticed) = (0, Vec::new());
    mutants::each(&shipped, |what, key, config| {
        let is_noticed = match Harness::start(&config.to_string()) {
            Err(_) => {
                refused += 1;
                true
            }
            Ok(mut plugin) => {
                let mut concerned = EXPECTED
                    .iter()
                    .filter(|expected| key.is_none_or(|key| key == expected.key));
                concerned.any(|expected| difference(&mut plugin, expected).is_some())
            }
        };
        if what.kind == "nothing" {
            assert!(!is_noticed, "{what}");
            return;
        }
        *counts.entry(what.kind).or_default() += 1;
        if !is_noticed {
            unnoticed.push(what.to_string());
        }
    });
    assert_eq!(unnoticed, [""; 0], "of {counts:?}");
    // A rule about no file, or no kind of access, is no configuration.
    assert!(refused < 30, "{refused}");
    assert!(counts.values().sum::<u32>() > 700, "{counts:?}");
}
