//! What an open asks for, by its registers.
use super::super::descriptor::WORKING_DIRECTORY;
use super::super::read::user;
use super::super::syscall::Call;
use super::super::typed::Text;
use super::calls::action::{CREAT, OPENAT, OPENAT2};

/// `O_CREAT | O_WRONLY | O_TRUNC`: what `creat` stands for.
const CREAT_FLAGS: u64 = 0o1101;

/// What was asked for.
pub(in super::super) struct Request {
    pub(in super::super) directory: i32,
    pub(in super::super) typed: Text,
    pub(in super::super) flags: u64,
    pub(in super::super) mode: u64,
}

impl Request {
    #[inline(always)]
    pub(super) fn of(call: Call, action: u8) -> Request {
        let (first, second, third) = (call.argument(0), call.argument(1), call.argument(2));
        match action {
            CREAT => Request {
                directory: WORKING_DIRECTORY,
                typed: Text::User(first),
                flags: CREAT_FLAGS,
                mode: second,
            },
            OPENAT => Request {
                directory: first as i32,
                typed: Text::User(second),
                flags: third,
                mode: call.argument(3),
            },
            OPENAT2 => {
                // struct open_how { __u64 flags, mode, resolve; }
                let [flags, mode] = user::<[u64; 2]>(third).unwrap_or([0, 0]);
                Request {
                    directory: first as i32,
                    typed: Text::User(second),
                    flags,
                    mode,
                }
            }
            _ => Request {
                directory: WORKING_DIRECTORY,
                typed: Text::User(first),
                flags: second,
                mode: third,
            },
        }
    }
}

/// The flags alone of what was asked for.
#[inline(always)]
pub(super) fn flags(call: Call, action: u8) -> u64 {
    match action {
        CREAT => CREAT_FLAGS,
        OPENAT => call.argument(2),
        OPENAT2 => user(call.argument(2)).unwrap_or(0),
        _ => call.argument(1),
    }
}
