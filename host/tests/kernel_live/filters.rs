//! What no plugin wants is left out in the kernel, and nothing else.
pub(crate) mod ends;
mod pair;
mod who;

use std::fs::{self, Permissions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use vespid::decode::{Scratch, decode};
use vespid::enrich::namespaces;
use vespid::event::Body;
use vespid::filter::Sift;
use vespid::interface::vespid::plugin::describe::Kinds;
use vespid::kernel::Counters;
use vespid_ebpf::{Kind, Outcome};

use self::pair::{Pair, subscription};
use crate::actor::actor;
use crate::harness::live;

/// Files and links in a folder, opened, renamed and removed in several ways.
fn script(folder: &Path) -> Command {
    fs::create_dir_all(folder.join("etc/cron.d/deeper")).expect("folders");
    fs::create_dir_all(folder.join("home/eve/.ssh")).expect("folders");
    for file in [
        "etc/shadow",
        "etc/passwd",
        "etc/cron.d/job",
        "etc/cron.d/deeper/job",
        "home/eve/.ssh/id_rsa",
        "shadow",
    ] {
        fs::write(folder.join(file), "x").expect("a file");
    }
    let mut command = Command::new("sh");
    command.current_dir(folder).args([
        "-c",
        "cat etc/shadow etc/passwd home/eve/.ssh/id_rsa shadow none etc/none/shadow > out
         echo y >> etc/cron.d/job; echo y > etc/cron.d/deeper/job; : > etc/shadow
         ln -sf etc/shadow link; cat link; cat etc/../etc/./shadow
         mv shadow shadow.old; chmod 600 shadow.old; chmod 600 none; rm shadow.old; ls / > out
         cat /none/etc/shadow etc/../none/./deeper/job ./etc/cron.d/none; cat etc/a-name-that-is-longer-than-thirty-one-bytes; true",
    ]);
    command.stderr(Stdio::null()).stdout(Stdio::null());
    command
}

#[test]
fn filtering_in_the_kernel_is_filtering_everything() {
    let Some(mut pair) = Pair::start() else { return };
    let folder = pair.path();
    let tables = Kinds::OPENS | Kinds::CHANGES | Kinds::EXECS | Kinds::PRIVILEGED | Kinds::SOCKETS;
    let at = |path: &str| folder.join(path).display().to_string();
    // Each is put in force while the one before it still is.
    let cases = [
        format!(r#"[{{"tables": ["opens"], "paths": [{{"exact": "{}"}}]}}]"#, at("etc/shadow")),
        format!(r#"[{{"tables": ["opens"], "accesses": ["write"], "paths": [{{"prefix": "{}"}}]}}]"#, at("etc/cron.d/")),
        format!(r#"[{{"tables": ["opens"], "paths": [{{"glob": "{}/{{root,home/*}}/.ssh/id_{{rsa,dsa}}"}}]}}]"#, folder.display()),
        r#"[{"tables": ["opens"], "paths": [{"glob": "/**/.ssh/*"}, {"glob": "/**/deeper/**"}]}]"#.into(),
        r#"[{"tables": ["opens"], "accesses": ["truncate", "create"]}]"#.into(),
        r#"[{"tables": ["opens"], "outcomes": ["failed"]}, {"tables": ["changes"], "outcomes": ["failed"]}]"#.into(),
        r#"[{"tables": ["changes"], "ops": [1, 3]}, {"tables": ["opens"], "outcomes": ["succeeded"], "paths": [{"exact": "/none"}]}]"#.into(),
        r#"[{"tables": ["execs"], "outcomes": ["failed"]}, {"tables": ["sockets"], "ops": [2]}, {"tables": ["privileged"], "ops": [1]},
            {"tables": ["opens"], "accesses": ["write"]}]"#.into(),
        "[]".into(),
    ];
    for filters in &cases {
        let seen = pair.run(&subscription(tables, filters), &mut script(&folder));
        assert_eq!(seen.got, seen.expected, "{filters}");
        assert!(
            seen.passed < seen.all || filters == "[]",
            "{filters} left nothing out of {}",
            seen.all
        );
        assert!(!seen.expected.is_empty(), "{filters} is about nothing here");
    }
}

#[test]
fn what_is_left_out_is_counted_and_is_no_record() {
    let Some(mut pair) = Pair::start() else { return };
    let folder = pair.path();
    fs::write(folder.join("marker"), "x").expect("a file");
    let none = subscription(
        Kinds::OPENS,
        r#"[{"tables": ["opens"], "paths": [{"exact": "/no/such/file"}], "outcomes": ["succeeded"]}]"#,
    );
    let opens = |counters: &Counters| {
        let filtered = counters.get(Kind::Open, Outcome::Filtered);
        (filtered, counters.produced(Kind::Open))
    };
    pair.sifted
        .sift(&Sift::of([&none], &namespaces::of_the_node()))
        .expect("a sieve");
    let before = opens(&pair.sifted.counters());
    let seen = pair.run(&none, &mut actor("open-many", "1000", &folder));
    let after = opens(&pair.sifted.counters());
    assert!(seen.all >= 1000 && seen.got.is_empty());
    assert!(after.0 - before.0 >= 1000, "{before:?} {after:?}");
    assert_eq!(seen.passed, seen.got.len(), "all of them were left out in the kernel");
}

/// Resolved paths cross mounts and end at the root of the process.
#[test]
fn paths_are_those_that_the_process_sees() {
    let Some(mut pair) = Pair::start() else { return };
    let folder = pair.path();
    for name in ["root", "folder"] {
        fs::create_dir(folder.join(name)).expect("a folder");
    }
    fs::write(folder.join("root/inside"), "x").expect("a file");
    fs::write(folder.join("outside"), "x").expect("a file");
    for (act, filters) in [
        (
            "open-in-chroot",
            r#"[{"tables": ["opens"], "paths": [{"exact": "/inside"}, {"glob": "/**/outside"}]}]"#,
        ),
        (
            "open-in-mount-namespace",
            r#"[{"tables": ["opens"], "paths": [{"glob": "/**/folder/*"}, {"glob": "/**/folder/**/x"}]}]"#,
        ),
        (
            "open-every-way",
            r#"[{"tables": ["opens"], "paths": [{"glob": "/**/by-{open,creat}"}]}]"#,
        ),
    ] {
        let seen = pair.run(&subscription(Kinds::OPENS, filters), &mut actor(act, "", &folder));
        assert_eq!(seen.got, seen.expected, "{act}");
        assert!(!seen.expected.is_empty(), "{act}");
    }
    let deep = subscription(
        Kinds::OPENS,
        r#"[{"tables": ["opens"], "paths": [{"glob": "/**/leaf"}, {"prefix": "/none/"}]}]"#,
    );
    let seen = pair.run(&deep, &mut actor("open-deep", "600", &folder));
    assert_eq!((seen.got.len(), &seen.got), (1, &seen.expected));
}

/// A process in a network namespace of its own.
struct Elsewhere(Child);

impl Elsewhere {
    fn start() -> Elsewhere {
        let mut command = Command::new("unshare");
        command.args(["-n", "sh", "-c", "echo; read _"]);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.expect("unshare");
        let mut line = [0];
        let out = child.stdout.as_mut().expect("its output");
        out.read_exact(&mut line).expect("it runs");
        Elsewhere(child)
    }

    fn network(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/ns/net", self.0.id()))
    }

    fn inode(&self) -> String {
        let link = fs::read_link(self.network()).expect("its namespace");
        link.to_string_lossy().chars().filter(char::is_ascii_digit).collect()
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ended = self.0.wait();
    }
}

#[test]
fn processes_elsewhere_are_told_from_those_of_the_node() {
    let Some(mut pair) = Pair::start() else { return };
    let folder = pair.path();
    for name in ["own", "mounts", "network", "user", "pid", "joined"] {
        fs::write(folder.join(name), "x").expect("a file");
    }
    let elsewhere = Elsewhere::start();
    let script = || {
        let script = format!(
            "cat own; unshare -m cat mounts; unshare -n cat network; unshare -U cat user; unshare -p -f cat pid
             chmod 600 own; unshare -m chmod 600 mounts; cat none; unshare -n cat none; unshare -m none
             nsenter --net={} cat joined; true",
            elsewhere.network().display(),
        );
        let mut command = Command::new("sh");
        command
            .current_dir(&folder)
            .args(["-c", &script])
            .stderr(Stdio::null())
            .stdout(Stdio::null());
        command
    };
    let tables = Kinds::OPENS | Kinds::CHANGES | Kinds::EXECS | Kinds::PRIVILEGED;
    let opens = |namespaces: &str| format!(r#"[{{"tables": ["opens"], "namespaces": [{namespaces}]}}]"#);
    let joined = format!(r#"{{"kind": "network", "which": {{"inode": {}}}}}"#, elsewhere.inode());
    let files = ["own", "mounts", "network", "user", "pid", "joined"];
    let cases: [(String, &[&str]); 8] = [
        (opens(r#"{"kind": "mount", "which": "other"}"#), &["mounts"]),
        (
            opens(r#"{"kind": "network", "which": "other"}"#),
            &["network", "joined"],
        ),
        (opens(r#"{"kind": "user", "which": "other"}"#), &["user"]),
        (opens(r#"{"kind": "pid", "which": "other"}"#), &["pid"]),
        (
            opens(r#"{"kind": "network", "which": "node"}, {"kind": "mount", "which": "node"}"#),
            &["own", "user", "pid"],
        ),
        (opens(&joined), &["joined"]),
        (
            opens(&format!(r#"{joined}, {{"kind": "network", "which": "node"}}"#)),
            &["own", "mounts", "user", "pid", "joined"],
        ),
        (
            r#"[{"tables": ["changes"], "namespaces": [{"kind": "mount", "which": "other"}]},
                {"tables": ["privileged"], "namespaces": [{"kind": "mount", "which": "other"}]},
                {"tables": ["execs"], "outcomes": ["failed"], "namespaces": [{"kind": "mount", "which": "other"}]},
                {"tables": ["opens"], "namespaces": [{"kind": "network", "which": "other"}]},
                {"tables": ["opens"], "paths": [{"glob": "/**/own"}]}]"#
                .into(),
            &["own", "network", "joined"],
        ),
    ];
    for (filters, expected) in &cases {
        let seen = pair.run(&subscription(tables, filters), &mut script());
        assert_eq!(seen.got, seen.expected, "{filters}");
        assert!(seen.passed < seen.all, "{filters} left nothing out of {}", seen.all);
        let found: Vec<_> = files
            .into_iter()
            .filter(|name| seen.opened(&folder.join(name)))
            .collect();
        assert_eq!(found, *expected, "{filters}");
    }
}

/// Whoever leaves without a new image is elsewhere at once, and is so alone.
#[test]
fn a_call_is_judged_by_where_its_thread_is_by_then() {
    let Some(mut pair) = Pair::start() else { return };
    let folder = pair.path();
    fs::write(folder.join("marker"), "x").expect("a file");
    let names = ["opens", "changes", "sockets", "execs"];
    let tables = Kinds::OPENS | Kinds::CHANGES | Kinds::SOCKETS | Kinds::EXECS;
    let by = |namespaces: &str| {
        let filter = |table| format!(r#"{{"tables": ["{table}"], "namespaces": [{namespaces}]}}"#);
        subscription(tables, &format!("[{}]", names.map(filter).join(", ")))
    };
    for (namespaces, expected) in [
        (r#"{"kind": "network", "which": "other"}"#, 1),
        (
            r#"{"kind": "network", "which": "node"}, {"kind": "mount", "which": "node"}"#,
            2,
        ),
        (
            r#"{"kind": "network", "which": "node"}, {"kind": "mount", "which": "other"}"#,
            0,
        ),
    ] {
        let seen = pair.run(&by(namespaces), &mut actor("leave-mounts-by-thread", "", &folder));
        assert_eq!(seen.got, seen.expected, "{namespaces}");
        assert!(seen.passed < seen.all, "{namespaces} left nothing out of {}", seen.all);
        let marker = folder.join("marker").display().to_string();
        let count = |is: &dyn Fn(&Value) -> bool| seen.got.iter().filter(|event| is(event)).count();
        assert_eq!(
            count(&|event| event["open"]["path"] == marker.as_str()),
            expected,
            "{namespaces}"
        );
        assert_eq!(
            count(&|event| event["change"]["path"] == marker.as_str()),
            expected,
            "{namespaces}"
        );
        assert_eq!(
            count(&|event| event["socket"]["op"] == "bound"),
            expected,
            "{namespaces}: {:?}",
            seen.got
        );
    }
}

/// Two threads of a process that open one file are alike but for where they are.
#[test]
fn opens_in_different_namespaces_are_not_merged() {
    let Some(mut pair) = Pair::start() else { return };
    let folder = pair.path();
    fs::write(folder.join("marker"), "x").expect("a file");
    // As the actor makes it: a file of another mode is not the same.
    fs::set_permissions(folder.join("marker"), Permissions::from_mode(0o600)).expect("its mode");
    let filters = r#"[{"tables": ["opens"], "namespaces": [{"kind": "network", "which": "other"}], "merge_ms": 10000},
        {"tables": ["opens"], "paths": [{"glob": "/**/marker"}], "merge_ms": 10000}]"#;
    let seen = pair.run(
        &subscription(Kinds::OPENS, filters),
        &mut actor("leave-by-thread", "", &folder),
    );
    let marker = folder.join("marker").display().to_string();
    let rows = seen.got.iter().filter(|event| event["open"]["path"] == marker.as_str());
    assert_eq!(
        rows.count(),
        2,
        "the first here, the first there; the second here is the first again"
    );
}

/// A call is judged by one sieve from its first condition to its last, whatever comes in force meanwhile.
#[test]
fn nothing_is_lost_while_sieves_are_exchanged() {
    const COUNT: usize = 600_000;
    let Some(mut live) = live() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("marker"), "x").expect("a file");
    let marker = r#"{"tables": ["opens"], "paths": [{"glob": "/**/marker"}]}"#;
    let other = r#"{"tables": ["opens"], "users": [7], "paths": [{"glob": "/**/other"}]}"#;
    // The same filters, each known by what the other was known by before.
    let sifts = [format!("[{marker}, {other}]"), format!("[{other}, {marker}]")]
        .map(|filters| Sift::of([&subscription(Kinds::OPENS, &filters)], &namespaces::of_the_node()));
    let mut command = actor("open-many", COUNT.to_string(), folder.path());
    let mut child = command.stdin(Stdio::null()).spawn().expect("a child");
    let (mut opened, mut exchanges, mut scratch) = (0, 0, Scratch::default());
    loop {
        let has_ended = child.try_wait().expect("a child").is_some();
        live.kernel.sift(&sifts[exchanges % 2]).expect("a sieve");
        exchanges += 1;
        live.kernel.drain(usize::MAX, |record| {
            let event = decode(record, &live.clock, &mut scratch).expect("a good record");
            let is_marker = matches!(&event.body, Body::Open(open) if open.path.as_slice().ends_with(b"/marker"));
            opened += usize::from(is_marker && event.subject.pid == child.id());
        });
        if has_ended {
            break;
        }
    }
    let counters = live.kernel.counters();
    let given_up =
        [Outcome::RingFull, Outcome::Shed, Outcome::Limited].map(|outcome| counters.get(Kind::Open, outcome));
    let given_up = usize::try_from(given_up.iter().sum::<u64>()).expect("a number");
    assert!(
        opened + given_up >= COUNT,
        "{opened} and {given_up}, {exchanges} exchanges"
    );
    eprintln!("{exchanges} exchanges, {given_up} given up");
}
