//! What can happen to a connection, a file, the system, a socket, a control group: the interface's `op` columns, by name.

/// An enumeration with a number, as records and columns hold it, and a name, as recordings and verdicts say it.
macro_rules! ops {
    ($($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $number:literal $text:literal,)* })*) => {
        $($(#[$doc])*
        #[repr(u8)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant = $number,)*
        }

        impl $name {
            /// All of them, by number.
            pub const ALL: &'static [$name] = &[$($name::$variant),*];

            /// The one with this number, if there is one.
            #[must_use]
            pub const fn from_number(number: u8) -> Option<$name> {
                match number {
                    $($number => Some($name::$variant),)*
                    _ => None,
                }
            }

            /// Its name in recordings and verdicts.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $($name::$variant => $text,)*
                }
            }
        })*
    };
}

ops! {
    /// What happened to a TCP connection: [`ConnectionRaw::op`](crate::ConnectionRaw::op).
    ConnectionOp {
        /// A connection attempt of ours was answered.
        Opened = 1 "opened",
        /// A connection of a peer was accepted by a process.
        Accepted = 2 "accepted",
        /// A connection attempt of ours came to nothing; see `errno`.
        Failed = 3 "failed",
        /// A connection that had been established ended.
        Closed = 4 "closed",
    }

    /// What was done to files: [`ChangeRaw::op`](crate::ChangeRaw::op).
    ChangeOp {
        /// `rename`, `renameat`, `renameat2`.
        Rename = 1 "rename",
        /// `link`, `linkat`.
        Link = 2 "link",
        /// `symlink`, `symlinkat`.
        Symlink = 3 "symlink",
        /// `unlink`, `unlinkat`.
        Unlink = 4 "unlink",
        /// `rmdir`, `unlinkat` with `AT_REMOVEDIR`.
        RemoveDirectory = 5 "remove_directory",
        /// `mkdir`, `mkdirat`.
        MakeDirectory = 6 "make_directory",
        /// `mknod`, `mknodat`.
        MakeNode = 7 "make_node",
        /// `truncate`, `ftruncate`.
        Truncate = 8 "truncate",
        /// `chmod`, `fchmod`, `fchmodat`, `fchmodat2`.
        Mode = 9 "mode",
        /// `chown`, `lchown`, `fchown`, `fchownat`.
        Owner = 10 "owner",
        /// `setxattr`, `lsetxattr`, `fsetxattr`, `setxattrat`.
        SetAttribute = 11 "set_attribute",
        /// `removexattr`, `lremovexattr`, `fremovexattr`, `removexattrat`.
        RemoveAttribute = 12 "remove_attribute",
        /// `mount`, `move_mount`.
        Mount = 13 "mount",
        /// `umount`, `umount2`.
        Unmount = 14 "unmount",
    }

    /// What was asked of the system: [`PrivilegedRaw::op`](crate::PrivilegedRaw::op).
    PrivilegedOp {
        /// `ptrace`, except what only lets a tracee run on or asks why it stopped.
        Ptrace = 1 "ptrace",
        /// `process_vm_readv`, `process_vm_writev`.
        ProcessMemory = 2 "process_memory",
        /// `init_module`, `finit_module`.
        LoadModule = 3 "load_module",
        /// `delete_module`.
        UnloadModule = 4 "unload_module",
        /// `bpf`.
        Bpf = 5 "bpf",
        /// `setns`.
        EnterNamespace = 6 "enter_namespace",
        /// `unshare` with new namespaces.
        Unshare = 7 "unshare",
        /// `clone`, `clone3` with new namespaces.
        Clone = 8 "clone",
        /// `setuid`, `setgid` and their kin.
        SetIds = 9 "set_ids",
        /// `capset`.
        SetCapabilities = 10 "set_capabilities",
        /// `memfd_create`.
        Memfd = 11 "memfd",
        /// `add_key`, `request_key`, `keyctl`.
        Keys = 12 "keys",
        /// `socket` of a raw or packet type.
        RawSocket = 13 "raw_socket",
        /// `io_uring_setup`.
        IoUring = 14 "io_uring",
        /// An IP socket duplicated onto standard input, output or error.
        StdioSocket = 15 "stdio_socket",
        /// `chroot`, `pivot_root`.
        Root = 16 "root",
        /// `perf_event_open`.
        PerfEvent = 17 "perf_event",
        /// `userfaultfd`.
        UserFaults = 18 "user_faults",
        /// `kexec_load`, `kexec_file_load`.
        Kexec = 19 "kexec",
        /// `open_by_handle_at`.
        OpenByHandle = 20 "open_by_handle",
    }

    /// What a socket did: [`SocketRaw::op`](crate::SocketRaw::op).
    SocketOp {
        /// `bind`.
        Bound = 1 "bound",
        /// `listen`.
        Listening = 2 "listening",
        /// The first datagram to an address.
        Sent = 3 "sent",
        /// The first datagram from an address.
        Received = 4 "received",
        /// `connect` of a Unix socket.
        UnixConnect = 5 "unix_connect",
        /// A question to a DNS server.
        DnsQuestion = 6 "dns_question",
        /// The answer of a DNS server.
        DnsAnswer = 7 "dns_answer",
    }

    /// What is said of resources.
    ResourceOp {
        /// What a control group used within an interval.
        Usage = 1 "usage",
        /// A process was killed for want of memory.
        OomKill = 2 "oom_kill",
    }
}
