//! The calls that the tests have an actor make. What each returned goes, line by line, into the file `results`: some
//! kernels are built without modules, keys or another kernel to load, and say so to everybody.
#![expect(unsafe_code, reason = "system calls that no library wraps")]

use std::fs::{self, File};
use std::io::Write;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, IntoRawFd};
use std::os::unix::net::UnixStream;
use std::process::Command;

use crate::actor::c;

/// Makes a system call, and notes what it returned, or the negated errno. All arguments become 64-bit values.
macro_rules! call {
    ($results:ident, $number:ident $(, $argument:expr)*) => {{
        // SAFETY: every act keeps what its pointers refer to alive, or means them to be invalid.
        let result = unsafe { libc::syscall(libc::$number $(, $argument)*) };
        $results.note(result)
    }};
}

/// What the calls returned.
struct Results(File);

impl Results {
    fn note(&mut self, result: i64) -> i64 {
        let errno = i64::from(std::io::Error::last_os_error().raw_os_error().unwrap_or(0));
        let result = if result == -1 { -errno } else { result };
        writeln!(self.0, "{result}").expect("a file");
        result
    }
}

/// Does `act` in the working directory.
pub(crate) fn act(act: &str) {
    let results = &mut Results(File::create("results").expect("a file"));
    match act {
        "trace" => trace(results),
        "trace-me" => trace_me(results),
        "trace-in-pid-namespace" => trace_in_pid_namespace(results),
        "memory" => memory(results),
        "modules" => modules(results),
        "kernel" => kernel(results),
        "handles" => handles(results),
        "namespaces" => namespaces(results),
        "clones" => clones(results),
        "ids" => ids(results),
        "capabilities" => capabilities(results),
        "names" => names(results),
        "keys" => keys(results),
        "raw-sockets" => raw_sockets(results),
        "raw-socket" => {
            call!(results, SYS_socket, libc::AF_PACKET, libc::SOCK_RAW, 0);
        }
        "module" => {
            let file = File::open("module.ko").expect("a file");
            call!(results, SYS_finit_module, file.as_raw_fd(), c("").as_ptr(), 0);
        }
        "stdio" => stdio(results),
        "int80" => int80(results),
        "nothing" => nothing(),
        other => panic!("{other} is no act"),
    }
}

fn sleeper() -> (std::process::Child, i32) {
    let child = Command::new("/bin/sleep").arg("30").spawn().expect("a child");
    let pid = i32::try_from(child.id()).expect("a pid");
    (child, pid)
}

fn stopped(pid: i32) {
    // SAFETY: no memory is involved.
    unsafe { libc::waitpid(pid, std::ptr::null_mut(), libc::__WALL) };
}

fn trace(results: &mut Results) {
    let (mut child, pid) = sleeper();
    call!(results, SYS_ptrace, libc::PTRACE_ATTACH, pid, 0, 0);
    stopped(pid);
    let mut word = 0_u64;
    call!(results, SYS_ptrace, libc::PTRACE_PEEKUSER, pid, 16, &raw mut word);
    call!(results, SYS_ptrace, libc::PTRACE_POKEDATA, pid, 16, 0);
    // SAFETY: no memory is involved.
    unsafe { libc::syscall(libc::SYS_ptrace, libc::PTRACE_SYSCALL, pid, 0, 0) };
    stopped(pid);
    call!(results, SYS_ptrace, libc::PTRACE_DETACH, pid, 0, 0);
    call!(results, SYS_ptrace, libc::PTRACE_SEIZE, pid, 0, 0);
    child.kill().expect("a child");
    stopped(pid);
    call!(results, SYS_ptrace, libc::PTRACE_ATTACH, i32::MAX, 0, 0);
    call!(results, SYS_ptrace, libc::PTRACE_ATTACH, std::process::id(), 0, 0);
}

/// A child that does what it is told, and ends.
fn forked(work: impl FnOnce()) -> i32 {
    // SAFETY: the child makes but system calls.
    let child = unsafe { libc::fork() };
    if child == 0 {
        work();
        // SAFETY: it ends here.
        unsafe { libc::_exit(0) };
    }
    child
}

/// A child asks to be traced.
fn trace_me(results: &mut Results) {
    stopped(forked(|| {
        call!(results, SYS_ptrace, libc::PTRACE_TRACEME, 0, 0, 0);
    }));
}

/// In a new pid namespace the first process, 1, traces the second.
fn trace_in_pid_namespace(results: &mut Results) {
    // SAFETY: no memory is involved.
    assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWPID) }, 0);
    stopped(forked(|| {
        // SAFETY: no memory is involved.
        let second = forked(|| _ = unsafe { libc::pause() });
        assert_eq!(second, 2);
        call!(results, SYS_ptrace, libc::PTRACE_ATTACH, second, 0, 0);
        call!(results, SYS_ptrace, libc::PTRACE_ATTACH, 3, 0, 0);
        // SAFETY: no memory is involved.
        unsafe { libc::kill(second, libc::SIGKILL) };
    }));
}

fn memory(results: &mut Results) {
    let (from, mut to) = ([7_u8; 8], [0_u8; 8]);
    let remote = libc::iovec {
        iov_base: from.as_ptr().cast_mut().cast(),
        iov_len: 8,
    };
    let local = libc::iovec {
        iov_base: to.as_mut_ptr().cast(),
        iov_len: 8,
    };
    let (local, remote) = (&raw const local, &raw const remote);
    call!(
        results,
        SYS_process_vm_readv,
        std::process::id(),
        local,
        1,
        remote,
        1,
        0_u64
    );
    call!(results, SYS_process_vm_writev, i32::MAX, local, 1, remote, 1, 0_u64);
    assert_eq!(to, from);
}

fn modules(results: &mut Results) {
    fs::write("module.ko", "no module").expect("a file");
    let file = File::open("module.ko").expect("a file");
    call!(results, SYS_finit_module, file.as_raw_fd(), c("").as_ptr(), 0);
    call!(results, SYS_finit_module, 999, c("").as_ptr(), 0);
    call!(results, SYS_init_module, c("no module").as_ptr(), 9, c("").as_ptr());
    call!(
        results,
        SYS_delete_module,
        c("no_such_module").as_ptr(),
        libc::O_NONBLOCK
    );
}

fn kernel(results: &mut Results) {
    // BPF_MAP_CREATE without attributes; no command.
    call!(results, SYS_bpf, 0, 0, 0);
    call!(results, SYS_bpf, 1234, 0, 0);
    // struct perf_event_attr: type, size, config. PERF_TYPE_SOFTWARE, PERF_COUNT_SW_DUMMY.
    let mut attributes = [0_u64; 16];
    (attributes[0], attributes[1]) = (1 | 128 << 32, 9);
    call!(results, SYS_perf_event_open, &raw const attributes, 0, -1, -1, 0);
    call!(
        results,
        SYS_perf_event_open,
        &raw const attributes,
        std::process::id(),
        -1,
        -1,
        0
    );
    attributes[0] = 77 | 128 << 32;
    call!(results, SYS_perf_event_open, &raw const attributes, 0, -1, -1, 0);
    call!(results, SYS_userfaultfd, 1);
    call!(results, SYS_userfaultfd, 0x1000);
    let mut parameters = [0_u8; 128];
    call!(results, SYS_io_uring_setup, 4, &raw mut parameters);
    call!(results, SYS_io_uring_setup, 0, &raw mut parameters);
    call!(results, SYS_kexec_load, 0, 0xffff, 0, 0xff);
    let file = File::open("/etc/passwd").expect("a file");
    call!(results, SYS_kexec_file_load, file.as_raw_fd(), 999, 0, 0, 0xff);
}

fn handles(results: &mut Results) {
    // struct file_handle { handle_bytes, handle_type; f_handle }
    let mut handle = [0_u32; 34];
    handle[0] = 128;
    let mut mount = 0_i32;
    fs::write("secret", "").expect("a file");
    // SAFETY: both live, and the handle says how long it is.
    let got = unsafe {
        libc::syscall(
            libc::SYS_name_to_handle_at,
            libc::AT_FDCWD,
            c("secret").as_ptr(),
            &raw mut handle,
            &raw mut mount,
            0,
        )
    };
    assert_eq!(got, 0);
    let folder = File::open(".").expect("a folder");
    call!(
        results,
        SYS_open_by_handle_at,
        folder.as_raw_fd(),
        &raw const handle,
        libc::O_RDONLY
    );
    call!(results, SYS_open_by_handle_at, 999, &raw const handle, libc::O_RDWR);
}

fn namespaces(results: &mut Results) {
    let before = File::open("/proc/self/ns/uts").expect("a namespace");
    call!(results, SYS_unshare, libc::CLONE_NEWUTS | libc::CLONE_FS);
    // A process with threads cannot.
    call!(results, SYS_unshare, libc::CLONE_NEWUSER);
    call!(results, SYS_setns, before.as_raw_fd(), 0);
    call!(results, SYS_setns, before.as_raw_fd(), libc::CLONE_NEWUTS);
    call!(results, SYS_setns, before.as_raw_fd(), libc::CLONE_NEWNET);
    call!(results, SYS_setns, 999, 0);
}

/// Children that end at once.
fn clones(results: &mut Results) {
    let flags = libc::CLONE_NEWUTS | libc::CLONE_NEWIPC;
    // SAFETY: as `fork`, which has no stack either.
    let child = unsafe { libc::syscall(libc::SYS_clone, flags | libc::SIGCHLD, 0, 0, 0, 0) };
    if child == 0 {
        // SAFETY: it ends here.
        unsafe { libc::_exit(0) };
    }
    results.note(child);
    let failing = libc::CLONE_NEWUSER | libc::CLONE_FS | libc::SIGCHLD;
    call!(results, SYS_clone, failing, 0, 0, 0, 0);
    // struct clone_args: flags, pidfd, child_tid, parent_tid, exit_signal, …
    let mut arguments = [0_u64; 11];
    arguments[0] = u64::from(libc::CLONE_NEWNET.unsigned_abs());
    arguments[4] = u64::from(libc::SIGCHLD.unsigned_abs());
    // SAFETY: `arguments` is as long as it is said to be.
    let second = unsafe { libc::syscall(libc::SYS_clone3, &raw const arguments, size_of_val(&arguments)) };
    if second == 0 {
        // SAFETY: it ends here.
        unsafe { libc::_exit(0) };
    }
    results.note(second);
    stopped(i32::try_from(child).expect("a pid"));
    stopped(i32::try_from(second).expect("a pid"));
}

fn ids(results: &mut Results) {
    call!(results, SYS_setresgid, -1, 12, -1);
    call!(results, SYS_setregid, -1, 13);
    let groups = [12_u32];
    call!(results, SYS_setgroups, 1, groups.as_ptr());
    call!(results, SYS_setfsgid, 12);
    call!(results, SYS_setgid, 12);
    call!(results, SYS_setreuid, 0, -1);
    call!(results, SYS_setresuid, -1, -1, 65_534);
    call!(results, SYS_setfsuid, 65_534);
    call!(results, SYS_setresuid, -1, 65_534, -1);
    call!(results, SYS_setuid, 1);
}

fn capabilities(results: &mut Results) {
    // struct __user_cap_header_struct { version, pid }; two of struct __user_cap_data_struct { effective, … }.
    let header = [0x2008_0522_u32, 0];
    let mut sets = [0_u32; 6];
    // SAFETY: both live, and are as long as this version has it.
    let got = unsafe { libc::syscall(libc::SYS_capget, &raw const header, &raw mut sets) };
    assert_eq!(got, 0);
    // CAP_NET_ADMIN.
    (sets[0], sets[3]) = (1 << 12, 0);
    call!(results, SYS_capset, &raw const header, &raw const sets);
    sets[1] = 0;
    // Of another process, which is not possible.
    let header = [0x2008_0522_u32, 1];
    call!(results, SYS_capset, &raw const header, &raw const sets);
}

fn names(results: &mut Results) {
    call!(results, SYS_memfd_create, c("payload").as_ptr(), libc::MFD_CLOEXEC);
    call!(results, SYS_memfd_create, c("payload").as_ptr(), 0x4000);
    fs::create_dir("root").expect("a folder");
    call!(results, SYS_pivot_root, c("root").as_ptr(), c("root").as_ptr());
    call!(results, SYS_chroot, c("missing").as_ptr());
    call!(results, SYS_chroot, c("root").as_ptr());
}

fn keys(results: &mut Results) {
    const PROCESS: i32 = -2;
    let (user, name) = (c("user"), c("vespid-test"));
    call!(
        results,
        SYS_add_key,
        user.as_ptr(),
        name.as_ptr(),
        name.as_ptr(),
        3,
        PROCESS
    );
    call!(results, SYS_request_key, user.as_ptr(), c("vespid-none").as_ptr(), 0, 0);
    // KEYCTL_REVOKE of no key.
    call!(results, SYS_keyctl, 3, 0);
}

fn raw_sockets(results: &mut Results) {
    let packet = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
    call!(results, SYS_socket, libc::AF_PACKET, packet, 0x300);
    call!(results, SYS_socket, libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP);
    call!(
        results,
        SYS_socket,
        libc::AF_INET6,
        libc::SOCK_RAW,
        libc::IPPROTO_ICMPV6
    );
    call!(results, SYS_socket, libc::AF_INET, libc::SOCK_RAW, 9999);
}

/// Sockets become standard input, output and error, every way there is.
fn stdio(results: &mut Results) {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let listener = TcpListener::bind(address).expect("a port");
        let remote = listener.local_addr().expect("an address");
        fs::write(
            address.split(':').next().expect("text").replace('[', "v6"),
            remote.to_string(),
        )
        .expect("a file");
        let socket = TcpStream::connect(remote).expect("a connection").into_raw_fd();
        call!(results, SYS_dup2, socket, 0);
        call!(results, SYS_dup3, socket, 1, libc::O_CLOEXEC);
        // SAFETY: standard error is not needed any more, nor input.
        unsafe { libc::close(2) };
        call!(results, SYS_fcntl, socket, libc::F_DUPFD, 2);
        // SAFETY: as above.
        unsafe { libc::close(0) };
        call!(results, SYS_dup, socket);
    }
    let unconnected = UdpSocket::bind("127.0.0.1:0").expect("a port");
    call!(results, SYS_dup2, unconnected.as_raw_fd(), 0);
    // The test harness would write to it.
    // SAFETY: it ends here.
    unsafe { libc::_exit(0) };
}

/// As 32-bit programs do: `dup` of that table is `socket` of the other, `socketcall` has its arguments in memory.
#[cfg(target_arch = "x86_64")]
fn int80(results: &mut Results) {
    const ARGUMENTS: [u32; 3] = [libc::AF_PACKET.unsigned_abs(), libc::SOCK_RAW.unsigned_abs(), 0];
    let mut call = |number: i32, first: u64, second: u64| {
        let result: i32;
        // SAFETY: rbx belongs to the compiler and is put back; pointers lie below 4 GiB.
        unsafe {
            std::arch::asm!(
                "xchg rbx, {first}", "int 0x80", "xchg rbx, {first}",
                first = inout(reg) first => _, inout("eax") number => result, in("rcx") second, in("rdx") 0,
                out("r8") _, out("r9") _, out("r10") _, out("r11") _,
            );
        }
        writeln!(results.0, "{result}").expect("a file");
    };
    // SAFETY: the page is ours, large enough, and below 4 GiB.
    let page = unsafe {
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
        page.cast::<[u32; 3]>().write(ARGUMENTS);
        page as u64
    };
    call(102, 1, page);
    call(310, u64::from(libc::CLONE_NEWUTS.unsigned_abs()), 0);
    call(213, 0, 0);
}

/// What shares a number with a privileged call and is none.
fn nothing() {
    std::thread::spawn(|| ()).join().expect("a thread");
    Command::new("/bin/true").status().expect("it runs");
    let (unix, _other) = UnixStream::pair().expect("a pair");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    // SAFETY: descriptors that are open, and no memory.
    unsafe {
        libc::dup2(unix.as_raw_fd(), 0);
        libc::dup(listener.as_raw_fd());
        libc::fcntl(listener.as_raw_fd(), libc::F_GETFD);
        libc::fcntl(listener.as_raw_fd(), libc::F_SETFD, 0);
        libc::unshare(libc::CLONE_FS);
        libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0);
    }
}
