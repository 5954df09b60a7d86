//! The programs, by hook, then what they share.
mod change;
mod exec;
mod exit;
mod fork;
mod privileged;
mod socket;
mod sys_exit;
mod tcp;
mod uring;

mod accept;
mod asked;
mod failed_exec;
mod open;

mod descriptor;
mod globals;
mod header;
mod output;
mod overlay;
mod owner;
mod pids;
mod read;
mod scratch;
mod sieve;
mod syscall;
mod typed;
mod walk;
