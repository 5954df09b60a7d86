//! What an actor does to files, so that what was typed and what is meant differ.
#![expect(unsafe_code, reason = "system calls that no library wraps")]

use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::null;
use std::sync::Barrier;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use crate::actor::c;

/// In a folder with `real/{a,b,dir}`, `alias` that leads to `real`, `other/`, `third/` and `root/`.
pub(crate) fn act(what: &str) {
    match what {
        "names" => names(),
        "attributes" => attributes(),
        "failures" => failures(),
        "mounts" => mounts(),
        "chroot" => chroot(),
        "deep" => deep(),
        "replaced" => replaced(),
        "cost" => super::cost::act(),
        other => panic!("{other} is no act"),
    }
}

fn folder(path: &str) -> OwnedFd {
    // SAFETY: the string lives through the call; the descriptor is ours.
    unsafe {
        let fd = libc::open(c(path).as_ptr(), libc::O_PATH);
        assert!(fd >= 0, "{path}");
        OwnedFd::from_raw_fd(fd)
    }
}

/// Says what a call returned if it is not what was to be.
#[track_caller]
fn check(result: impl Into<i64>) {
    let error = std::io::Error::last_os_error();
    assert_eq!(result.into(), 0, "{error}");
}

fn names() {
    let (other, real, b) = (folder("other"), folder("alias"), folder("alias/b"));
    // SAFETY: the strings live through the calls.
    unsafe {
        check(libc::rename(c("alias/a").as_ptr(), c("other/a2").as_ptr()));
        let (old, new) = (c("a2"), c("b"));
        check(libc::syscall(
            libc::SYS_renameat2,
            other.as_raw_fd(),
            old.as_ptr(),
            real.as_raw_fd(),
            new.as_ptr(),
            libc::RENAME_EXCHANGE,
        ));
        check(libc::linkat(
            b.as_raw_fd(),
            c("").as_ptr(),
            libc::AT_FDCWD,
            c("alias/hard").as_ptr(),
            libc::AT_EMPTY_PATH,
        ));
        check(libc::link(c("alias/hard").as_ptr(), c("alias/harder").as_ptr()));
        check(libc::symlink(c("../real/b").as_ptr(), c("alias/soft").as_ptr()));
        check(libc::mkdir(c("alias/new").as_ptr(), 0o700));
        check(libc::mkfifo(c("alias/../real/pipe").as_ptr(), 0o600));
        check(libc::unlinkat(
            real.as_raw_fd(),
            c("../alias/new").as_ptr(),
            libc::AT_REMOVEDIR,
        ));
        check(libc::rmdir(c("alias/dir").as_ptr()));
        check(libc::unlink(c("alias/pipe").as_ptr()));
    }
}

fn attributes() {
    let (soft, name) = (c("soft"), c("trusted.note"));
    let real = folder("alias");
    // SAFETY: the strings live through the calls.
    unsafe {
        check(libc::symlink(c("b").as_ptr(), c("real/soft").as_ptr()));
        check(libc::chdir(c("alias").as_ptr()));
        check(libc::truncate(soft.as_ptr(), 1));
        check(libc::chmod(soft.as_ptr(), 0o4711));
        check(libc::chown(soft.as_ptr(), 1, 2));
        check(libc::lchown(soft.as_ptr(), 3, 4));
        check(libc::fchmodat(real.as_raw_fd(), soft.as_ptr(), 0o600, 0));
        check(libc::setxattr(
            soft.as_ptr(),
            name.as_ptr(),
            c("x").as_ptr().cast(),
            1,
            0,
        ));
        check(libc::removexattr(soft.as_ptr(), name.as_ptr()));
        // By descriptor, which is the same in both.
        let file = File::options().write(true).open("b").expect("a file");
        check(libc::fchmod(file.as_raw_fd(), 0o640));
        check(libc::ftruncate(file.as_raw_fd(), 0));
    }
}

/// What the kernel gives up before it asks anybody.
fn failures() {
    // SAFETY: the strings live through the calls.
    unsafe {
        libc::unlink(c("alias/none").as_ptr());
        libc::mkdir(c("alias/dir").as_ptr(), 0o700);
        libc::rename(c("alias/none").as_ptr(), c("other/none").as_ptr());
        // A note of a call that succeeded is not taken for that of one that fails.
        check(libc::unlink(c("alias/a").as_ptr()));
        libc::unlink(c("alias/a").as_ptr());
    }
}

fn private_mounts() {
    let none = null::<libc::c_void>();
    // SAFETY: the strings live through the calls.
    unsafe {
        check(libc::unshare(libc::CLONE_NEWNS));
        check(libc::mount(
            c("none").as_ptr(),
            c("/").as_ptr(),
            null(),
            libc::MS_REC | libc::MS_PRIVATE,
            none,
        ));
    }
}

fn mounts() {
    private_mounts();
    let none = null::<libc::c_void>();
    // SAFETY: the strings live through the calls.
    unsafe {
        check(libc::symlink(c("other").as_ptr(), c("alias2").as_ptr()));
        check(libc::mount(
            c("alias").as_ptr(),
            c("alias2").as_ptr(),
            null(),
            libc::MS_BIND,
            none,
        ));
        check(libc::mkdir(c("alias2/through").as_ptr(), 0o700));
        check(libc::umount2(c("alias2").as_ptr(), 0));
        check(libc::mount(
            c("none").as_ptr(),
            c("alias2").as_ptr(),
            c("tmpfs").as_ptr(),
            libc::MS_NOSUID,
            none,
        ));
        check(libc::mount(
            c("alias2").as_ptr(),
            c("third").as_ptr(),
            null(),
            libc::MS_MOVE,
            none,
        ));
        let (from, empty, to) = (c("alias"), c(""), c("alias2"));
        let tree = libc::syscall(
            libc::SYS_open_tree,
            libc::AT_FDCWD,
            from.as_ptr(),
            libc::OPEN_TREE_CLONE,
        );
        assert!(tree >= 0, "{}", std::io::Error::last_os_error());
        // MOVE_MOUNT_F_EMPTY_PATH, and MOVE_MOUNT_T_SYMLINKS to follow the target.
        const FLAGS: libc::c_uint = 0x4 | 0x10;
        check(libc::syscall(
            libc::SYS_move_mount,
            tree,
            empty.as_ptr(),
            libc::AT_FDCWD,
            to.as_ptr(),
            FLAGS,
        ));
    }
}

fn chroot() {
    let outside = folder(".");
    // SAFETY: the strings live through the calls.
    unsafe {
        check(libc::chroot(c("root").as_ptr()));
        check(libc::chdir(c("/").as_ptr()));
        check(libc::symlink(c("/").as_ptr(), c("/up").as_ptr()));
        check(libc::mkdir(c("/up/inside").as_ptr(), 0o700));
        check(libc::mkdirat(outside.as_raw_fd(), c("outside").as_ptr(), 0o700));
    }
}

/// Folders of which the last is deeper than what is noted, then than what is walked.
fn deep() {
    for _ in 0..900 {
        std::fs::create_dir("directory").expect("a folder");
        std::env::set_current_dir("directory").expect("a folder");
    }
}

/// Opens that [`replaced`] makes.
pub(crate) const REPLACED: usize = 20_000;

/// Opens a file, while another thread puts another one in its descriptor's place.
fn replaced() {
    let other = folder("other");
    let path = c("real/a");
    // SAFETY: the string lives through the calls; the descriptors are ours.
    unsafe {
        let number = libc::dup(other.as_raw_fd());
        libc::close(number);
        let (is_over, both) = (AtomicBool::new(false), Barrier::new(2));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                run_alone();
                both.wait();
                while !is_over.load(Relaxed) {
                    if libc::fcntl(number, libc::F_GETFD) >= 0 {
                        libc::dup2(other.as_raw_fd(), number);
                    }
                }
            });
            run_alone();
            both.wait();
            for _ in 0..REPLACED {
                let opened = libc::open(path.as_ptr(), libc::O_RDONLY);
                assert!(opened >= 0);
                libc::close(opened);
                libc::close(number);
            }
            is_over.store(true, Relaxed);
        });
    }
}

/// Keeps others off the thread's CPU for the blink of an eye that this takes, or nothing would meet.
fn run_alone() {
    let priority = libc::sched_param { sched_priority: 1 };
    // SAFETY: the parameter lives through the call. That it may not be granted is no matter.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const priority) };
}
