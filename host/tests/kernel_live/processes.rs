use std::os::unix::process::CommandExt;
use std::process::Command;

use aya::maps::loaded_maps;
use aya::programs::{loaded_links, loaded_programs};
use vespid::event::process_flags;
use vespid::kernel::State;

use crate::actor::actor;
use crate::harness::{live, number};

#[test]
fn an_exec_is_seen_with_its_whole_arguments_and_its_end() {
    let Some(mut live) = live() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let long = "a".repeat(8_000);
    let arguments = ["-c", "exit 3", "line\nbreak", &long];
    let pid = live.run(
        Command::new("/bin/sh")
            .args(arguments)
            .current_dir(&folder)
            .process_group(0),
    );

    let event = live.only(pid, "exec");
    let (exec, image) = (&event["exec"], &event["exec"]["image"]);
    let shell = std::fs::canonicalize("/bin/sh").expect("a shell");
    let folder = std::fs::canonicalize(&folder).expect("a folder");
    assert_eq!(exec["filename"], "/bin/sh");
    assert_eq!(image["exe"], shell.to_str().expect("text"));
    assert_eq!(image["cwd"], folder.to_str().expect("text"));
    assert_eq!(
        image["args"],
        serde_json::json!(["/bin/sh", "-c", "exit 3", "line\\x0abreak", long])
    );
    assert_eq!(image["args_total"], 8_000 + 30);
    assert_eq!(image["comm"], "sh");
    assert_eq!(
        (&image["ppid"], &image["flags"]),
        (&std::process::id().into(), &0.into())
    );
    assert_eq!((&event["uid"], &event["tid"]), (&0.into(), &pid.into()));

    let exit = live.only(pid, "exit");
    assert_eq!(exit["exit"], serde_json::json!({"code": 3, "signal": 0}));
    assert_eq!(exit["start"], event["start"]);
    let lifetime_ms = (number(&exit["time"]) - number(&exit["start"])) / 1_000_000;
    assert!(lifetime_ms < 20_000, "{lifetime_ms}");
}

#[test]
fn what_an_exec_says_is_what_proc_says() {
    let Some(mut live) = live() else { return };
    let mut child = live.start(Command::new("/bin/sleep").arg("100"));
    let pid = child.id();
    live.until(|events| {
        events
            .iter()
            .any(|event| event["pid"] == pid && event["exec"].is_object())
    });
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).expect("a file of /proc");

    let image = &live.only(pid, "exec")["exec"]["image"];
    for (at, name) in vespid_ebpf::NAMESPACES.iter().enumerate() {
        let link = std::fs::read_link(format!("/proc/{pid}/ns/{name}")).expect("a namespace");
        let inode = link
            .to_string_lossy()
            .trim_matches(|c: char| !c.is_ascii_digit())
            .to_owned();
        assert_eq!(image["namespaces"][at].to_string(), inode, "{name}");
    }
    assert_eq!(image["login_uid"].to_string(), read("loginuid").trim());
    assert_eq!(image["session"].to_string(), read("sessionid").trim());
    // tty_nr, the seventh field of /proc/pid/stat, is 0 without a controlling terminal.
    let stat = read("stat");
    let tty = stat
        .rsplit_once(") ")
        .and_then(|(_, rest)| rest.split(' ').nth(4))
        .expect("tty_nr");
    assert_eq!(image["tty"] == "", tty == "0", "{} {tty}", image["tty"]);
    let path = image["cgroup_path"].as_str().expect("text");
    assert!(
        read("cgroup").lines().any(|line| line.ends_with(&format!(":{path}"))),
        "{path}"
    );
    if let Some(v2) = read("cgroup")
        .lines()
        .find_map(|line| line.strip_prefix("0::").map(str::to_owned))
    {
        use std::os::unix::fs::MetadataExt;
        let roots = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
        let inodes = roots.map(|root| std::fs::metadata(format!("{root}{v2}")).map_or(0, |folder| folder.ino()));
        assert!(
            inodes.contains(&number(&live.only(pid, "exec")["cgroup"])),
            "{inodes:?}"
        );
    }

    child.kill().expect("a signal");
    live.finish(child);
    assert_eq!(
        live.only(pid, "exit")["exit"],
        serde_json::json!({"code": 0, "signal": 9})
    );
}

#[test]
fn arguments_beyond_the_limit_are_marked() {
    let Some(mut live) = live() else { return };
    let pid = live.run(Command::new("/bin/true").arg("a".repeat(20_000)));
    let image = &live.only(pid, "exec")["exec"]["image"];
    assert_eq!(
        image["args"].as_str().expect("text").replace("\\x00", "0").len(),
        vespid_ebpf::MAX_ARGS
    );
    assert_eq!(image["args_total"], "/bin/true".len() + 1 + 20_001);
    assert_eq!(image["flags"], process_flags::ARGS_TRUNCATED);
}

#[test]
fn a_child_is_known_from_its_fork_on() {
    let Some(mut live) = live() else { return };
    let shell = live.run(Command::new("/bin/sh").args(["-c", "/bin/true; :"]));
    let fork = live.only(shell, "fork");
    let child = u32::try_from(number(&fork["fork"]["child_pid"])).expect("a pid");
    live.until(|events| {
        events
            .iter()
            .any(|event| event["pid"] == child && event["exit"].is_object())
    });
    let (fork, exec) = (live.only(shell, "fork"), live.only(child, "exec"));
    assert_eq!(exec["start"], fork["fork"]["child_start"]);
    assert_eq!(exec["cgroup"], fork["fork"]["child_cgroup"]);
    assert_eq!(exec["exec"]["image"]["ppid"], shell);
    assert_eq!(exec["exec"]["image"]["parent_start"], live.only(shell, "exec")["start"]);
}

#[test]
fn threads_are_neither_born_nor_buried() {
    let Some(mut live) = live() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let pid = live.run(&mut actor("threads", "", folder.path()));
    assert!(live.of(pid, "fork").is_empty());
    live.only(pid, "exit");
}

#[test]
fn a_failed_exec_is_seen_with_its_error() {
    let Some(mut live) = live() else { return };
    let pid = live.run(Command::new("/bin/sh").args(["-c", "exec /nowhere/to\u{2028}be"]));
    let failed = live
        .of(pid, "exec")
        .into_iter()
        .find(|event| event["exec"]["errno"] != 0)
        .expect("a failure");
    assert_eq!(failed["exec"]["errno"], libc::ENOENT);
    assert_eq!(failed["exec"]["filename"], "/nowhere/to\\xe2\\x80\\xa8be");
}

#[test]
fn an_executable_without_a_place_is_marked() {
    let Some(mut live) = live() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    for (act, flag, exe) in [
        ("exec-memfd", process_flags::MEMFD, "memfd:demo".to_owned()),
        (
            "exec-deleted",
            process_flags::DELETED,
            folder.path().join("gone").display().to_string(),
        ),
    ] {
        let pid = live.run(&mut actor(act, "", folder.path()));
        let execs = live.of(pid, "exec");
        let image = &execs.last().expect("an exec")["exec"]["image"];
        assert_eq!(
            (&image["flags"], &image["exe"]),
            (&flag.into(), &exe.into()),
            "{execs:#?}"
        );
        assert_eq!(image["args"], serde_json::json!(["demo", "argument"]));
    }
}

#[test]
fn vespid_does_not_report_itself() {
    let Some(mut live) = live() else { return };
    live.watch(std::process::id());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let near = std::net::TcpStream::connect(address).expect("a connection");
    drop((std::fs::File::open("/etc/passwd"), listener.accept(), near));
    assert!(std::net::TcpStream::connect("127.0.0.1:1").is_err());
    assert!(Command::new("/nowhere").spawn().is_err());
    live.run(&mut Command::new("/bin/true"));
    let own: Vec<_> = live
        .events
        .iter()
        .filter(|event| event["pid"] == std::process::id())
        .collect();
    assert!(own.is_empty(), "{own:#?}");
}

#[test]
fn nothing_stays_behind() {
    let Some(live) = live() else { return };
    let ours = live.kernel.objects().read();
    assert!(ours.programs.len() >= 5 && ours.maps.len() >= 5, "{ours:?}");
    assert!(ours.programs.iter().all(|program| program.name.starts_with("vespid_")));
    for probe in live.kernel.probes() {
        // Hardware has its own counters, or none.
        let is_hardware = ["vespid_cycles", "vespid_instr", "vespid_misses"].contains(&probe.name);
        let runs = probe.state == State::Attached;
        assert!(runs || is_hardware, "{probe:?}");
        let is_called = probe.hook == "called by vespid_sys_exit";
        assert_eq!(probe.link.is_some(), runs && !is_called, "{probe:?}");
    }
    let is_ours = |id: &u32| ours.programs.iter().any(|program| program.id == *id);
    let programs = || {
        let programs = loaded_programs().filter_map(|program| Some(program.ok()?.id()));
        let attached = loaded_links().filter_map(|link| Some(link.ok()?.program_id()));
        programs.filter(is_ours).count() + attached.filter(is_ours).count()
    };
    let maps = || {
        let maps = loaded_maps().filter_map(|map| Some(map.ok()?.id()));
        maps.filter(|id| ours.maps.iter().any(|map| map.id == *id)).count()
    };
    assert!(programs() > ours.programs.len(), "with links");
    assert_eq!(maps(), ours.maps.len());
    drop(live);
    // The kernel takes its time to free them.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    let wait_for = |left: &dyn Fn() -> usize, pause| {
        while left() > 0 {
            assert!(std::time::Instant::now() < deadline, "{} of {ours:?} are left", left());
            std::thread::park_timeout(pause);
        }
    };
    wait_for(&programs, std::time::Duration::ZERO);
    // Listing opens each map. A table of programs is emptied whenever nobody has it open any more, and never freed if that
    // happens again before it is done.
    wait_for(&maps, std::time::Duration::from_millis(300));
}
