//! Where the running kernel keeps what the programs read.
//!
//! Rust's BPF target emits no CO-RE relocations, and field offsets differ between kernels, so the daemon looks each one
//! up in the kernel's own BTF and hands them over as read-only data before the programs are loaded.

/// Layout version of [`Offsets`].
pub const OFFSETS_VERSION: u32 = 1;

/// Byte offsets of kernel structure fields.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Offsets {
    /// [`OFFSETS_VERSION`].
    pub version: u32,
}
