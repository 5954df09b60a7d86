//! Opens through `io_uring`.
#![expect(unsafe_code, reason = "what is submitted must live until it completes")]

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use io_uring::squeue::{Entry, Flags};
use io_uring::types::{DestinationSlot, Fd, OpenHow};
use io_uring::{IoUring, opcode};
use serde_json::{Value, json};
use vespid_ebpf::{Kind, Outcome};

use crate::actor::{actor, c};
use crate::harness::live;

const HERE: Fd = Fd(libc::AT_FDCWD);
/// Bit of `opens.traits`.
const IO_URING: u64 = 4;

/// Submits an open, waits for it and says what it came to: nothing if it keeps its success to itself.
fn submit(ring: &mut IoUring, open: Entry, is_silent: bool) -> Option<i32> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let (first, last) = (NUMBER.fetch_add(1, Relaxed), NUMBER.fetch_add(1, Relaxed));
    // Done after the open, which it is linked to.
    let nop = opcode::Nop::new().build().user_data(last);
    let open = open.flags(Flags::IO_LINK).user_data(first);
    // SAFETY: the callers keep what the entry refers to until this returns.
    unsafe { ring.submission().push_multiple(&[open, nop]).expect("room") };
    ring.submit().expect("a submission");
    loop {
        ring.submit_and_wait(1).expect("a completion");
        for done in ring.completion() {
            if done.user_data() == first {
                return Some(done.result());
            } else if done.user_data() == last && is_silent {
                return None;
            }
        }
    }
}

/// Opens in a folder as the test has it, each in another way.
pub(crate) fn act() {
    let mut ring = IoUring::new(8).expect("a ring");
    let folder = File::open("folder").expect("a folder");
    let to = |path: &std::ffi::CString| opcode::OpenAt::new(HERE, path.as_ptr());

    let path = c("alias/link");
    assert!(submit(&mut ring, to(&path).flags(libc::O_CLOEXEC).build(), false) > Some(2));
    let path = c("made");
    let open = to(&path).flags(libc::O_CREAT | libc::O_WRONLY).mode(0o640).build();
    assert!(submit(&mut ring, open.flags(Flags::ASYNC), false) > Some(2));
    let (path, how) = (c("../file"), OpenHow::new().flags(libc::O_RDWR as u64));
    let open = opcode::OpenAt2::new(Fd(folder.as_raw_fd()), path.as_ptr(), &raw const how);
    assert!(submit(&mut ring, open.build(), false) > Some(2));
    let path = c("folder/../none");
    assert_eq!(submit(&mut ring, to(&path).build(), false), Some(-libc::ENOENT));
    let path = c("alias/../file");
    assert_eq!(
        submit(&mut ring, to(&path).build().flags(Flags::SKIP_SUCCESS), true),
        None
    );
    let path = c("./none");
    let open = to(&path).build().flags(Flags::SKIP_SUCCESS);
    assert_eq!(submit(&mut ring, open, false), Some(-libc::ENOENT));
    ring.submitter().register_files_sparse(4).expect("slots");
    let path = c("alias/../made");
    let slot = DestinationSlot::try_from_slot_target(1).expect("a slot");
    assert_eq!(
        submit(&mut ring, to(&path).file_index(Some(slot)).build(), false),
        Some(0)
    );

    let mut ring = IoUring::builder().setup_sqpoll(1).build(8).expect("a ring");
    let path = c("alias/../folder/../file");
    assert!(submit(&mut ring, to(&path).build(), false) > Some(2));
}

#[test]
fn an_open_through_io_uring_is_told_like_any_other() {
    if let Err(error) = IoUring::new(2) {
        eprintln!("SKIPPED: io_uring is not to be had here ({error})");
        return;
    }
    let Some(mut live) = live() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path().canonicalize().expect("its path");
    fs::create_dir(folder.join("folder")).expect("a folder");
    fs::write(folder.join("file"), "").expect("a file");
    symlink("../file", folder.join("folder/link")).expect("a link");
    symlink("folder", folder.join("alias")).expect("a link");
    let before = live.kernel.counters();
    let pid = live.run(&mut actor("open-by-io-uring", "", &folder));

    let path = |name: &str| Value::from(folder.join(name).to_str().expect("text"));
    let write = libc::O_CREAT | libc::O_WRONLY;
    for (typed, name, kind, flags, traits) in [
        ("alias/link", "file", 0, libc::O_CLOEXEC, 0),
        ("made", "made", 0, write, 1),
        ("../file", "file", 0, libc::O_RDWR, 0),
        ("folder/../none", "none", 1, 0, 0),
        // Told of when they are submitted, since nothing is heard of them later.
        ("alias/../file", "file", 1, 0, 0),
        ("./none", "none", 1, 0, 0),
        // It has no descriptor.
        ("alias/../made", "made", 1, 0, 0),
        ("alias/../folder/../file", "file", 0, 0, 0),
    ] {
        let open = live.open_of(pid, typed);
        assert_eq!(
            (&open["path"], &open["path_kind"]),
            (&path(name), &json!(kind)),
            "{typed}"
        );
        assert_eq!(
            (&open["flags"], &open["traits"]),
            (&json!(flags), &json!(traits | IO_URING)),
            "{typed}"
        );
        let result = open["result"].as_i64().expect("a number");
        match typed {
            "folder/../none" => assert_eq!(result, i64::from(-libc::ENOENT)),
            _ if kind == 1 => assert_eq!(result, 0, "{typed}"),
            _ => assert!(result > 2, "{typed}"),
        }
        let mode = &open["mode"];
        assert!(
            kind == 1 || *mode == u64::from(mode_of(&folder.join(name))),
            "{typed}: {mode}"
        );
    }
    let after = live.kernel.counters();
    for outcome in [Outcome::Shed, Outcome::Unreadable] {
        assert_eq!(
            after.get(Kind::Open, outcome),
            before.get(Kind::Open, outcome),
            "{outcome:?}"
        );
    }
}

fn mode_of(file: &std::path::Path) -> u32 {
    std::os::unix::fs::MetadataExt::mode(&fs::metadata(file).expect("a file"))
}
