//! A directory of compiled code that others have been at.
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use caps::{CapSet, Capability};
use tempfile::TempDir;

use super::super::CacheLimits;
use super::super::cache::{Cache, CacheError};
use super::super::entry::{self, HEADER, Key, header};
use super::{Compiler, component, engine, load};

fn open(directory: &Path) -> Cache {
    Cache::open(directory, CacheLimits::default()).expect("a cache")
}

/// Files of a cache, by name.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(directory)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    files
}

/// A cache with one component, and its file.
fn warm() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    load(Some(Compiler::InProcess), Some(open(directory.path())), &component(1)).expect("it compiles");
    let [file] = files(directory.path()).try_into().expect("one file");
    (directory, file)
}

fn is_cached(directory: &Path) -> bool {
    load(None, Some(open(directory)), &component(1)).is_ok()
}

/// A file that is not what it was costs a compilation, and is as good as new afterwards.
#[track_caller]
fn heals(directory: &Path, file: &Path, what: &str) {
    assert!(!is_cached(directory), "{what}: used");
    assert!(fs::symlink_metadata(file).is_err(), "{what}: not removed");
    load(Some(Compiler::InProcess), Some(open(directory)), &component(1)).expect("it compiles");
    assert!(is_cached(directory), "{what}: not compiled again");
}

#[test]
fn a_component_is_compiled_once() {
    let (directory, file) = warm();
    assert!(is_cached(directory.path()));
    assert!(
        load(None, Some(open(directory.path())), &component(2)).is_err(),
        "another has code of its own"
    );
    assert_eq!(fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_changed_bit_anywhere_is_noticed() {
    let (directory, file) = warm();
    let whole = fs::read(&file).expect("a file");
    let cache = open(directory.path());
    let key = key(1);
    for offset in (0..HEADER)
        .chain((HEADER..whole.len()).step_by(whole.len() / 300))
        .chain([whole.len() - 1])
    {
        let mut bytes = whole.clone();
        bytes[offset] ^= 1 << (offset % 8);
        fs::write(&file, &bytes).expect("written");
        assert!(cache.get(&key).is_none(), "at {offset}");
        assert!(!file.exists(), "at {offset}");
    }
    fs::write(&file, &whole).expect("written");
    assert!(cache.get(&key).is_some(), "unchanged, it is used");
    fs::write(&file, vec![0; whole.len()]).expect("written");
    heals(directory.path(), &file, "zeroes, as after a crash");
}

#[test]
fn a_file_that_is_too_short_or_too_long_is_noticed() {
    let (directory, file) = warm();
    let whole = fs::read(&file).expect("a file");
    let cache = open(directory.path());
    for len in (0..=HEADER)
        .chain((HEADER..whole.len()).step_by(whole.len() / 300))
        .chain([whole.len() - 1])
    {
        fs::write(&file, &whole[..len]).expect("written");
        assert!(cache.get(&key(1)).is_none(), "{len} bytes");
        assert!(!file.exists(), "{len} bytes");
    }
    let mut longer = whole;
    longer.push(0);
    fs::write(&file, longer).expect("written");
    heals(directory.path(), &file, "a byte too many");
}

#[test]
fn code_under_another_name_or_of_another_wasmtime_is_noticed() {
    let (directory, file) = warm();
    load(Some(Compiler::InProcess), Some(open(directory.path())), &component(2)).expect("it compiles");
    let other = files(directory.path())
        .into_iter()
        .find(|other| *other != file)
        .expect("a second file");
    fs::copy(&other, &file).expect("copied");
    heals(directory.path(), &file, "a component's code under another's name");

    let whole = fs::read(&file).expect("a file");
    let mut code = whole[HEADER..].to_vec();
    // The version is a string, and after it comes the target, behind its length.
    let target = std::env::consts::ARCH.as_bytes();
    let target = code
        .windows(target.len())
        .position(|window| window == target)
        .expect("a target");
    let version = &mut code[target - 2];
    assert!(version.is_ascii_digit());
    *version = if *version == b'9' { b'8' } else { *version + 1 };
    fs::write(&file, [&header(&key(1), &code)[..], &code].concat()).expect("written");
    heals(
        directory.path(),
        &file,
        "another version's code, with all checksums right",
    );
}

#[test]
fn a_file_that_others_may_write_to_is_not_used() {
    let (directory, file) = warm();
    for mode in [0o620, 0o602, 0o666] {
        fs::set_permissions(&file, Permissions::from_mode(mode)).expect("changed");
        heals(directory.path(), &file, "writable by others");
    }
    if is_root() {
        std::os::unix::fs::chown(&file, Some(65_534), None).expect("changed");
        heals(directory.path(), &file, "of another user");
    }
}

#[test]
fn something_else_in_its_place_is_not_followed() {
    let (directory, file) = warm();
    let elsewhere = tempfile::tempdir().expect("a directory");
    let target = elsewhere.path().join("target");
    fs::rename(&file, &target).expect("moved");
    symlink(&target, &file).expect("a link");
    heals(directory.path(), &file, "a link to the very code");
    assert!(target.exists(), "what a link points to is not ours to remove");

    fs::remove_file(&file).expect("removed");
    rustix::fs::mknodat(rustix::fs::CWD, &file, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("a pipe");
    heals(directory.path(), &file, "a pipe");

    fs::remove_file(&file).expect("removed");
    fs::create_dir(&file).expect("a directory");
    assert!(!is_cached(directory.path()));
    load(Some(Compiler::InProcess), Some(open(directory.path())), &component(1)).expect("it compiles all the same");
    assert_eq!(files(directory.path()), [file], "and leaves nothing unfinished behind");
}

#[test]
fn a_directory_that_others_may_write_to_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    for mode in [0o770, 0o707, 0o1777] {
        fs::set_permissions(directory.path(), Permissions::from_mode(mode)).expect("changed");
        let error = refused(directory.path());
        assert!(matches!(error, CacheError::Writable { .. }), "{error}");
        assert!(error.to_string().contains("chmod go-w"), "{error}");
    }
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).expect("changed");
    open(directory.path());
    if is_root() {
        std::os::unix::fs::chown(directory.path(), Some(65_534), None).expect("changed");
        let error = refused(directory.path());
        assert!(error.to_string().contains("belongs to user 65534"), "{error}");
    }
}

#[test]
fn a_directory_that_is_missing_is_made_for_its_user_alone() {
    let parent = tempfile::tempdir().expect("a directory");
    let directory = parent.path().join("cache/vespid");
    open(&directory);
    assert_eq!(
        fs::metadata(&directory).expect("it is made").permissions().mode() & 0o777,
        0o700
    );

    let link = parent.path().join("link");
    symlink(&directory, &link).expect("a link");
    let file = parent.path().join("file");
    fs::write(&file, "").expect("a file");
    for wrong in [&link, &file, &file.join("cache")] {
        let error = refused(wrong);
        assert!(error.to_string().contains("name a directory"), "{error}");
    }
}

#[test]
fn a_directory_that_cannot_be_written_to_or_is_gone_costs_only_the_cache() {
    // Root may write anywhere; a thread of its own gives that up for itself alone.
    let test = std::thread::spawn(|| {
        for capability in [Capability::CAP_DAC_OVERRIDE, Capability::CAP_DAC_READ_SEARCH] {
            caps::drop(None, CapSet::Effective, capability).expect("given up");
        }
        cannot_write();
    });
    test.join().expect("it passes");
}

fn cannot_write() {
    let (directory, file) = warm();
    let cache = open(directory.path());
    fs::set_permissions(directory.path(), Permissions::from_mode(0o500)).expect("changed");
    assert!(is_cached(directory.path()), "what is there is used");
    load(Some(Compiler::InProcess), Some(open(directory.path())), &component(2)).expect("it compiles");
    fs::set_permissions(&file, Permissions::from_mode(0o000)).expect("changed");
    assert!(!is_cached(directory.path()), "what cannot be read is not used");
    load(Some(Compiler::InProcess), Some(open(directory.path())), &component(1)).expect("it compiles");
    assert_eq!(files(directory.path()), [file]);

    fs::set_permissions(directory.path(), Permissions::from_mode(0o700)).expect("changed");
    fs::remove_dir_all(directory.path()).expect("removed");
    load(Some(Compiler::InProcess), Some(cache), &component(1)).expect("it compiles");
}

#[test]
fn the_least_recently_used_goes_first_and_nothing_else() {
    let directory = tempfile::tempdir().expect("a directory");
    let limits = |files, bytes| CacheLimits { bytes, files };
    let cache = |limits| Cache::open(directory.path(), limits).expect("a cache");
    let compile =
        |number, limits| load(Some(Compiler::InProcess), Some(cache(limits)), &component(number)).expect("it compiles");
    let file = |number| directory.path().join(format!("{}.code", key(number)));
    let has = |number| file(number).exists();
    let foreign = directory.path().join("notes.code");
    fs::write(&foreign, vec![0; 10_000]).expect("written");
    for number in 1..=3 {
        compile(number, limits(3, 1 << 20));
        age(&file(number), 100 - u64::from(number));
    }
    // The oldest, but used.
    assert!(cache(limits(3, 1 << 20)).get(&key(1)).is_some());
    compile(4, limits(3, 1 << 20));
    assert_eq!([has(1), has(2), has(3), has(4)], [true, false, true, true]);

    // The clock of a file system stands still for milliseconds: what was just used is all equally old.
    age(&file(1), 50);
    age(&file(4), 40);
    let size = fs::metadata(file(4)).expect("a file").len();
    compile(5, limits(100, 2 * size + 100));
    assert_eq!([has(1), has(3), has(4), has(5)], [false, false, true, true]);
    compile(6, limits(100, 100));
    assert!(!has(6), "larger than the whole cache");
    assert!(foreign.exists(), "not the cache's file");
}

#[test]
fn what_a_crash_left_behind_is_removed() {
    let (directory, _) = warm();
    let temporary = |process| directory.path().join(format!("{}.{process}.7.tmp", key(9)));
    let (old, new) = (temporary(1), temporary(2));
    for file in [&old, &new] {
        fs::write(file, "half").expect("written");
    }
    age(&old, 7_200);
    load(Some(Compiler::InProcess), Some(open(directory.path())), &component(2)).expect("it compiles");
    assert!(!old.exists());
    assert!(new.exists(), "somebody may be writing it");
}

fn key(number: u32) -> Key {
    use sha2::{Digest as _, Sha256};
    Key::new(&entry::settings(&engine()), &Sha256::digest(component(number)).into())
}

fn age(file: &Path, seconds: u64) {
    let then = SystemTime::now() - Duration::from_secs(seconds);
    File::open(file).expect("a file").set_modified(then).expect("changed");
}

#[track_caller]
fn refused(directory: &Path) -> CacheError {
    Cache::open(directory, CacheLimits::default()).expect_err("it is refused")
}

fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        eprintln!("SKIPPED: files of other users, which only root can make");
    }
    is_root
}
