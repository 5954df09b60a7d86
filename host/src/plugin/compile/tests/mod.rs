//! A cache that others damage, and compilers that misbehave.
mod cache;
mod child;
mod daemons;

use sha2::{Digest as _, Sha256};
use wasmtime::component::Component;

use super::cache::Cache;
use super::child::{Child, ChildLimits};
use super::{Compilation, Compiler};
use crate::plugin::engine::config;
use crate::plugin::refusal::Why;

fn engine() -> wasmtime::Engine {
    wasmtime::Engine::new(&config()).expect("an engine")
}

/// A valid component, different for each number.
fn component(number: u32) -> Vec<u8> {
    let text = format!(r#"(component (core module (func (export "f") (result i32) i32.const {number})))"#);
    wat::parse_str(text).expect("valid text")
}

/// A compiler that is a line of shell.
fn shell(line: &str, limits: ChildLimits) -> Compiler {
    Compiler::Child(Child {
        program: "/bin/sh".into(),
        arguments: vec!["-c".into(), line.into()],
        limits,
    })
}

/// Loads with a compiler, or without any where the cache has to do.
fn load(compiler: Option<Compiler>, cache: Option<Cache>, bytes: &[u8]) -> Result<Component, Why> {
    let engine = engine();
    let none = || shell("echo there is no compiler here >&2; exit 1", ChildLimits::default());
    let compilation = Compilation::new(&engine, compiler.unwrap_or_else(none), cache);
    let (component, _) = compilation.component(&engine, bytes, &Sha256::digest(bytes).into())?;
    Ok(component)
}
