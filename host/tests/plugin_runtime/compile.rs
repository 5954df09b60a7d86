//! Components compiled by the real program in a process of its own.
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use vespid::plugin::{Cache, CacheLimits, Child, ChildLimits, CompileError, Compiler, Engine, Limits, Plugin, Why};

use crate::support::{NO_LOSS, config, opens, small_limits, zoo_file};

const VESPID: &str = env!("CARGO_BIN_EXE_vespid");

fn child(limits: ChildLimits) -> Compiler {
    Compiler::Child(Child {
        program: VESPID.into(),
        arguments: vec!["compile".into()],
        limits,
    })
}

fn refuse(bytes: &[u8], limits: ChildLimits) -> Why {
    let engine = Engine::with(child(limits), None).expect("an engine");
    let refusal = Plugin::from_bytes(&engine, Path::new("strange.wasm"), bytes, &Limits::default());
    refusal.err().expect("it is refused").why
}

#[test]
fn a_plugin_is_compiled_elsewhere_and_then_comes_from_the_cache() {
    let directory = tempfile::tempdir().expect("a directory");
    let cache = || Some(Cache::open(directory.path(), CacheLimits::default()).expect("a cache"));
    let nobody = Compiler::Child(Child {
        program: "/nowhere".into(),
        arguments: vec![],
        limits: ChildLimits::default(),
    });
    let here = Plugin::load(&Engine::new().expect("an engine"), &zoo_file(), &small_limits()).expect("a plugin");
    for compiler in [child(ChildLimits::default()), nobody] {
        let engine = Engine::with(compiler, cache()).expect("an engine");
        let begin = Instant::now();
        let zoo = Plugin::load(&engine, &zoo_file(), &small_limits()).expect("the zoo is a plugin");
        println!("loaded in {:?}", begin.elapsed());
        assert_eq!(zoo.identity, here.identity);
        let mut instance = zoo.start(&config("{}"), None).expect("it starts");
        instance.on_batch(&opens(1, 10), NO_LOSS).expect("it runs");
        // A trap in such code is one of the guest's, told from where it was.
        let mut instance = zoo.start(&config(r#"{"batch": "trap"}"#), None).expect("it starts");
        let failure = instance.on_batch(&opens(1, 10), NO_LOSS).expect_err("it traps");
        assert!(failure.to_string().contains("in zoo::dig_a_hole"), "{failure}");
    }
}

#[test]
fn bytes_that_were_read_elsewhere_have_the_same_limit() {
    let engine = Engine::new().expect("an engine");
    let limits = Limits {
        file_bytes: 99,
        ..Limits::default()
    };
    let refusal = Plugin::from_bytes(&engine, Path::new("large.wasm"), &[0; 100], &limits);
    let refusal = refusal.err().expect("it is refused");
    assert!(matches!(refusal.why, Why::TooLarge { max: 99 }), "{refusal}");
}

#[test]
fn what_only_the_compiler_finds_invalid_is_told_as_by_a_compiler_in_process() {
    // Nobody looks into a function before it is compiled.
    let text = r#"(component
        (core module (func (result i32) i64.const 1))
        (instance $i) (export "vespid:plugin/guest@0.1.0" (instance $i)))"#;
    let bytes = wat::parse_str(text).expect("valid text");
    let there = refuse(&bytes, ChildLimits::default()).to_string();
    let here = Plugin::from_bytes(
        &Engine::new().expect("an engine"),
        Path::new("strange.wasm"),
        &bytes,
        &Limits::default(),
    );
    let here = here.err().expect("it is refused").why.to_string();
    assert_eq!(there, here);
    assert!(there.contains("type mismatch"), "{there}");
}

#[test]
fn memory_that_does_not_suffice_ends_the_compiler_alone() {
    let zoo = std::fs::read(zoo_file()).expect("the zoo");
    // Enough, too little to compile it, too little to start with.
    let compile = |mebibytes: u64| {
        let limits = ChildLimits {
            memory_bytes: mebibytes << 20,
            ..ChildLimits::default()
        };
        let engine = Engine::with(child(limits), None).expect("an engine");
        Plugin::from_bytes(&engine, &zoo_file(), &zoo, &small_limits())
    };
    assert!(compile(1_000).is_ok());
    for mebibytes in [65, 10] {
        let why = compile(mebibytes).err().expect("it is too little").why;
        let is_told = matches!(
            why,
            Why::Compile(CompileError::OutOfMemory { .. } | CompileError::Crashed { .. })
        );
        assert!(is_told, "{mebibytes} MiB: {why}");
    }
}

#[test]
fn a_component_that_takes_the_compiler_ages_is_given_up() {
    let locals: String = (0..3_000)
        .map(|_| "(local.set 0 (i64.add (local.get 0) (local.get 1)))\n(br_if 0 (i64.eqz (local.get 1)))\n")
        .collect();
    let functions = format!("(func (param i64 i64) {locals})\n").repeat(100);
    let text = format!(
        r#"(component (core module {functions})
            (instance $i) (export "vespid:plugin/guest@0.1.0" (instance $i)))"#
    );
    let bytes = wat::parse_str(text).expect("valid text");
    let limits = ChildLimits {
        time: Duration::from_millis(200),
        ..ChildLimits::default()
    };
    let why = refuse(&bytes, limits);
    assert!(matches!(why, Why::Compile(CompileError::TooSlow { .. })), "{why}");
}

/// A file of a process in /proc.
fn proc(pid: u32, file: &str) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default()
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::yield_now();
    }
}

/// The last thing that a compiler gives up.
fn is_confined(pid: u32) -> bool {
    let limits = proc(pid, "limits");
    limits
        .lines()
        .any(|line| line.starts_with("Max open files") && line.contains(" 0  "))
}

#[test]
fn a_compiler_gives_up_what_it_does_not_need_and_ends_with_its_daemon() {
    let line = r#"exec 3<&0; "$0" compile --memory-bytes=3000000000 --cpu-seconds=77 <&3 & echo $!; wait"#;
    let mut daemon = Command::new("/bin/sh")
        .args(["-c", line, VESPID])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a shell");
    let mut said = BufReader::new(daemon.stdout.take().expect("a pipe"));
    let mut pid = String::new();
    said.read_line(&mut pid).expect("a line");
    let pid: u32 = pid.trim().parse().expect("a number");
    wait_until("it is confined", || is_confined(pid));

    let status = proc(pid, "status");
    let has = |line: &str| {
        status
            .lines()
            .any(|found| found.split_whitespace().eq(line.split_whitespace()))
    };
    for line in [
        "CapPrm: 0000000000000000",
        "CapEff: 0000000000000000",
        "NoNewPrivs: 1",
        "Threads: 1",
    ] {
        assert!(has(line), "{status}");
    }
    let limits = proc(pid, "limits");
    for (limit, soft, hard) in [
        ("Max cpu time", "77", "78"),
        ("Max address space", "3000000000", "3000000000"),
        ("Max file size", "0", "0"),
        ("Max core file size", "0", "0"),
    ] {
        let line = limits.lines().find(|line| line.starts_with(limit)).expect("a limit");
        let mut values = line.trim_start_matches(limit).split_whitespace();
        assert_eq!((values.next(), values.next()), (Some(soft), Some(hard)), "{line}");
    }
    let stat = proc(pid, "stat");
    let niceness = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(16));
    assert_eq!(niceness, Some("5"), "{stat}");
    assert_eq!(proc(pid, "oom_score_adj").trim(), "1000");

    daemon.kill().expect("killed");
    daemon.wait().expect("it ends");
    wait_until("the compiler has ended too", || {
        let stat = proc(pid, "stat");
        stat.is_empty() || stat.contains(") Z ")
    });
    // Nobody else holds its end of the pipe.
    said.read_to_end(&mut Vec::new()).expect("the end");
}

#[test]
fn the_compiler_is_not_for_people() {
    let help = Command::new(VESPID).arg("help").output().expect("vespid runs");
    let help = String::from_utf8(help.stdout).expect("text");
    assert!(help.contains("replay") && !help.contains("compile"), "{help}");
}
