//! Compilers that misbehave.
use std::time::Duration;

use super::super::child::ChildLimits;
use super::super::error::CompileError;
use super::{component, load, shell};
use crate::plugin::refusal::Why;

fn quick() -> ChildLimits {
    ChildLimits {
        time: Duration::from_millis(100),
        idle: Duration::from_millis(300),
        code_bytes: 1 << 20,
        ..ChildLimits::default()
    }
}

#[track_caller]
fn refuse(line: &str, limits: ChildLimits, expected: &[&str]) -> String {
    let why = load(Some(shell(line, limits)), None, &component(1)).err();
    let why = why.expect("there is no code").to_string();
    for part in expected {
        assert!(why.contains(part), "{why}");
    }
    why
}

#[test]
fn a_compiler_that_crashes_is_named_with_its_last_words() {
    let expected = [
        "exit status: 101",
        "internal error; at line 7",
        "report it together with the file",
    ];
    refuse(
        "cat >/dev/null; echo internal error >&2; echo at line 7 >&2; exit 101",
        ChildLimits::default(),
        &expected,
    );
    refuse("exit 9", ChildLimits::default(), &["exit status: 9", "it said nothing"]);
    refuse("kill -SEGV $$", ChildLimits::default(), &["signal: 11"]);
    let why = refuse(
        r"printf '\033[2Jrm\n' >&2; exit 9",
        ChildLimits::default(),
        &[r"\x1b[2Jrm"],
    );
    assert!(!why.contains('\u{1b}'), "a terminal would obey that");
}

#[test]
fn a_compiler_that_somebody_kills_in_the_middle() {
    let line = "head -c 10 >/dev/null; printf half; kill -KILL $$";
    refuse(line, ChildLimits::default(), &["was killed", "when memory is short"]);
}

#[test]
fn a_compiler_that_runs_out_of_memory() {
    let line = "echo memory allocation of 123 bytes failed >&2; kill -ABRT $$";
    refuse(line, ChildLimits::default(), &["more than 4096 MiB of memory"]);
}

#[test]
fn a_compiler_that_takes_too_long() {
    let expected = ["given up after 0.1 s of processor time"];
    // Whatever it does meanwhile.
    refuse("while :; do echo still here >&2; done", quick(), &expected);
    refuse("trap '' TERM INT HUP; while :; do :; done", quick(), &expected);
    refuse("kill -XCPU $$", quick(), &expected);
}

#[test]
fn a_compiler_that_does_nothing() {
    let expected = ["has done nothing for 0.3 s", "load the file again"];
    refuse("exec sleep 1000", quick(), &expected);
    refuse("exec >&- 2>&- <&-; exec sleep 1000", quick(), &expected);
    refuse("kill -STOP $$", quick(), &expected);
}

#[test]
fn a_compiler_that_gets_on_slowly_may_take_any_time() {
    let limits = ChildLimits {
        time: Duration::from_secs(10),
        idle: Duration::from_secs(2),
        ..quick()
    };
    let line = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 0.25; echo $i >&2; done; exit 1";
    refuse(line, limits, &["exit status: 1"]);
}

#[test]
fn a_compiler_that_writes_without_end() {
    let long = ChildLimits {
        time: Duration::from_mins(1),
        idle: Duration::from_mins(1),
        ..quick()
    };
    refuse("exec cat /dev/zero", long.clone(), &["more than 1 MiB of code"]);
    let why = refuse(
        "head -c 10000000 /dev/zero | tr '\\0' x >&2; exit 1",
        long,
        &["exit status: 1"],
    );
    assert!(why.len() < 5_000, "its words are not kept without end");
}

#[test]
fn a_component_reaches_the_compiler_whatever_its_size() {
    let mut large = component(1);
    large.resize(5_000_000, 0);
    let why = load(Some(shell("wc -c >&2; exit 1", ChildLimits::default())), None, &large).err();
    assert!(why.expect("there is no code").to_string().contains("5000000"));
    // Or does not, because the compiler has seen enough.
    let why = load(
        Some(shell("echo enough >&2; exit 4", ChildLimits::default())),
        None,
        &large,
    )
    .err();
    assert!(matches!(why, Some(Why::Invalid(said)) if said == "enough"));
}

#[test]
fn what_is_no_code_is_not_run() {
    for line in ["exit 0", "echo surely code", "head -c 100000 /dev/zero", "cat"] {
        let expected = ["its code cannot be used", "the same program as the daemon"];
        refuse(line, ChildLimits::default(), &expected);
    }
}

#[test]
fn a_compiler_that_is_not_there() {
    let limits = ChildLimits::default();
    let missing = super::Compiler::Child(super::Child {
        program: "/nowhere/vespid".into(),
        arguments: vec![],
        limits,
    });
    let why = load(Some(missing), None, &component(1)).expect_err("there is no code");
    assert!(matches!(why, Why::Compile(CompileError::Start { .. })));
    assert!(
        why.to_string()
            .contains("/nowhere/vespid cannot be started: No such file"),
        "{why}"
    );
}

#[test]
fn nothing_that_it_started_outlives_it() {
    let why = refuse(
        "sleep 1000 & echo $! >&2; exit 9",
        ChildLimits::default(),
        &["exit status: 9"],
    );
    let after = why.split("9): ").nth(1).expect("what it said");
    let pid: u32 = after
        .split(';')
        .next()
        .expect("its words")
        .trim()
        .parse()
        .expect("a number");
    let is_alive = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The orphan may wait to be collected.
        stat.contains("(sleep)") && !stat.contains(") Z ")
    };
    while is_alive() {
        std::thread::yield_now();
    }
}

#[test]
fn it_gets_its_limits_and_an_environment_of_its_own() {
    let expected = ["--memory-bytes=4294967296", "--cpu-seconds="];
    refuse(r#"echo "$0 $@" >&2; exit 1"#, ChildLimits::default(), &expected);
    let why = refuse(
        "export -p >&2; pwd >&2; exit 1",
        ChildLimits::default(),
        &["RAYON_NUM_THREADS", "; /"],
    );
    for inherited in ["HOME", "CARGO", "LD_LIBRARY_PATH"] {
        assert!(!why.contains(inherited), "{why}");
    }
}
