use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;

use tempfile::TempDir;
use vespid::kernel::Settings;
use vespid_ebpf::Kind;

use crate::actor::actor;
use crate::harness::{live, live_with};

/// A folder and its path without symbolic links.
fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = fs::canonicalize(&folder).expect("a folder");
    fs::create_dir(path.join("folder")).expect("a folder");
    fs::create_dir(path.join("root")).expect("a folder");
    fs::write(path.join("file"), "").expect("a file");
    (folder, path)
}

#[test]
fn a_path_is_what_was_opened_not_what_was_typed() {
    let Some(mut live) = live() else { return };
    let (_keep, folder) = folder();
    symlink("../file", folder.join("folder/link")).expect("a link");
    symlink("folder", folder.join("alias")).expect("a link");
    let mode = fs::metadata(folder.join("file")).expect("a file").mode();
    let typed = ["alias/link", "folder/../file", "./file"];
    let pid = live.run(&mut actor("open", typed.join(":"), &folder));
    for typed in typed {
        let open = live.open_of(pid, typed);
        assert_eq!(open["path"], folder.join("file").to_str().expect("text"), "{typed}");
        assert_eq!((&open["path_kind"], &open["mode"]), (&0.into(), &mode.into()));
        assert!(open["result"].as_i64().expect("a descriptor") > 2);
        assert_eq!(open["flags"], libc::O_CLOEXEC);
    }
}

#[test]
fn every_way_to_open_is_seen() {
    let Some(mut live) = live() else { return };
    let (_keep, folder) = folder();
    let pid = live.run(&mut actor("open-every-way", "", &folder));
    let path = |name: &str| serde_json::Value::from(folder.join(name).to_str().expect("text"));
    for (typed, name, flags) in [
        ("by-openat2", "by-openat2", libc::O_RDWR | libc::O_CREAT),
        ("by-creat", "by-creat", libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC),
        ("by-open", "by-open", libc::O_WRONLY | libc::O_CREAT),
        (
            "../by-openat",
            "by-openat",
            libc::O_WRONLY | libc::O_CREAT | libc::O_APPEND,
        ),
    ] {
        let open = live.open_of(pid, typed);
        assert_eq!((&open["path"], &open["flags"]), (&path(name), &flags.into()));
        assert_eq!(open["mode"], fs::metadata(folder.join(name)).expect("a file").mode());
    }
    let missing = live.open_of(pid, "missing");
    assert_eq!(
        (&missing["path"], &missing["path_kind"]),
        (&path("folder/missing"), &1.into())
    );
}

#[test]
#[cfg(target_arch = "x86_64")]
fn the_32_bit_table_is_not_misread() {
    let Some(mut live) = live() else { return };
    let (_keep, folder) = folder();
    let pid = live.run(&mut actor("open-by-int80", "", &folder));
    let open = live.open_of(pid, "file");
    assert_eq!(open["path"], folder.join("file").to_str().expect("text"));
    assert_eq!(open["flags"], libc::O_RDONLY);
}

#[test]
fn a_path_is_what_the_process_sees_in_its_root() {
    let Some(mut live) = live() else { return };
    let (_keep, folder) = folder();
    fs::write(folder.join("root/inside"), "").expect("a file");
    fs::write(folder.join("outside"), "").expect("a file");
    let pid = live.run(&mut actor("open-in-chroot", "", &folder));
    let inside = live.open_of(pid, "/inside");
    assert_eq!((&inside["path"], &inside["path_kind"]), (&"/inside".into(), &0.into()));
    let outside = live.open_of(pid, "outside");
    let path = folder.join("outside");
    assert_eq!(
        (&outside["path"], &outside["path_kind"]),
        (&path.to_str().expect("text").into(), &2.into())
    );
}

#[test]
fn a_path_crosses_mounts_of_another_mount_namespace() {
    let Some(mut live) = live() else { return };
    let (_keep, folder) = folder();
    let pid = live.run(&mut actor("open-in-mount-namespace", "", &folder));
    let open = live.open_of(pid, "folder/only-here");
    let path = folder.join("folder/only-here");
    assert_eq!(
        (&open["path"], &open["path_kind"]),
        (&path.to_str().expect("text").into(), &0.into())
    );
    assert!(!path.exists());
}

#[test]
fn a_failed_open_is_seen_with_its_error() {
    let Some(mut live) = live() else { return };
    let (_keep, folder) = folder();
    let pid = live.run(&mut actor("open", "folder/../none:/no/../where", &folder));
    let relative = live.open_of(pid, "folder/../none");
    assert_eq!(relative["path"], folder.join("none").to_str().expect("text"));
    assert_eq!(
        (&relative["result"], &relative["path_kind"]),
        (&(-libc::ENOENT).into(), &1.into())
    );
    let absolute = live.open_of(pid, "/no/../where");
    assert_eq!(
        (&absolute["path"], &absolute["path_kind"]),
        (&"/where".into(), &1.into())
    );

    let secret = folder.join("file");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).expect("a file");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).expect("a folder");
    let secret = secret.to_str().expect("text");
    let pid = live.run(&mut actor("open-as-nobody", secret, &folder));
    let refused = live.open_of(pid, secret);
    assert_eq!(
        (&refused["result"], &refused["path"]),
        (&(-libc::EACCES).into(), &secret.into())
    );
    let event = live
        .of(pid, "open")
        .into_iter()
        .find(|event| event["open"]["typed"] == secret)
        .expect("it");
    assert_eq!(event["uid"], 65_534);
}

#[test]
fn a_deep_path_is_whole_and_a_deeper_one_says_that_it_is_not() {
    // The folders on the way would fill the ring.
    let settings = Settings {
        kinds: Kind::Open.bit(),
        ..Settings::default()
    };
    let Some(mut live) = live_with(settings) else { return };
    for (depth, kind) in [(600, 0), (1_200, 3)] {
        let (_keep, folder) = folder();
        let pid = live.run(&mut actor("open-deep", depth.to_string(), &folder));
        let open = live.open_of(pid, "leaf");
        let path = open["path"].as_str().expect("text");
        let whole = format!("{}{}/leaf", folder.display(), "/directory".repeat(depth));
        assert_eq!(open["path_kind"], kind);
        assert!(
            if kind == 0 {
                path == whole
            } else {
                whole.ends_with(path) && path.len() > 8_000
            },
            "{path}"
        );
    }
}
