//! Power over the kernel and over other processes.
use super::container::Bundle;
use super::stage::Stage;
use super::{in_container, number, text};
use crate::actor::actor;

const CAP_SYS_MODULE: u64 = 1 << 16;

#[test]
fn a_kernel_module_from_a_container() {
    let bundle = Bundle::new("/bin/insmod module.ko").map(|bundle| {
        let bundle = bundle.with_file("module.ko", "no module");
        bundle.grant(["CAP_SYS_MODULE"])
    });
    let row = in_container("the module", bundle, |row| {
        text(row, "/event/kind") == "privileged" && text(row, "/event/op") == "load_module"
    });
    let Some(row) = row else { return };
    assert_eq!(text(&row, "/process/exe"), "/bin/insmod");
    assert_eq!(text(&row, "/event/detail"), "/work/module.ko", "as it is seen there");
    assert_ne!(number(&row, "/columns/capabilities") & CAP_SYS_MODULE, 0, "{row}");
}

/// Attached, seized, and its memory written.
#[test]
fn a_process_takes_hold_of_another() {
    let Some(mut stage) = Stage::new() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let pid = stage.run(&mut actor("privileged", "trace", folder.path()));
    for request in [libc::PTRACE_ATTACH, libc::PTRACE_SEIZE, libc::PTRACE_POKEDATA] {
        let row = stage.row("the request", |row| {
            number(row, "/process/pid") == u64::from(pid)
                && text(row, "/event/op") == "ptrace"
                && number(row, "/event/code") == u64::from(request)
        });
        assert_eq!(number(&row, "/event/target/ppid"), u64::from(pid), "it is its child");
    }
}

#[test]
fn a_process_asks_to_be_traced_so_that_nobody_else_can() {
    let Some(mut stage) = Stage::new() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let pid = stage.run(&mut actor("privileged", "trace-me", folder.path()));
    let row = stage.row("the request", |row| {
        text(row, "/event/op") == "ptrace"
            && number(row, "/event/code") == 0
            && number(row, "/event/target/pid") == u64::from(pid)
    });
    assert_eq!(number(&row, "/process/ppid"), u64::from(pid));
}
