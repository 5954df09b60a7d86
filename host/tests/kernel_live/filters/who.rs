//! Filters on users, executables and places, and those on names that no file is there for.
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use vespid::interface::vespid::plugin::describe::Kinds;

use super::pair::{Pair, subscription};
use crate::actor::actor;
use crate::groups::{Group, telling};

const TABLES: Kinds = Kinds::OPENS;

/// A script of a shell in the folder, told to nobody.
fn script(pair: &Pair, script: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.current_dir(pair.path()).args(["-c", script]);
    command.stderr(Stdio::null()).stdout(Stdio::null());
    command
}

/// Where a program is, as it is known by when it runs.
fn program(name: &str) -> String {
    let path = fs::canonicalize(format!("/usr/bin/{name}")).or_else(|_| fs::canonicalize(format!("/bin/{name}")));
    path.expect("a program").display().to_string()
}

#[test]
fn users_are_told_apart() {
    let Some(mut pair) = Pair::start() else { return };
    let folder = pair.path();
    fs::write(folder.join("marker"), "x").expect("a file");
    for (filters, is_wanted) in [
        (r#"[{"tables": ["opens"], "users": [65534]}]"#, true),
        (r#"[{"tables": ["opens"], "users": [0]}]"#, false),
        (
            r#"[{"tables": ["opens"], "users": [1, 65534], "paths": [{"glob": "/**/marker"}]},
                {"tables": ["opens"], "users": [7]}, {"tables": ["opens"], "outcomes": ["failed"]}]"#,
            true,
        ),
    ] {
        let seen = pair.run(
            &subscription(TABLES, filters),
            &mut actor("open-as-nobody", folder.join("marker"), std::path::Path::new("/")),
        );
        seen.check(filters);
        assert_eq!(seen.opened(&folder.join("marker")), is_wanted, "{filters}");
    }
}

/// What has run once is known when it runs again, and a shell is another program once it has become one.
#[test]
fn executables_are_told_apart() {
    let Some(mut pair) = Pair::start() else { return };
    let folder = pair.path();
    for name in ["by-cat", "by-head", "by-shell"] {
        fs::write(folder.join(name), "x").expect("a file");
    }
    let (cat, head) = (program("cat"), program("head"));
    if cat == head {
        eprintln!("SKIPPED: cat and head are one program here");
        return;
    }
    let executables = |tables: &str, pattern: &str| format!(r#"{{"tables": {tables}, "executables": [{pattern}]}}"#);
    let exact = |path: &str| format!(r#"{{"exact": "{path}"}}"#);
    let cases: [(String, &[&str]); 4] = [
        (format!("[{}]", executables(r#"["opens"]"#, &exact(&cat))), &["by-cat"]),
        (
            format!(
                "[{}, {}]",
                executables(r#"["opens", "changes"]"#, &exact(&head)),
                executables(r#"["privileged", "sockets", "execs"]"#, &exact("/none")),
            ),
            &["by-head"],
        ),
        (
            format!(
                "[{}]",
                executables(r#"["opens"]"#, r#"{"glob": "/{usr/,}bin/{h,[c]a}*"}"#)
            ),
            &["by-cat", "by-head"],
        ),
        (
            format!(
                r#"[{}, {{"tables": ["opens"], "paths": [{{"glob": "/**/by-shell"}}]}}]"#,
                executables(r#"["opens"]"#, &exact(&cat)),
            ),
            &["by-cat", "by-shell"],
        ),
    ];
    let tables = Kinds::OPENS | Kinds::CHANGES | Kinds::EXECS | Kinds::PRIVILEGED | Kinds::SOCKETS;
    for (filters, expected) in &cases {
        // The first time teaches.
        for _ in 0..2 {
            let mut command = script(
                &pair,
                "read _ < by-shell; cat by-cat; head by-head; (exec cat by-cat); cat by-cat & wait; head by-head; true",
            );
            let seen = pair.run(&subscription(tables, filters), &mut command);
            assert_eq!(seen.got, seen.expected, "{filters}");
            let found = ["by-cat", "by-head", "by-shell"]
                .into_iter()
                .filter(|name| seen.opened(&folder.join(name)));
            assert_eq!(found.collect::<Vec<_>>(), *expected, "{filters}");
        }
        let mut command = script(
            &pair,
            "cat by-cat; head by-head; cat by-cat; head by-head; read _ < by-shell",
        );
        pair.run(&subscription(tables, filters), &mut command).check(filters);
    }
}

/// A file that is renamed once it runs is known by the name that it was started by, and so is what it becomes by a fork.
#[test]
fn executables_are_known_by_the_name_that_they_were_started_by() {
    let Some(mut pair) = Pair::start() else { return };
    let folder = pair.path();
    fs::write(folder.join("marker"), "x").expect("a file");
    let shell = program("sh");
    let path = |name: &str| folder.join(name).display().to_string();
    let filters = format!(
        r#"[{{"tables": ["opens"], "executables": [{{"exact": "{}"}}]}}]"#,
        path("first")
    );
    for (name, other, expected) in [("first", "second", 2), ("second", "first", 0), ("first", "second", 2)] {
        fs::copy(&shell, folder.join(name)).expect("a copy");
        let mut command = Command::new(folder.join(name));
        let script = format!("mv {name} {other}; read _ < marker; (read _ < marker); rm {other}; true");
        // What is many programs in one goes by that.
        command.arg0("sh").current_dir(&folder).args(["-c", &script]);
        let seen = pair.run(&subscription(TABLES, &filters), &mut command);
        assert_eq!(seen.got, seen.expected, "{name}");
        let markers = seen
            .got
            .iter()
            .filter(|event| event["open"]["path"] == path("marker").as_str());
        assert_eq!(markers.count(), expected, "{name}");
    }
}

/// A process is where it was given its image.
#[test]
fn containers_are_told_from_the_node() {
    let Some(mut pair) = Pair::start() else { return };
    let Some(hierarchy) = telling() else { return };
    let (host, container) = (Group::within(&hierarchy, "host"), Group::like_a_container(&hierarchy));
    let folder = pair.path();
    for name in ["outside", "inside"] {
        fs::write(folder.join(name), "x").expect("a file");
    }
    let outside = Group::run(&[&host], &script(&pair, "cat outside; cat outside; (read _ < outside)"));
    let inside = Group::run(
        &[&container],
        &script(&pair, "cat inside; cat inside; (read _ < inside)"),
    );
    let both = |outside: &Command, inside: &Command| {
        let mut both = Command::new("/bin/sh");
        both.current_dir(&folder).stdout(Stdio::null()).stderr(Stdio::null());
        let line = |command: &Command| {
            let words = std::iter::once(command.get_program()).chain(command.get_args());
            let quoted = words.map(|word| format!("'{}'", word.to_string_lossy().replace('\'', r"'\''")));
            quoted.collect::<Vec<_>>().join(" ")
        };
        both.args(["-c", &format!("{}; {}", line(outside), line(inside))]);
        both
    };
    for (places, expected) in [(r#"["containers"]"#, "inside"), (r#"["host"]"#, "outside")] {
        let filters = format!(r#"[{{"tables": ["opens"], "places": {places}}}]"#);
        for is_first in [true, false] {
            let seen = pair.run(&subscription(TABLES, &filters), &mut both(&outside, &inside));
            assert_eq!(seen.got, seen.expected, "{filters}");
            for name in ["outside", "inside"] {
                assert_eq!(seen.opened(&folder.join(name)), name == expected, "{filters}: {name}");
            }
            if !is_first {
                seen.check(&filters);
            }
        }
    }
}

/// What is changed, and what cannot be executed, is known by its name as well.
#[test]
fn changes_and_failed_execs_are_told_apart_by_their_names() {
    let Some(mut pair) = Pair::start() else { return };
    let folder = pair.path();
    fs::create_dir_all(folder.join("etc/deeper")).expect("folders");
    let at = |path: &str| folder.join(path).display().to_string();
    for (tables, filters, expected) in [
        (
            Kinds::CHANGES,
            format!(
                r#"[{{"tables": ["changes"], "paths": [{{"exact": "{}"}}]}}]"#,
                at("etc/shadow")
            ),
            4,
        ),
        (
            Kinds::CHANGES,
            format!(
                r#"[{{"tables": ["changes"], "ops": [1], "paths": [{{"prefix": "{}"}}]}}]"#,
                at("etc/deeper/")
            ),
            2,
        ),
        (
            Kinds::CHANGES,
            r#"[{"tables": ["changes"], "outcomes": ["failed"], "paths": [{"glob": "/**/none"}]}]"#.to_owned(),
            1,
        ),
        (
            Kinds::CHANGES | Kinds::EXECS,
            r#"[{"tables": ["execs"], "outcomes": ["failed"], "paths": [{"glob": "/**/tool"}]},
                {"tables": ["changes"], "paths": [{"exact": "/nowhere"}]}]"#
                .to_owned(),
            1,
        ),
    ] {
        for name in ["etc/shadow", "etc/deeper/a", "b", "shadow"] {
            fs::write(folder.join(name), "x").expect("a file");
        }
        let mut command = script(
            &pair,
            "chmod 600 etc/shadow; chmod 640 ./etc/../etc//shadow; chmod 600 b shadow; rmdir none; mv etc/deeper/a c
             mv b etc/deeper/b; mv c etc/shadow; cd etc; mv shadow x; rm deeper/b; cd deeper; /none/of/tools/tool; ./other; true",
        );
        let seen = pair.run(&subscription(tables, &filters), &mut command);
        seen.check(&filters);
        assert!(seen.got.len() >= expected, "{filters}: {:#?}", seen.got);
    }
}
