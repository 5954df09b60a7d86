//! Calls that need, give or take away power.
use super::{Fact, Process, cell, fact, op, string};
use crate::bindings::vespid::plugin::{events, reports};

fact!(
    /// A call that needs, gives or takes away power over other processes, the kernel or the system.
    ///
    /// ```
    /// # use vespid_plugin::testing::BatchBuilder;
    /// # use vespid_plugin::{Batch, PrivilegedOp, errno};
    /// # let mut builder = BatchBuilder::new();
    /// # let gdb = builder.process("/usr/bin/gdb").id();
    /// # let sshd = builder.process("/usr/sbin/sshd").id();
    /// # builder.privileged(gdb, PrivilegedOp::Ptrace).code(16).target(sshd);
    /// # builder.privileged(gdb, PrivilegedOp::LoadModule).detail("/tmp/x.ko").fails(errno::EPERM);
    /// # let columns = builder.columns();
    /// # let mut calls = Batch::new(&columns).privileged();
    /// /// `PTRACE_ATTACH`.
    /// const ATTACH: u32 = 16;
    /// let call = calls.next().unwrap();
    /// assert_eq!((call.op(), call.code()), (PrivilegedOp::Ptrace, ATTACH));
    /// assert_eq!(call.target().unwrap().name(), b"sshd");
    /// assert_eq!(call.process().unwrap().name(), b"gdb");
    ///
    /// let call = calls.next().unwrap();
    /// assert_eq!((call.op(), call.detail()), (PrivilegedOp::LoadModule, &b"/tmp/x.ko"[..]));
    /// assert!(call.failed() && errno::name(call.errno()) == "EPERM");
    /// println!("{:?} {}", call.result(), call.argument());
    /// ```
    Privileged, Privileged, Privileged
);

op! {
    /// What was asked of the system.
    ///
    /// ```
    /// use vespid_plugin::{Privileged, PrivilegedOp};
    ///
    /// fn leaves_its_namespaces(call: Privileged<'_>) -> bool {
    ///     call.op() == PrivilegedOp::EnterNamespace && !call.failed()
    /// }
    /// ```
    PrivilegedOp {
        /// `ptrace`, except what only lets a tracee run on or asks why it stopped; the code is the request. The target
        /// of `PTRACE_TRACEME` is the parent.
        Ptrace = 1,
        /// Another process's memory was read (code 0) or written (1).
        ProcessMemory = 2,
        /// A kernel module was loaded, from memory (code 0) or from a descriptor (1), whose path is the detail.
        LoadModule = 3,
        /// A kernel module was unloaded.
        UnloadModule = 4,
        /// `bpf`; the code is the command.
        Bpf = 5,
        /// `setns`; the code has the `CLONE_NEW*` flags.
        EnterNamespace = 6,
        /// `unshare`; the code has the `CLONE_NEW*` flags.
        Unshare = 7,
        /// `clone` with new namespaces; the code has the `CLONE_NEW*` flags, the target is the child.
        Clone = 8,
        /// User or group ids were set; the code says by which call (0 `setuid`, 1 `setgid`, 2 `setreuid`, 3 `setregid`,
        /// 4 `setresuid`, 5 `setresgid`, 6 `setgroups`, 7 `setfsuid`, 8 `setfsgid`), the argument is the id that was
        /// asked for, of several the effective one, or the number of groups.
        SetIds = 9,
        /// `capset`; the argument is the set of effective capabilities afterwards.
        SetCapabilities = 10,
        /// `memfd_create`; the code has its flags, the detail is the name.
        Memfd = 11,
        /// Kernel keys were added (code 0), asked for (1) or managed (2, and the operation shifted left by 16).
        Keys = 12,
        /// A raw or packet socket was made; the code has the family, and the type shifted left by 16.
        RawSocket = 13,
        /// `io_uring_setup`; the code is the number of entries.
        IoUring = 14,
        /// An IP socket was duplicated onto standard input, output or error; the code is the new descriptor, the
        /// argument the old one, the detail its remote end.
        StdioSocket = 15,
        /// `chroot` or `pivot_root`; the detail is the new root as typed.
        Root = 16,
        /// `perf_event_open`; the code is the type of event, the target who is watched if it is one process.
        PerfEvent = 17,
        /// `userfaultfd`; the code has its flags.
        UserFaults = 18,
        /// Another kernel was loaded, from memory (code 0) or from a descriptor (1), whose path is the detail.
        Kexec = 19,
        /// A file was opened by its handle, past all directories; the code has the flags, the detail is its path.
        OpenByHandle = 20,
    }
}

impl<'a> Privileged<'a> {
    /// What was asked for.
    #[must_use]
    #[inline]
    pub fn op(self) -> PrivilegedOp {
        PrivilegedOp::from_column(cell(&self.table.op, self.row))
    }

    /// What exactly; its meaning depends on [`op`](Privileged::op).
    #[must_use]
    #[inline]
    pub fn code(self) -> u32 {
        cell(&self.table.code, self.row)
    }

    /// A number that goes with it; its meaning depends on [`op`](Privileged::op).
    #[must_use]
    #[inline]
    pub fn argument(self) -> u64 {
        cell(&self.table.argument, self.row)
    }

    /// The process that it was done to, if there is one and it is known.
    #[must_use]
    #[inline]
    pub fn target(self) -> Option<Process<'a>> {
        Process::at(self.batch, self.table.target.get(self.row).copied()?)
    }

    /// A name, a path or an address; its meaning depends on [`op`](Privileged::op).
    #[must_use]
    #[inline]
    pub fn detail(self) -> &'a [u8] {
        string(self.batch, cell(&self.table.detail, self.row))
    }

    /// Whether the call failed.
    #[must_use]
    #[inline]
    pub fn failed(self) -> bool {
        self.errno() != 0
    }

    /// Why the call failed, or 0.
    #[must_use]
    #[inline]
    pub fn errno(self) -> u32 {
        let result = cell(&self.table.result, self.row);
        if (-4095..0).contains(&result) {
            u32::try_from(-result).unwrap_or(0)
        } else {
            0
        }
    }

    /// What the call returned, if it succeeded.
    #[must_use]
    #[inline]
    pub fn result(self) -> Option<i64> {
        (!self.failed()).then(|| cell(&self.table.result, self.row))
    }
}
