//! Which program a system call concerns when it has returned.
//!
//! One program, `vespid_sys_exit`, is attached there. It looks the call's number up, and goes on in the program of the
//! call's slot, if there is one: most calls concern none.

/// Slots of the table `CALLED`. Lower numbers are what opens files, by the ways to do so, all of which [`Slot::Open`] is for.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// Execs that failed.
    FailedExec = 8,
    /// Accepted connections.
    Accept = 9,
    /// Changed files.
    Change = 10,
    /// Privileged calls.
    Privileged = 11,
    /// Sockets.
    Socket = 12,
    /// Files that were opened, or were to be.
    Open = 13,
}

impl Slot {
    /// Lowest number of one.
    pub const FIRST: u8 = Slot::FailedExec as u8;
    /// Size of the table.
    pub const COUNT: u32 = Slot::Open as u32 + 1;
}
