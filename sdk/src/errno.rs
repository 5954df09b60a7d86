//! The error numbers that detections ask about (`errno(3)`; the same on every architecture Linux calls generic).
//!
//! ```
//! use vespid_plugin::errno;
//!
//! assert_eq!(errno::name(errno::EACCES), "EACCES");
//! assert_eq!(errno::name(77), "other");
//! ```

/// Operation not permitted.
pub const EPERM: u32 = 1;
/// No such file or directory.
pub const ENOENT: u32 = 2;
/// Permission denied.
pub const EACCES: u32 = 13;
/// File exists.
pub const EEXIST: u32 = 17;
/// Not a directory.
pub const ENOTDIR: u32 = 20;
/// Network is unreachable.
pub const ENETUNREACH: u32 = 101;
/// Connection reset by peer.
pub const ECONNRESET: u32 = 104;
/// Connection timed out.
pub const ETIMEDOUT: u32 = 110;
/// Connection refused.
pub const ECONNREFUSED: u32 = 111;
/// No route to host.
pub const EHOSTUNREACH: u32 = 113;

/// The symbol of an error number, such as `EACCES`; `other` for those not listed here and an empty text for 0.
#[must_use]
pub fn name(errno: u32) -> &'static str {
    match errno {
        0 => "",
        EPERM => "EPERM",
        ENOENT => "ENOENT",
        EACCES => "EACCES",
        EEXIST => "EEXIST",
        ENOTDIR => "ENOTDIR",
        ENETUNREACH => "ENETUNREACH",
        ECONNRESET => "ECONNRESET",
        ETIMEDOUT => "ETIMEDOUT",
        ECONNREFUSED => "ECONNREFUSED",
        EHOSTUNREACH => "EHOSTUNREACH",
        _ => "other",
    }
}
