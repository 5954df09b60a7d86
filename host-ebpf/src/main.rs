//! The BPF programs: one module a hook, and what they share.
//!
//! What differs between kernels comes from [`globals`]; what is not wanted is dead code to the verifier. A program that
//! cannot say what it saw counts it ([`output::count`]). All mutable state of a loop lives in a map value: 6.1's
//! verifier drops bounds checks on loop state that lives on the stack.
#![cfg_attr(target_arch = "bpf", no_std, no_main, feature(asm_experimental_arch))]
#![cfg_attr(
    target_arch = "bpf",
    expect(
        unsafe_code,
        reason = "kernel memory is read by address; the verifier checks what Rust cannot"
    )
)]

#[cfg(not(target_arch = "bpf"))]
fn main() {}

#[cfg(target_arch = "bpf")]
mod programs;

#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// Some helpers are offered to GPL-compatible programs only.
#[cfg(target_arch = "bpf")]
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
