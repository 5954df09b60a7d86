//! System calls that no library wraps: loading an empty program of some type, attaching it, opening a counter, asking how
//! good the wall clock is.
#![expect(
    unsafe_code,
    reason = "bpf(2), perf_event_open(2) and adjtimex(2) have no safe wrapper among our dependencies"
)]
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

// include/uapi/linux/bpf.h
const BPF_PROG_LOAD: i32 = 5;
const BPF_RAW_TRACEPOINT_OPEN: i32 = 17;
const BPF_PROG_TYPE_CGROUP_SKB: u32 = 8;
const BPF_PROG_TYPE_SOCK_OPS: u32 = 13;
const BPF_PROG_TYPE_RAW_TRACEPOINT: u32 = 17;
const BPF_PROG_TYPE_TRACING: u32 = 26;
const BPF_PROG_TYPE_LSM: u32 = 29;
const BPF_CGROUP_SOCK_OPS: u32 = 3;
const BPF_TRACE_RAW_TP: u32 = 23;
const BPF_TRACE_FENTRY: u32 = 24;
const BPF_LSM_MAC: u32 = 27;
const BPF_TRACE_ITER: u32 = 28;
/// `r0 = 0; exit`, which every type accepts.
const EMPTY: [u64; 2] = [0x0000_00b7, 0x0000_0095];

/// An empty program.
pub(super) struct Program {
    kind: u32,
    attach: u32,
    hook: u32,
}

/// How a program is attached.
pub(super) enum Attach {
    /// To something that is not there to be tried on.
    Nowhere,
    /// As a raw tracepoint with this name; without one, to what the program was loaded for.
    Tracing(Option<&'static CStr>),
}

impl Program {
    pub(super) fn tp_btf(hook: u32) -> Program {
        Program::tracing(BPF_TRACE_RAW_TP, hook)
    }

    pub(super) fn fentry(hook: u32) -> Program {
        Program::tracing(BPF_TRACE_FENTRY, hook)
    }

    pub(super) fn iterator(hook: u32) -> Program {
        Program::tracing(BPF_TRACE_ITER, hook)
    }

    pub(super) fn lsm(hook: u32) -> Program {
        Program {
            kind: BPF_PROG_TYPE_LSM,
            ..Program::tracing(BPF_LSM_MAC, hook)
        }
    }

    pub(super) fn raw_tracepoint() -> Program {
        Program::plain(BPF_PROG_TYPE_RAW_TRACEPOINT, 0)
    }

    pub(super) fn sock_ops() -> Program {
        Program::plain(BPF_PROG_TYPE_SOCK_OPS, BPF_CGROUP_SOCK_OPS)
    }

    pub(super) fn cgroup_skb() -> Program {
        // BPF_CGROUP_INET_INGRESS
        Program::plain(BPF_PROG_TYPE_CGROUP_SKB, 0)
    }

    fn tracing(attach: u32, hook: u32) -> Program {
        Program {
            kind: BPF_PROG_TYPE_TRACING,
            attach,
            hook,
        }
    }

    fn plain(kind: u32, attach: u32) -> Program {
        Program { kind, attach, hook: 0 }
    }

    /// How it is attached.
    pub(super) fn attach(&self) -> Attach {
        match (self.kind, self.attach) {
            (BPF_PROG_TYPE_TRACING, BPF_TRACE_ITER) => Attach::Nowhere,
            (BPF_PROG_TYPE_TRACING | BPF_PROG_TYPE_LSM, _) => Attach::Tracing(None),
            (BPF_PROG_TYPE_RAW_TRACEPOINT, _) => Attach::Tracing(Some(c"sched_process_exit")),
            _ => Attach::Nowhere,
        }
    }
}

/// `union bpf_attr`, as loading a program has it.
#[repr(C)]
#[derive(Default)]
struct Load {
    kind: u32,
    instructions_len: u32,
    instructions: u64,
    license: u64,
    log: [u64; 2],
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    interface: u32,
    attach: u32,
    types: [u64; 4],
    lines: u32,
    hook: u32,
    rest: [u32; 2],
}
const _: () = assert!(std::mem::offset_of!(Load, hook) == 108);

/// `union bpf_attr`, as attaching a tracepoint has it.
#[repr(C)]
struct Open {
    name: u64,
    program: u32,
    rest: u32,
}

/// Has the kernel verify the program.
pub(super) fn load(program: &Program) -> io::Result<OwnedFd> {
    let license = c"GPL";
    let mut name = [0; 16];
    name[..12].copy_from_slice(b"vespid_tried");
    let attributes = Load {
        kind: program.kind,
        instructions_len: 2,
        instructions: EMPTY.as_ptr() as u64,
        license: license.as_ptr() as u64,
        name,
        attach: program.attach,
        hook: program.hook,
        ..Load::default()
    };
    bpf(BPF_PROG_LOAD, &attributes)
}

/// Attaches it until what is returned is dropped.
pub(super) fn attach(program: &OwnedFd, name: Option<&CStr>) -> io::Result<OwnedFd> {
    let attributes = Open {
        name: name.map_or(0, |name| name.as_ptr() as u64),
        program: program.as_raw_fd().unsigned_abs(),
        rest: 0,
    };
    bpf(BPF_RAW_TRACEPOINT_OPEN, &attributes)
}

fn bpf<T>(command: i32, attributes: &T) -> io::Result<OwnedFd> {
    let length = size_of::<T>();
    // SAFETY: the attributes are as long as is said, and what they point to lives through the call.
    descriptor(unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_ref(attributes), length) })
}

/// `PERF_TYPE_SOFTWARE`, `PERF_COUNT_SW_CPU_CLOCK`.
pub(super) fn software_clock() -> io::Result<OwnedFd> {
    counter(1, 0)
}

/// `PERF_TYPE_HARDWARE`, `PERF_COUNT_HW_CPU_CYCLES`.
pub(super) fn hardware_cycles() -> io::Result<OwnedFd> {
    counter(0, 0)
}

/// A counter of this process's own.
fn counter(kind: u64, config: u64) -> io::Result<OwnedFd> {
    const SIZE: u64 = 128;
    // struct perf_event_attr: type, size, config, …
    let mut attributes = [0_u64; 16];
    (attributes[0], attributes[1]) = (kind | SIZE << 32, config);
    // SAFETY: the attributes are as long as they say.
    descriptor(unsafe { libc::syscall(libc::SYS_perf_event_open, attributes.as_ptr(), 0, -1, -1, 0) })
}

fn descriptor(result: i64) -> io::Result<OwnedFd> {
    match i32::try_from(result) {
        // SAFETY: the kernel has just made it for us.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Whether the wall clock follows another.
pub(super) enum Synchronised {
    /// As far as its keeper knows.
    Within { microseconds: u64 },
    /// Nobody keeps it.
    Not,
    /// The kernel may not be asked.
    Unknown,
}

pub(super) fn synchronised() -> Synchronised {
    // SAFETY: a timex of zeroes is valid, and asks for nothing to be changed.
    let (result, time) = unsafe {
        let mut time: libc::timex = std::mem::zeroed();
        (libc::adjtimex(&raw mut time), time)
    };
    match result {
        -1 => Synchronised::Unknown,
        _ if time.status & libc::STA_UNSYNC != 0 => Synchronised::Not,
        _ => Synchronised::Within {
            microseconds: u64::try_from(time.maxerror).unwrap_or_default(),
        },
    }
}
