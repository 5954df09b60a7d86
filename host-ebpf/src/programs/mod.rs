//! The programs, by hook, then what they share.
mod change;
mod exec;
mod exit;
mod fork;
mod oom;
mod privileged;
mod sock_ops;
mod socket;
mod sys_exit;
mod tcp;
mod uring;
mod usage;

mod accept;
mod asked;
mod connection;
mod failed_exec;
mod open;

mod atomic;
mod descriptor;
mod globals;
mod header;
mod images;
mod merge;
mod namespaces;
mod output;
mod overlay;
mod owner;
mod pids;
mod read;
mod scratch;
mod share;
mod sieve;
mod syscall;
mod typed;
mod walk;
