//! What the plugin promises, near misses included.
use vespid_plugin::errno::{EACCES, ENOENT};
use vespid_plugin::testing::{BatchBuilder, Harness, MILLISECOND, SECOND};

use super::*;

mod calls;

const MEMFD: u32 = 2;
const DELETED: u32 = 4;

fn start(config: &str) -> Harness<ExecAnomaly> {
    Harness::start(config).expect("a configuration")
}

/// The verdicts on one execution below bash.
fn judge(config: &str, make: impl FnOnce(&mut BatchBuilder, u32)) -> Vec<String> {
    let mut batch = BatchBuilder::new();
    let bash = batch.process("/usr/bin/bash").id();
    make(&mut batch, bash);
    start(config).batch(&batch).lines()
}

/// `count` executions of `/bin/true` below one shell, one every `step` nanoseconds.
fn storm(count: u64, step: u64) -> BatchBuilder {
    let mut batch = BatchBuilder::new();
    let make = batch.process("/usr/bin/make").id();
    let child = batch.process("/bin/true").parent(make).id();
    for i in 0..count {
        batch.at(i * step).exec(child);
    }
    batch
}

#[test]
fn a_burst_is_reported_when_it_starts_and_when_it_ends() {
    let mut plugin = start("{}");
    let outcome = plugin.batch(&storm(200, 5 * MILLISECOND));
    let started =
        "warning exec-burst: children of make (pid 1000, host) executed more than 50 times within 1 s, last /bin/true";
    assert_eq!(outcome.lines(), [started]);
    assert_eq!(plugin.value("bursts", []), Some(1.0));
    assert_eq!(plugin.tick(5 * SECOND).lines(), [""; 0]);
    let ended = "notice exec-burst-ended: children of make (pid 1000, host) executed 200 times in 1.0 s";
    assert_eq!(plugin.tick(6 * SECOND).lines(), [ended]);
    assert_eq!(plugin.value("bursts", []), Some(0.0));
}

#[test]
fn fifty_a_second_are_no_burst_and_failed_ones_do_not_count() {
    assert_eq!(start("{}").batch(&storm(500, 20 * MILLISECOND)).lines(), [""; 0]);
    let mut failing = storm(0, 0);
    for _ in 0..200 {
        failing.exec(1).fails(ENOENT);
    }
    let mut plugin = start("{}");
    assert_eq!(plugin.batch(&failing).lines(), [""; 0]);
    assert_eq!(plugin.value("execs", ["host", "not-found"]), Some(200.0));
}

#[test]
fn bursts_are_counted_by_parent_and_container() {
    let mut batch = BatchBuilder::new();
    let containers = [
        batch.container("aaaaaaaaaaaaaaaa", "a"),
        batch.container("bbbbbbbbbbbbbbbb", "b"),
    ];
    let parent = batch.process("/usr/bin/containerd-shim").id();
    for container in containers {
        let child = batch.process("/bin/true").parent(parent).container(container).id();
        for _ in 0..40 {
            batch.exec(child);
        }
    }
    assert_eq!(start("{}").batch(&batch).lines(), [""; 0]);
}

#[test]
fn an_executable_in_a_temporary_folder_is_reported() {
    let lines = judge("{}", |batch, bash| {
        let dropped = batch.process("/dev/shm/.x/miner").parent(bash).id();
        batch.exec(dropped);
    });
    assert_eq!(
        lines,
        ["warning run-from-tmp: bash (pid 1000) runs /dev/shm/.x/miner from a temporary folder"]
    );
}

#[test]
fn a_script_in_a_temporary_folder_is_reported_however_it_is_named() {
    let expected = ["warning run-from-tmp: bash (pid 1000) runs /tmp/a.sh from a temporary folder"];
    let script = |filename: &'static str, args: [&'static str; 3]| {
        judge("{}", move |batch, bash| {
            let sh = batch.process("/usr/bin/dash").parent(bash).cwd("/tmp").args(args).id();
            batch.exec(sh).filename(filename);
        })
    };
    assert_eq!(script("./a.sh", ["/bin/sh", "./a.sh", ""]), expected);
    assert_eq!(script("/bin/sh", ["sh", "-x", "/tmp/a.sh"]), expected);
    assert_eq!(script("/bin/sh", ["sh", "-c", "/tmp/a.sh"]), [""; 0]);
    assert_eq!(script("/bin/sh", ["sh", "/home/eve/a.sh", "/tmp/input"]), [""; 0]);
}

#[test]
fn what_only_looks_temporary_or_is_excepted_is_not_reported() {
    let run = |config: &str, exe: &str| {
        judge(config, |batch, bash| {
            let process = batch.process(exe).parent(bash).id();
            batch.exec(process);
        })
    };
    assert_eq!(run("{}", "/tmpfiles/tool"), [""; 0]);
    assert_eq!(run("{}", "/home/eve/tmp/tool"), [""; 0]);
    assert_eq!(
        run(r#"{"except": ["/tmp/go-build*/**"]}"#, "/tmp/go-build12/b001/exe/main"),
        [""; 0]
    );
    assert_eq!(run("{}", "/tmp/go-build12/b001/exe/main").len(), 1);
}

#[test]
fn a_program_in_memory_is_critical_unless_it_is_a_container_runtime() {
    let run = |exe: &str, flags: u32| {
        judge("{}", |batch, bash| {
            let process = batch.process(exe).parent(bash).flags(flags).id();
            batch.exec(process).filename("/proc/self/fd/3");
        })
    };
    assert_eq!(
        run("memfd:kthreadd", MEMFD | DELETED),
        ["critical run-from-memory: bash (pid 1000) runs a program that exists in memory only (memfd:kthreadd)"]
    );
    assert_eq!(run("memfd:runc_cloned:/proc/self/exe", MEMFD | DELETED), [""; 0]);
    assert_eq!(
        run("/usr/bin/gone", DELETED),
        ["warning run-deleted: bash (pid 1000) runs /usr/bin/gone, which has been deleted"]
    );
}

#[test]
fn repetitions_become_a_count() {
    let mut plugin = start("{}");
    let mut batch = BatchBuilder::new();
    let bash = batch.process("/usr/bin/bash").id();
    let tool = batch.process("/tmp/tool").parent(bash).id();
    (0..30).for_each(|i| {
        batch.at(i * SECOND).exec(tool);
    });
    assert_eq!(plugin.batch(&batch).rules(), ["run-from-tmp"]);
    assert_eq!(plugin.value("hits", ["run-from-tmp", "host"]), Some(30.0));
    assert_eq!(
        plugin.tick(60 * SECOND).lines(),
        [
            "warning run-from-tmp-repeated: 29 more times in 60 s: bash (pid 1000) runs /tmp/tool from a temporary folder"
        ]
    );
}

#[test]
fn a_shell_below_a_server_is_critical_at_any_depth() {
    let mut batch = BatchBuilder::new();
    let nginx = batch.process("/usr/sbin/nginx").id();
    let php = batch.process("/usr/bin/env").parent(nginx).id();
    let sh = batch.process("/usr/bin/dash").parent(php).args(["sh", "-c", "id"]).id();
    batch.exec(sh);
    let outcome = start("{}").batch(&batch);
    assert_eq!(
        outcome.lines(),
        ["critical shell-below-server: dash started below nginx (pid 1000) through env: sh -c id"]
    );
    assert!(outcome.verdicts[0].tags.contains(&"T1505.003".to_owned()));
}

#[test]
fn a_server_that_turns_into_a_shell_is_reported() {
    let mut batch = BatchBuilder::new();
    let init = batch.process("/usr/lib/systemd/systemd").id();
    let redis = batch.process("/usr/bin/redis-server").parent(init).id();
    let sh = batch.process("/bin/bash").parent(init).args(["bash", "-i"]).id();
    batch.processes_mut()[sh as usize].pid = 1001;
    batch.exec(sh).previous(redis);
    assert_eq!(
        start("{}").batch(&batch).lines(),
        ["critical shell-below-server: bash started in place of redis-server (pid 1001): bash -i"]
    );
}

#[test]
fn an_interpreter_is_a_server_by_its_arguments_and_a_build_tool_is_none() {
    let below = |exe: &str, args: [&str; 3], config: &str| {
        let mut batch = BatchBuilder::new();
        let parent = batch.process(exe).args(args).id();
        let sh = batch.process("/bin/sh").parent(parent).args(["sh", "-c", "ls"]).id();
        batch.exec(sh);
        start(config).batch(&batch).verdicts.len()
    };
    assert_eq!(below("/usr/bin/python3.11", ["python3", "-m", "http.server"], "{}"), 1);
    assert_eq!(below("/usr/bin/python3.11", ["python3", "-m", "pytest"], "{}"), 0);
    assert_eq!(below("/usr/bin/node", ["node", "/srv/app.js", ""], "{}"), 1);
    assert_eq!(
        below(
            "/usr/bin/node",
            ["node", "/usr/lib/node_modules/npm/bin/npm-cli.js", "ci"],
            "{}"
        ),
        0
    );
    assert_eq!(below("/usr/sbin/sshd", ["sshd", "-D", ""], "{}"), 0);
    assert_eq!(
        below(
            "/usr/sbin/nginx",
            ["nginx", "-g", ""],
            r#"{"servers": {"except_commands": ["sh -c ls"]}}"#
        ),
        0
    );
}

/// A shell that runs `programs`, one a second, from second `from` on.
fn runs(from: u64, programs: &[&str]) -> BatchBuilder {
    let mut batch = BatchBuilder::new();
    let bash = batch.process("/bin/bash").id();
    for (i, program) in (0..).zip(programs) {
        let process = batch.process(program).parent(bash).id();
        batch.at((from + i) * SECOND).exec(process);
    }
    batch
}

#[test]
fn a_new_pair_is_reported_after_the_learning_time_and_only_once() {
    let mut plugin = start(r#"{"novelty": {"learning_seconds": 100}}"#);
    assert_eq!(plugin.batch(&runs(0, &["/bin/ls", "/bin/cat"])).lines(), [""; 0]);
    assert_eq!(plugin.value("learning", []), Some(1.0));
    assert_eq!(plugin.batch(&runs(99, &["/bin/id"])).lines(), [""; 0], "still learning");
    assert_eq!(
        plugin
            .batch(&runs(100, &["/bin/ls", "/bin/id", "/usr/bin/nc", "/usr/bin/nc"]))
            .lines(),
        ["notice new-program: /bin/bash runs /usr/bin/nc for the first time"]
    );
    assert_eq!(plugin.value("learning", []), Some(0.0));
    assert_eq!(plugin.value("known_pairs", []), Some(4.0));
}

#[test]
fn what_was_learned_survives_a_new_instance() {
    let mut plugin = start(r#"{"novelty": {"learning_seconds": 100}}"#);
    plugin.batch(&runs(0, &["/bin/ls"]));
    assert_eq!(plugin.replace(), Restored::Warm);
    let lines = plugin.batch(&runs(200, &["/bin/ls", "/bin/new"])).lines();
    assert_eq!(
        lines,
        ["notice new-program: /bin/bash runs /bin/new for the first time"]
    );
}

#[test]
fn a_deployment_does_not_flood() {
    let mut plugin = start(r#"{"novelty": {"learning_seconds": 1, "max_per_minute": 2}}"#);
    plugin.batch(&runs(0, &["/bin/ls"]));
    assert_eq!(
        plugin
            .batch(&runs(10, &["/bin/a", "/bin/b", "/bin/c", "/bin/d"]))
            .verdicts
            .len(),
        2
    );
    assert_eq!(plugin.value("withheld", ["new-program"]), Some(2.0));
}

#[test]
fn executions_are_counted_by_container_and_result() {
    let mut plugin = start("{}");
    let mut batch = BatchBuilder::new();
    let container = batch.container("0123456789abcdef", "shop");
    let app = batch.process("/app/run").container(container).id();
    batch.exec(app);
    batch.exec(app).fails(EACCES);
    plugin.batch(&batch);
    assert_eq!(plugin.value("execs", ["0123456789ab", "ok"]), Some(1.0));
    assert_eq!(plugin.value("execs", ["0123456789ab", "denied"]), Some(1.0));
}

#[test]
fn the_shipped_configuration_is_the_default() {
    let shipped: Config = toml::from_str(include_str!("../exec-anomaly.toml")).expect("a configuration");
    assert_eq!(shipped, Config::default());
}

#[test]
fn a_wrong_configuration_says_what_is_wrong() {
    let refusal = |config: &str| Harness::<ExecAnomaly>::start(config).err().expect("a refusal");
    assert_eq!(
        refusal(r#"{"burst": {"limits": 5}}"#),
        "unknown key `burst.limits`; did you mean `limit`?"
    );
    assert_eq!(
        refusal(r#"{"places": {"temporary": ["tmp"]}}"#),
        "`places.temporary[0]` is no absolute path"
    );
}
