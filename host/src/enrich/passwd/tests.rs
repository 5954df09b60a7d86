use super::*;
use std::fs;
use std::os::unix::fs::symlink;

/// Mounts of a process whose root is of this kind.
fn mounts(kind: &str) -> String {
    format!("31 1 0:27 / / rw,relatime shared:1 - {kind} none rw\n32 31 0:5 / /proc rw - proc proc rw\n")
}

/// A `/proc` in which these processes have these roots.
fn proc_of(roots: &[(u32, &Path, &str)]) -> tempfile::TempDir {
    let proc = tempfile::tempdir().unwrap();
    for (pid, root, map) in roots {
        let folder = proc.path().join(pid.to_string());
        fs::create_dir(&folder).unwrap();
        symlink(root, folder.join("root")).unwrap();
        for name in ["uid_map", "gid_map"] {
            fs::write(folder.join(name), map).unwrap();
        }
        fs::write(folder.join("mountinfo"), mounts("overlay")).unwrap();
    }
    proc
}

fn root(passwd: &str, group: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("etc")).unwrap();
    fs::write(root.path().join("etc/passwd"), passwd).unwrap();
    fs::write(root.path().join("etc/group"), group).unwrap();
    root
}

fn passwd(proc: &tempfile::TempDir) -> Passwd {
    let much = Duration::from_secs(1000);
    Passwd::new(proc.path().into(), Share::new(1, much))
}

fn container(id: &str) -> Container {
    let mut container = Container::default();
    container.id = id.as_bytes().into();
    container
}

fn user(passwd: &mut Passwd, pid: u32, container: Option<&Container>, id: u32) -> Option<String> {
    let known = passwd.account(pid, container, Accounts::User, id, || true)?;
    Some(known.name.to_string())
}

const WHOLE: &str = "         0          0 4294967295\n";

#[test]
fn the_node_and_a_container_call_a_number_differently() {
    let node = root(
        "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33::/:/bin/false\n",
        "adm:x:4:syslog\n",
    );
    let inner = root("root:x:0:0::/:/bin/sh\nxfs:x:33:33::/:/bin/false\n", "");
    let proc = proc_of(&[(1, node.path(), WHOLE), (70, inner.path(), WHOLE)]);
    let mut names = passwd(&proc);
    let c = container("c1");
    assert_eq!(
        user(&mut names, 50, None, 33).as_deref(),
        Some("www-data"),
        "by init's root, whoever asks"
    );
    assert_eq!(user(&mut names, 70, Some(&c), 33).as_deref(), Some("xfs"));
    assert_eq!(
        user(&mut names, 71, Some(&c), 0).as_deref(),
        Some("root"),
        "its files were read once"
    );
    assert_eq!(user(&mut names, 70, Some(&c), 34), None);
    let group = names.account(50, None, Accounts::Group, 4, || true).unwrap();
    assert_eq!(group.name.as_slice(), b"adm");
}

#[test]
fn numbers_of_a_user_namespace_are_those_that_the_node_sees() {
    let node = root("", "");
    let inner = root(
        "root:x:0:0::/:/bin/sh\nmysql:x:999:999::/:/bin/false\nfar:x:70000:1::/:/bin/false\n",
        "",
    );
    let map = "0 100000 65536\n";
    let proc = proc_of(&[(1, node.path(), WHOLE), (70, inner.path(), map)]);
    let (mut names, c) = (passwd(&proc), container("c1"));
    assert_eq!(user(&mut names, 70, Some(&c), 100_999).as_deref(), Some("mysql"));
    assert_eq!(
        user(&mut names, 70, Some(&c), 0),
        None,
        "the node's root is nobody in there"
    );
    assert_eq!(user(&mut names, 70, Some(&c), 70_000), None);
}

#[test]
fn a_process_that_has_not_entered_its_container_says_nothing_of_it() {
    let node = root("root:x:0:0::/:/bin/sh\n", "");
    let proc = proc_of(&[(1, node.path(), WHOLE), (70, node.path(), WHOLE)]);
    assert_eq!(user(&mut passwd(&proc), 70, Some(&container("c1")), 0), None);
}

type Make<'a> = &'a dyn Fn(&Path);

#[test]
fn a_container_can_neither_lead_out_nor_hold_up() {
    let node = root("secret:x:5:5::/:/bin/sh\n", "");
    let place = node.path().join("etc/passwd");
    let make: [(&str, Make<'_>); 4] = [
        ("a link out of it", &|file| symlink(&place, file).unwrap()),
        ("a link to a process's file", &|file| {
            symlink("/proc/self/environ", file).unwrap()
        }),
        ("a pipe that nobody writes", &|file| {
            let mode = Mode::from_raw_mode(0o600);
            rustix::fs::mknodat(CWD, file, FileType::Fifo, mode, 0).unwrap();
        }),
        ("a folder", &|file| fs::create_dir(file).unwrap()),
    ];
    for (what, make) in make {
        let inner = root("", "");
        let file = inner.path().join("etc/passwd");
        fs::remove_file(&file).unwrap();
        make(&file);
        let proc = proc_of(&[(1, node.path(), WHOLE), (70, inner.path(), WHOLE)]);
        assert_eq!(user(&mut passwd(&proc), 70, Some(&container("c1")), 5), None, "{what}");
    }
}

#[test]
fn a_link_within_the_container_is_followed_there() {
    let node = root("node:x:5:5::/:/bin/sh\n", "");
    let inner = root("inner:x:5:5::/:/bin/sh\n", "");
    fs::rename(inner.path().join("etc/passwd"), inner.path().join("real")).unwrap();
    symlink("/real", inner.path().join("etc/passwd")).unwrap();
    let proc = proc_of(&[(1, node.path(), WHOLE), (70, inner.path(), WHOLE)]);
    assert_eq!(
        user(&mut passwd(&proc), 70, Some(&container("c1")), 5).as_deref(),
        Some("inner")
    );
}

#[test]
fn a_file_system_that_somebody_else_answers_for_is_not_asked() {
    let (node, inner) = (root("", ""), root("x:x:5:5::/:/bin/sh\n", ""));
    let unlike = mounts("ext4").replace(" / / ", " / /elsewhere ");
    let covered = mounts("ext4") + &mounts("nfs4");
    for (mounts, name) in [
        (mounts("xfs"), Some("x")),
        (mounts("fuse.sshfs"), None),
        (covered, None),
        (unlike, None),
        (String::new(), None),
    ] {
        let proc = proc_of(&[(1, node.path(), WHOLE), (70, inner.path(), WHOLE)]);
        fs::write(proc.path().join("70/mountinfo"), &mounts).unwrap();
        let found = user(&mut passwd(&proc), 70, Some(&container("c1")), 5);
        assert_eq!(found.as_deref(), name, "{mounts}");
    }
}

#[test]
fn a_process_id_that_is_another_processs_by_now_says_nothing() {
    let (node, inner) = (root("", ""), root("x:x:5:5::/:/bin/sh\n", ""));
    let proc = proc_of(&[(1, node.path(), WHOLE), (70, inner.path(), WHOLE)]);
    let c = container("c1");
    let found = passwd(&proc).account(70, Some(&c), Accounts::User, 5, || false);
    assert_eq!(found, None);
}

#[test]
fn many_users_and_long_files_are_read_up_to_a_bound() {
    let node = root("", "");
    let many: String = (0..20_000).map(|id| format!("u{id}:x:{id}:0::/:\n")).collect();
    let inner = root(&many, "");
    let map: String = (0..340).map(|at| format!("{} {} 1\n", at * 2, 100_000 + at)).collect();
    let proc = proc_of(&[(1, node.path(), WHOLE), (70, inner.path(), &map)]);
    let (mut names, c) = (passwd(&proc), container("c1"));
    assert_eq!(user(&mut names, 70, Some(&c), 100_003).as_deref(), Some("u6"));
    assert!(names.by_container[&b"c1"[..]].names.len() <= MAX_ENTRIES);
}

#[test]
fn a_user_who_is_added_later_is_found_later() {
    let node = root("", "");
    let proc = proc_of(&[(1, node.path(), WHOLE)]);
    let mut names = passwd(&proc);
    assert_eq!(user(&mut names, 50, None, 1000), None);
    fs::write(node.path().join("etc/passwd"), "new:x:1000:1000::/:/bin/sh\n").unwrap();
    names.node.read = names.node.read.map(|read| read - PATIENCE);
    assert_eq!(user(&mut names, 50, None, 1000).as_deref(), Some("new"));
}

#[test]
fn lines_that_are_no_entries_are_passed_over() {
    let text =
        b"\n:x:1:1\nno-number:x::\nlong:x:99999999999:1\n# comment\nshort:x\n+::::::\nok:x:7:7::/:/bin/sh\ndup:x:7:7\n";
    let found: Vec<_> = entries(text).collect();
    assert_eq!(found, [(7, &b"ok"[..]), (7, b"dup")]);
    let long = [b"a".repeat(MAX_NAME + 1), b":x:3:3".to_vec()].concat();
    assert_eq!(entries(&long).count(), 0);
}

#[test]
fn this_machine_calls_number_0_root() {
    let mut names = Passwd::new("/proc".into(), Share::new(1, Duration::from_secs(10)));
    assert_eq!(user(&mut names, std::process::id(), None, 0).as_deref(), Some("root"));
}
