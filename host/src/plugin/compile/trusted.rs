//! The one place where bytes become code that runs in the daemon.
//!
//! They are copied into memory of the process, not mapped from the cache's file. Mapping them (`deserialize_file`) was
//! measured with the three shipped plugins, 1.1 MB of code each: it saves 1 ms and 0.9 MB of resident memory a plugin.
//! But a mapped file is used long after it was checked: whoever truncates it, or a disk that fails when a page is read
//! back, kills the daemon with a bus error in the middle of a guest call, a changed byte is executed, and a `noexec`
//! mount forbids it altogether. A copy is checked once, and is then nobody else's.
#![allow(unsafe_code, reason = "wasmtime cannot check machine code, only who made it")]

use wasmtime::Engine;
use wasmtime::component::Component;

/// Makes a component of what `Engine::precompile_component` returned, here, in a child or in an earlier process.
///
/// # Errors
/// If another version of wasmtime made it, other settings, or a processor that can do more than this one.
pub(super) fn code(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: The bytes must be the unaltered output of `precompile_component`. They come straight from it; or through
    // a pipe from a process that runs this very program; or from a file that only this user could write, in a
    // directory that only this user could write, under a checksum over all of it (`Cache::get`). Who can forge any
    // of these can replace the daemon as well. That the output is of this version of wasmtime, for these settings and
    // this processor, is checked by the call itself.
    unsafe { Component::deserialize(engine, code) }
}
