//! The programs, by hook, then what they share.
mod exec;
mod exit;
mod fork;
mod socket;
mod sys_exit;
mod tcp;

mod accept;
mod failed_exec;
mod open;

mod descriptor;
mod globals;
mod header;
mod output;
mod owner;
mod read;
mod scratch;
mod syscall;
mod walk;
