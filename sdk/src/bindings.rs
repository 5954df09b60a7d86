//! The interface as Rust types, generated from `wit/`.
//!
//! Plugins do not need these; they are public for [`export!`](crate::export) and for whoever wants the bare columns.
#[rustfmt::skip]
#[allow(
    missing_docs,
    unreachable_pub,
    unsafe_code,
    unused_qualifications,
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::expect_used,
    clippy::mem_forget,
    clippy::panic,
    clippy::unwrap_used,
    clippy::undocumented_unsafe_blocks,
    reason = "generated; documented in wit/vespid.wit"
)]
mod generated;

pub use generated::*;
