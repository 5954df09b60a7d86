//! From `vespid plugin new` to a component that finds something, and what goes wrong on the way.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test's panic is its report")]
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

mod support;

/// An author's shell in a folder of their own.
struct Author {
    folder: TempDir,
}

impl Author {
    fn new() -> Author {
        Author {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn vespid(&self) -> Command {
        let mut vespid = support::vespid();
        // Dependencies are compiled once for all tests and runs.
        vespid.current_dir(self.folder.path()).env(
            "CARGO_TARGET_DIR",
            Path::new(env!("CARGO_TARGET_TMPDIR")).join("authoring"),
        );
        vespid
    }

    fn run(&self, args: &[&str]) -> Done {
        Done::of(self.vespid().args(args).output().unwrap())
    }

    fn edit(&self, path: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(path)).unwrap();
        assert!(text.contains(from), "{path} has no `{from}`");
        fs::write(self.path(path), text.replace(from, to)).unwrap();
    }
}

/// What a command came to.
#[derive(Debug)]
struct Done {
    code: Option<i32>,
    out: String,
    said: String,
}

impl Done {
    fn of(output: Output) -> Done {
        Done {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            said: String::from_utf8(output.stderr).unwrap(),
        }
    }

    #[track_caller]
    fn well(self) -> String {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self.out
    }

    #[track_caller]
    fn fails(self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:#?}");
        for word in words {
            assert!(self.said.contains(word), "no `{word}` in: {}", self.said);
        }
    }
}

#[test]
fn a_new_rust_plugin_builds_and_finds_what_its_case_says() {
    let author = Author::new();
    let told = author.run(&["plugin", "new", "port-watch"]).well();
    for file in [
        "src/lib.rs",
        "port-watch.toml",
        "vespid plugin build",
        "vespid plugin test",
    ] {
        assert!(told.contains(file), "{told}");
    }

    let built = author.run(&["plugin", "build", "port-watch"]).well();
    assert!(built.contains("vespid:plugin@0.1.0, subscribes to execs"), "{built}");

    let inspected = author
        .run(&["plugin", "inspect", "port-watch/port-watch.wasm", "--json"])
        .well();
    let inspected: Value = serde_json::from_str(&inspected).unwrap();
    assert_eq!(inspected["plugin"]["name"], "port-watch");
    assert_eq!(inspected["metrics"][0]["labels"][0], "place");
    assert_eq!(inspected["config_schema"]["properties"]["folders"]["type"], "array");
    assert_eq!(inspected["function_names"], true, "a trap's backtrace has names");
    assert!(inspected["bytes"]["code"].as_u64() > Some(0), "{inspected}");

    let tested = author.run(&["plugin", "test", "port-watch"]).well();
    assert!(tested.contains("2 passed, 0 failed"), "{tested}");

    let replayed = author
        .run(&[
            "replay",
            "port-watch/fixtures/web-shell.jsonl.zst",
            "--plugins",
            "port-watch",
        ])
        .well();
    let rules: Vec<Value> = replayed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rules.len(), 1, "{replayed}");
    assert_eq!(rules[0]["rule"], "run-from-folder");

    let before = fs::read(author.path("port-watch/port-watch.wasm")).unwrap();
    author.edit("port-watch/src/lib.rs", "exec.failed()", "exec.faild()");
    author
        .run(&["plugin", "build", "port-watch"])
        .fails(1, &["no method named `faild`", "compiling with cargo failed"]);
    assert_eq!(
        fs::read(author.path("port-watch/port-watch.wasm")).unwrap(),
        before,
        "the last component that was built stays"
    );
    author.edit("port-watch/src/lib.rs", "exec.faild()", "exec.failed()");
    let counts = "self.runs.with([b\"watched\"]).inc();";
    author.edit("port-watch/src/lib.rs", counts, "panic!(\"a gap\");");
    author.run(&["plugin", "build", "port-watch"]).well();
    let tested = author.run(&["plugin", "test", "port-watch"]);
    let line = tested.out.lines().find(|line| line.contains("panicked at src/lib.rs:"));
    assert!(
        line.is_some_and(|line| line.contains(": a gap: wasm trap")),
        "{tested:?}"
    );
    assert!(tested.out.contains("in <port_watch::Detector as "), "{tested:?}");
    tested.fails(1, &[]);
    author.edit("port-watch/src/lib.rs", "panic!(\"a gap\");", counts);
    author.edit("port-watch/src/lib.rs", ".execs();", ";");
    author
        .run(&["plugin", "build", "port-watch"])
        .fails(4, &["subscribes to no table"]);
}

#[test]
fn every_language_brings_the_interface_a_case_and_what_it_is_built_with() {
    for language in ["rust", "c", "python", "js"] {
        let author = Author::new();
        author.run(&["plugin", "new", "a", "--lang", language]).well();
        let wit = fs::read(author.path("a/wit/vespid.wit")).unwrap();
        assert_eq!(wit, include_bytes!("../../wit/vespid.wit"), "{language}");
        assert_eq!(author.path("a/sdk").exists(), ["rust", "c"].contains(&language));
        let project = fs::read_to_string(author.path("a/vespid-plugin.toml")).unwrap();
        assert!(project.contains(&format!("language = \"{language}\"")), "{project}");
    }
}

#[test]
fn the_interface_can_be_had_without_a_project() {
    let author = Author::new();
    for _ in ["made", "made anew"] {
        let told = author.run(&["plugin", "wit", "deep/er"]).well();
        assert!(told.contains("deep/er/vespid.wit: vespid:plugin@0.1.0"), "{told}");
        let wit = fs::read(author.path("deep/er/vespid.wit")).unwrap();
        assert_eq!(wit, include_bytes!("../../wit/vespid.wit"));
        fs::write(author.path("deep/er/vespid.wit"), "of an earlier daemon").unwrap();
    }
    fs::write(author.path("file"), "").unwrap();
    author
        .run(&["plugin", "wit", "file"])
        .fails(5, &["cannot write file/vespid.wit"]);
}

#[test]
fn a_plugin_may_be_called_what_its_language_calls_something_else() {
    let author = Author::new();
    let sdk = concat!(env!("CARGO_MANIFEST_DIR"), "/../sdk");
    for name in ["match", "self", "serde"] {
        author.run(&["plugin", "new", name, "--sdk", sdk]).well();
        author.run(&["plugin", "build", name]).well();
    }
    for (name, language) in [("int", "c"), ("class", "python"), ("await", "js")] {
        author.run(&["plugin", "new", name, "--lang", language]).well();
    }
    author.run(&["plugin", "build", "int"]).well();
}

#[test]
fn what_cannot_be_a_plugins_name_is_refused_and_leaves_nothing() {
    let author = Author::new();
    for name in ["Port-Watch", "1st", "port_watch", "../up", "vespid-x"] {
        author
            .run(&["plugin", "new", name])
            .fails(2, &[name, "cannot be a plugin"]);
    }
    assert_eq!(fs::read_dir(author.folder.path()).unwrap().count(), 0);
}

#[test]
fn a_folder_with_something_in_it_is_left_alone_and_an_empty_one_is_used() {
    let author = Author::new();
    fs::create_dir(author.path("mine")).unwrap();
    author.run(&["plugin", "new", "mine"]).well();
    author.run(&["plugin", "new", "mine"]).fails(2, &["mine", "--in"]);
    fs::write(author.path("taken"), "a file").unwrap();
    author.run(&["plugin", "new", "taken"]).fails(2, &["taken"]);
    assert_eq!(fs::read_to_string(author.path("taken")).unwrap(), "a file");
    author.run(&["plugin", "new", "mine", "--in", "deep/er"]).well();
    assert!(author.path("deep/er/mine/Cargo.toml").exists());
}

#[test]
fn an_sdk_of_ones_own_is_depended_on_and_something_else_is_refused() {
    let author = Author::new();
    let sdk = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../sdk")
        .canonicalize()
        .unwrap();
    let sdk = sdk.to_str().unwrap();
    author.run(&["plugin", "new", "a", "--sdk", sdk]).well();
    let manifest = fs::read_to_string(author.path("a/Cargo.toml")).unwrap();
    assert!(manifest.contains(&format!("path = \"{sdk}\"")), "{manifest}");
    assert!(!author.path("a/sdk").exists());
    author
        .run(&["plugin", "new", "b", "--sdk", "a"])
        .fails(2, &["vespid-plugin"]);
    author
        .run(&["plugin", "new", "b", "--lang", "c", "--sdk", sdk])
        .fails(2, &["--sdk", "wit/"]);
    assert!(!author.path("b").exists());
}

#[test]
fn a_folder_that_is_no_project_says_how_to_make_one() {
    let author = Author::new();
    author
        .run(&["plugin", "build"])
        .fails(2, &["vespid-plugin.toml", "vespid plugin new"]);
}

#[test]
fn a_missing_target_or_compiler_is_named_with_the_command_that_installs_it() {
    let author = Author::new();
    author.run(&["plugin", "new", "a"]).well();
    // A compiler that knows only this machine, and no toolchain of Vespid's own.
    let programs = author.path("bin");
    let sysroot = author.path("sysroot");
    fs::create_dir_all(sysroot.join("lib/rustlib/x86_64-unknown-linux-gnu")).unwrap();
    fs::create_dir(&programs).unwrap();
    let build = || {
        let mut vespid = author.vespid();
        vespid.args(["plugin", "build", "a"]).env("PATH", &programs);
        Done::of(vespid.env("VESPID_TOOLCHAIN", author.path("none")).output().unwrap())
    };
    build().fails(1, &["`cargo` is missing", "rustup.rs"]);
    for (program, text) in [
        ("cargo", "#!/bin/sh\nexit 1\n".to_owned()),
        ("rustup", "#!/bin/sh\nexit 1\n".to_owned()),
        ("rustc", format!("#!/bin/sh\necho {}\n", sysroot.display())),
    ] {
        let file = programs.join(program);
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }
    build().fails(1, &["rustup target add wasm32-unknown-unknown"]);
    fs::create_dir_all(sysroot.join("lib/rustlib/wasm32-unknown-unknown/lib")).unwrap();
    build().fails(
        1,
        &["`wasm-component-ld` is missing", "cargo install wasm-component-ld"],
    );
}

#[test]
fn of_a_refused_component_everything_readable_is_told() {
    let author = Author::new();
    let write = |name: &str, text: &str| fs::write(author.path(name), wat::parse_str(text).unwrap()).unwrap();
    write(
        "wasi.wasm",
        r#"(component
            (import "wasi:cli/stdin@0.2.0" (instance))
            (core module (memory 2))
            (instance $guest)
            (export "vespid:plugin/guest@0.1.0" (instance $guest)))"#,
    );
    let done = author.run(&["plugin", "inspect", "wasi.wasm"]);
    assert!(done.out.contains("imports      wasi:cli/stdin@0.2.0"), "{done:?}");
    assert!(done.out.contains("131.07 kB to begin with"), "{done:?}");
    done.fails(4, &["no access to the system"]);

    let done = author.run(&["plugin", "check", "wasi.wasm", "--json"]);
    let told: Value = serde_json::from_str(&done.out).unwrap();
    assert!(told["refused"].as_str().unwrap().contains("wasi:cli/stdin"), "{told}");
    assert_eq!(told["exports"][0], "vespid:plugin/guest@0.1.0");
    done.fails(4, &[]);

    write("core.wasm", r#"(module (import "env" "clock" (func)))"#);
    let done = author.run(&["plugin", "inspect", "core.wasm"]);
    assert!(done.out.contains("env.clock"), "{done:?}");
    done.fails(4, &["core module"]);
    author.run(&["plugin", "inspect", "none.wasm"]).fails(4, &["none.wasm"]);
}

#[test]
fn a_component_is_refused_for_the_configuration_beside_it_and_still_told_about() {
    let author = Author::new();
    fs::copy(support::plugins().join("tcp-stats.wasm"), author.path("tcp-stats.wasm")).unwrap();
    let told = author.run(&["plugin", "inspect", "tcp-stats.wasm"]).well();
    for line in ["scan.ports", "tcp_stats_rtt", "subscribes   connections"] {
        assert!(told.contains(line), "no `{line}` in {told}");
    }
    fs::write(author.path("tcp-stats.toml"), "[scan]\nprots = 3\n").unwrap();
    let done = author.run(&["plugin", "inspect", "tcp-stats.wasm"]);
    assert!(done.out.contains("scan.ports"), "{done:?}");
    done.fails(4, &["scan.prots", "did you mean `ports`"]);
}

#[test]
fn a_bench_counts_the_same_instructions_every_time() {
    let author = Author::new();
    let (plugin, fixtures) = (support::plugins().join("exec-anomaly.wasm"), Path::new("../fixtures"));
    let recording = fixtures.join("exec-burst.jsonl.zst").canonicalize().unwrap();
    let (plugin, recording) = (plugin.to_str().unwrap(), recording.to_str().unwrap());
    let bench = |more: &[&str]| {
        let args = [&["plugin", "bench", plugin, "--on", recording, "--json"], more].concat();
        serde_json::from_str::<Value>(&author.run(&args).well()).unwrap()
    };
    let (first, second) = (bench(&[]), bench(&[]));
    assert!(first["fuel_per_event"].as_f64() > Some(1.0), "{first}");
    for figure in [
        "events",
        "fuel_per_event",
        "fuel_per_tick",
        "memory_peak_bytes",
        "snapshot_bytes",
        "verdicts",
    ] {
        assert_eq!(first[figure], second[figure], "{figure}");
    }
    let single = bench(&["--batch", "1"]);
    assert_eq!(single["batches"], single["events"]);
    assert!(
        single["fuel_per_event"].as_f64() > first["fuel_per_event"].as_f64(),
        "a call has a price"
    );
}

#[test]
fn a_plugin_that_fails_has_no_figures() {
    let author = Author::new();
    fs::write(author.path("zoo.toml"), "batch = \"trap\"\n").unwrap();
    fs::copy(support::zoo(), author.path("zoo.wasm")).unwrap();
    let recording = Path::new("../fixtures/exec-burst.jsonl.zst").canonicalize().unwrap();
    author
        .run(&["plugin", "bench", "zoo.wasm", "--on", recording.to_str().unwrap()])
        .fails(1, &["the plugin trapped", "dig_a_hole", "at call"]);
}

#[test]
fn a_bench_needs_events_that_the_plugin_wants() {
    let author = Author::new();
    let plugin = support::plugins().join("tcp-stats.wasm");
    let recording = Path::new("../fixtures/sensitive-read.jsonl.zst")
        .canonicalize()
        .unwrap();
    let (plugin, recording) = (plugin.to_str().unwrap(), recording.to_str().unwrap());
    author
        .run(&["plugin", "bench", plugin, "--on", recording])
        .fails(2, &["no event that tcp-stats subscribes to"]);
    author
        .run(&["plugin", "bench", plugin, "--on", "none"])
        .fails(6, &["none"]);
    author
        .run(&["plugin", "bench", recording, "--on", recording])
        .fails(4, &["not WebAssembly"]);
}
