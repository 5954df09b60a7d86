//! What the tests have other processes do: this test binary again, told by its environment to be an actor. Vespid does
//! not report its own process, so a test cannot act itself.
#![expect(unsafe_code, reason = "system calls that no library wraps")]

use std::ffi::{CString, OsStr};
use std::fs::{self, File, Permissions};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

const ACT: &str = "VESPID_TEST_ACT";
const ARGUMENT: &str = "VESPID_TEST_ARGUMENT";

/// A command that does `act` in a folder.
pub(crate) fn actor(act: &str, argument: impl AsRef<OsStr>, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this binary"));
    command.args(["--exact", "actor::acts", "--nocapture", "--test-threads=1"]);
    command
        .env(ACT, act)
        .env(ARGUMENT, argument)
        .current_dir(folder)
        .stdout(std::process::Stdio::piped());
    command
}

#[test]
fn acts() {
    let Ok(act) = std::env::var(ACT) else { return };
    let argument = std::env::var(ARGUMENT).expect("an argument");
    match act.as_str() {
        "open" => argument.split(':').for_each(|path| drop(File::open(path))),
        "open-many" => (0..argument.parse().expect("a number")).for_each(|_| drop(File::open("marker"))),
        "open-every-way" => open_every_way(),
        "open-by-int80" => open_by_int80("file"),
        "open-by-io-uring" => crate::uring::act(),
        "open-in-chroot" => open_in_chroot(),
        "open-in-mount-namespace" => open_in_mount_namespace(),
        "leave-by-thread" => leave_by_thread(libc::CLONE_NEWNET),
        "leave-mounts-by-thread" => leave_by_thread(libc::CLONE_NEWNET | libc::CLONE_NEWNS),
        "open-deep" => open_deep(argument.parse().expect("a number")),
        "open-as-nobody" => {
            // SAFETY: no memory is involved.
            assert_eq!(unsafe { libc::setuid(65_534) }, 0);
            drop(File::open(argument));
        }
        "exec-memfd" => exec_unnamed(true),
        "exec-deleted" => exec_unnamed(false),
        "threads" => {
            let threads: Vec<_> = (0..8).map(|_| std::thread::spawn(|| ())).collect();
            threads.into_iter().for_each(|thread| thread.join().expect("a thread"));
        }
        "serve" => serve(&argument),
        "connect" => connect(&argument),
        "connect-refused" => drop(TcpStream::connect(&argument)),
        "meet" => crate::filters::ends::meet(&argument),
        "connect-many" => connect_many(argument.parse().expect("a number")),
        "change" => crate::variants::acts::act(&argument),
        "privileged" => crate::privileged::acts::act(&argument),
        "connections" => crate::connections::script::act(),
        "translated" => crate::connections::script::act_translated(),
        "name-sockets" => crate::sockets::name_sockets(),
        "send-datagrams" => crate::sockets::send_datagrams(&argument),
        "send-many" => crate::sockets::calls::send_many(&argument),
        "send-by-int80" => crate::sockets::calls::send_by_int80(&argument),
        "ask-dns" => crate::sockets::ask_dns(&argument),
        "spin" => crate::resources::spin(&argument),
        "touch" => crate::resources::touch(&argument),
        "ping-pong" => crate::resources::ping_pong(&argument),
        "want-without-descriptors" => crate::wanted::want_without_descriptors(),
        other => panic!("{other} is no act"),
    }
}

pub(crate) fn c(text: &str) -> CString {
    CString::new(text).expect("no NUL")
}

fn open_every_way() {
    let how = [u64::try_from(libc::O_RDWR | libc::O_CREAT).expect("flags"), 0o640, 0];
    // SAFETY: the strings and `how` (struct open_how) live through the calls.
    unsafe {
        libc::syscall(
            libc::SYS_openat2,
            libc::AT_FDCWD,
            c("by-openat2").as_ptr(),
            how.as_ptr(),
            size_of_val(&how),
        );
        libc::syscall(libc::SYS_creat, c("by-creat").as_ptr(), 0o600);
        libc::syscall(
            libc::SYS_open,
            c("by-open").as_ptr(),
            libc::O_WRONLY | libc::O_CREAT,
            0o604,
        );
        let folder = libc::open(c("folder").as_ptr(), libc::O_PATH | libc::O_DIRECTORY);
        libc::openat(
            folder,
            c("../by-openat").as_ptr(),
            libc::O_CREAT | libc::O_APPEND | libc::O_WRONLY,
            0o600,
        );
        libc::openat(folder, c("missing").as_ptr(), libc::O_RDONLY);
    }
}

/// The 32-bit table has other numbers: `open` is 5, which is `fstat` in the 64-bit one.
fn open_by_int80(path: &str) {
    let path = c(path);
    // SAFETY: the page is ours, large enough, and below 4 GiB; rbx belongs to the compiler and is put back.
    unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_32BIT;
        let page = libc::mmap(
            std::ptr::null_mut(),
            4096,
            libc::PROT_READ | libc::PROT_WRITE,
            flags,
            -1,
            0,
        );
        assert_ne!(page, libc::MAP_FAILED);
        page.cast::<u8>()
            .copy_from(path.as_ptr().cast(), path.as_bytes_with_nul().len());
        std::arch::asm!(
            "xchg rbx, {path}", "int 0x80", "xchg rbx, {path}",
            path = inout(reg) page => _,
            inout("eax") 5 => _, in("ecx") libc::O_RDONLY, in("edx") 0,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
}

fn open_in_chroot() {
    let outside = File::open(".").expect("the folder");
    std::os::unix::fs::chroot("root").expect("a new root");
    std::env::set_current_dir("/").expect("its top");
    drop(File::open("/inside"));
    // SAFETY: the string lives through the call.
    unsafe { libc::openat(outside.as_raw_fd(), c("outside").as_ptr(), libc::O_RDONLY) };
}

fn open_in_mount_namespace() {
    // SAFETY: the strings live through the calls.
    unsafe {
        assert_eq!(libc::unshare(libc::CLONE_NEWNS), 0);
        let private = libc::MS_REC | libc::MS_PRIVATE;
        let none = std::ptr::null();
        assert_eq!(
            libc::mount(c("none").as_ptr(), c("/").as_ptr(), none, private, none.cast()),
            0
        );
        assert_eq!(
            libc::mount(
                c("tmpfs").as_ptr(),
                c("folder").as_ptr(),
                c("tmpfs").as_ptr(),
                0,
                none.cast()
            ),
            0
        );
    }
    fs::write("folder/only-here", "").expect("a file");
}

/// A thread leaves some of the process's namespaces; the others stay.
fn leave_by_thread(namespaces: i32) {
    let act = || {
        drop(File::open("marker"));
        drop(UdpSocket::bind("127.0.0.1:0"));
        drop(fs::set_permissions("marker", Permissions::from_mode(0o600)));
        drop(Command::new("./not-there").status());
    };
    act();
    let left = std::thread::spawn(move || {
        // SAFETY: it takes a number.
        assert_eq!(unsafe { libc::unshare(namespaces) }, 0);
        act();
    });
    left.join().expect("it has acted");
    act();
}

fn open_deep(depth: usize) {
    for _ in 0..depth {
        fs::create_dir("directory").expect("a folder");
        std::env::set_current_dir("directory").expect("a folder");
    }
    fs::write("leaf", "").expect("a file");
}

/// Runs a copy of `true` that lies in no directory.
fn exec_unnamed(memfd: bool) {
    // SAFETY: the strings and arrays live through the calls.
    unsafe {
        let fd = if memfd {
            libc::memfd_create(c("demo").as_ptr(), libc::MFD_CLOEXEC)
        } else {
            libc::open(c("gone").as_ptr(), libc::O_CREAT | libc::O_RDWR, 0o700)
        };
        assert!(fd >= 0);
        fs::copy("/bin/true", format!("/proc/self/fd/{fd}")).expect("a copy");
        let fd = if memfd {
            fd
        } else {
            // A file that is open for writing cannot be run.
            libc::close(fd);
            let fd = libc::open(c("gone").as_ptr(), libc::O_PATH | libc::O_CLOEXEC);
            fs::remove_file("gone").expect("a file");
            fd
        };
        let arguments = [c("demo"), c("argument")];
        let arguments = [arguments[0].as_ptr(), arguments[1].as_ptr(), std::ptr::null()];
        let environment = [std::ptr::null::<libc::c_char>()];
        libc::syscall(
            libc::SYS_execveat,
            fd,
            c("").as_ptr(),
            arguments.as_ptr(),
            environment.as_ptr(),
            libc::AT_EMPTY_PATH,
        );
    }
}

/// Says its address, takes one connection, reads 1,000 bytes and sends 50.
fn serve(address: &str) {
    let listener = TcpListener::bind(address).expect("a port");
    println!("\nlistening {}", listener.local_addr().expect("an address"));
    let (mut peer, _) = listener.accept().expect("a connection");
    peer.read_exact(&mut [0; 1000]).expect("a request");
    peer.write_all(&[7; 50]).expect("an answer");
}

/// Sends 1,000 bytes and reads to the end.
fn connect(address: &str) {
    let mut peer = TcpStream::connect(address).expect("a connection");
    peer.write_all(&[5; 1000]).expect("a request");
    let mut answer = Vec::new();
    peer.read_to_end(&mut answer).expect("an answer");
    assert_eq!(answer.len(), 50);
}

fn connect_many(count: usize) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    for _ in 0..count {
        let near = TcpStream::connect(address).expect("a connection");
        let (mut far, _) = listener.accept().expect("a connection");
        drop(near);
        far.read_to_end(&mut Vec::new()).expect("an end");
    }
}
