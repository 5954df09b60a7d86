//! Against this machine's real `/proc`, with processes of the test's own.
use std::process::{Child, Command, Stdio};

use super::*;

/// A process that is killed with the test.
struct Spawned(Child);

impl Spawned {
    fn new(command: &mut Command) -> Spawned {
        Spawned(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap())
    }

    /// Waits for a line, so that the process is past its exec.
    fn wait_for_line(&mut self) {
        let mut byte = [0];
        self.0.stdout.as_mut().unwrap().read_exact(&mut byte).unwrap();
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn shell(script: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]);
    command
}

#[test]
fn a_process_is_read_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut spawned = Spawned::new(shell("echo; read x; :").arg("two words").current_dir(folder.path()));
    spawned.wait_for_line();
    let known = Procfs::new(0).read(spawned.0.id()).unwrap();
    assert_eq!(
        known.image.args.as_slice(),
        b"/bin/sh\0-c\0echo; read x; :\0two words\0"
    );
    assert_eq!(known.image.comm.as_slice(), b"sh");
    assert_eq!(known.image.ppid, std::process::id());
    assert_eq!(
        known.image.cwd.as_slice(),
        folder.path().canonicalize().unwrap().as_os_str().as_encoded_bytes()
    );
    assert_eq!(
        known.image.exe.as_slice(),
        fs::canonicalize("/bin/sh").unwrap().as_os_str().as_encoded_bytes()
    );
    assert_eq!(
        known.image.namespaces,
        Procfs::new(0).read(std::process::id()).unwrap().image.namespaces
    );
    assert!(known.image.namespaces.iter().all(|&inode| inode != 0));
    assert_eq!(known.image.flags, 0);
}

#[test]
fn a_deleted_executable_is_marked_and_its_path_is_clean() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shell (deleted)");
    fs::copy(fs::canonicalize("/bin/sh").unwrap(), &path).unwrap();
    let mut spawned = Spawned::new(Command::new(&path).args(["-c", "echo; read x; :"]));
    spawned.wait_for_line();
    let before = Procfs::new(0).read(spawned.0.id()).unwrap().image;
    fs::remove_file(&path).unwrap();
    let after = Procfs::new(0).read(spawned.0.id()).unwrap().image;
    assert_eq!((before.flags, after.flags), (0, process_flags::DELETED));
    assert!(before.exe.as_slice().ends_with(b"/shell (deleted)"));
    assert_eq!(before.exe, after.exe);
}

#[test]
fn a_process_that_is_gone_is_not_found() {
    let mut spawned = Spawned::new(&mut shell("echo; read x"));
    spawned.wait_for_line();
    let mut source = Procfs::new(0);
    let pid = spawned.0.id();
    assert!(source.look_up(pid).is_some());
    drop(spawned);
    assert_eq!(source.look_up(pid), None);
}

#[test]
fn parents_come_before_their_children() {
    let mut spawned = Spawned::new(&mut shell("echo; read x; :"));
    spawned.wait_for_line();
    let all = Procfs::new(0).processes().unwrap();
    let place = |pid: u32| all.iter().position(|known| known.subject.pid == pid);
    assert!(place(spawned.0.id()) > place(std::process::id()));
    assert!(place(std::process::id()).is_some());
    for (at, known) in all.iter().enumerate() {
        assert!(place(known.image.ppid).is_none_or(|parent| parent < at), "{known:?}");
    }
}
