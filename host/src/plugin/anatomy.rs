//! What a component file is made of, as far as it can be read: for people who wonder about its size, or about why it is
//! refused.
use std::ops::Range;

use wasmparser::{Encoding, Parser, Payload};

const PAGE_BYTES: u64 = 64 << 10;

/// What a file consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Anatomy {
    /// Names of what it imports.
    pub imports: Vec<String>,
    /// Names of what it exports.
    pub exports: Vec<String>,
    /// Core modules inside.
    pub modules: usize,
    /// Bytes.
    pub sizes: Sizes,
    /// Linear memory that it has before anything runs, in bytes.
    pub memory_at_start: u64,
    /// Whether its functions have names, without which the backtrace of a trap is numbers.
    pub has_function_names: bool,
}

/// Bytes of a component file, by what they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Sizes {
    /// All.
    pub file: u64,
    /// Functions of the core modules.
    pub code: u64,
    /// Data of the core modules: constants, and whatever a language's runtime brings.
    pub data: u64,
    /// Custom sections: names of functions, debug information, notes of tools.
    pub custom: u64,
}

impl Anatomy {
    /// Reads a file. What comes after damage is not in it.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Anatomy {
        let mut anatomy = Anatomy::default();
        anatomy.sizes.file = bytes.len() as u64;
        let mut depth = 0_u32;
        for payload in Parser::new(0).parse_all(bytes).map_while(Result::ok) {
            match payload {
                Payload::Version { encoding, .. } => {
                    depth += 1;
                    anatomy.modules += usize::from(encoding == Encoding::Module);
                }
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::CodeSectionStart { size, .. } => anatomy.sizes.code += u64::from(size),
                Payload::DataSection(section) => anatomy.sizes.data += length(&section.range()),
                Payload::CustomSection(section) => {
                    anatomy.sizes.custom += length(&section.range());
                    anatomy.has_function_names |= section.name() == "name";
                }
                Payload::MemorySection(section) => {
                    let pages = section.into_iter().map_while(Result::ok).map(|memory| memory.initial);
                    anatomy.memory_at_start += pages.sum::<u64>().saturating_mul(PAGE_BYTES);
                }
                // The outermost only: inside, modules and components are each other's.
                Payload::ComponentImportSection(section) if depth == 1 => {
                    let imports = section.into_iter().map_while(Result::ok);
                    anatomy
                        .imports
                        .extend(imports.map(|import| import.name.name.to_owned()));
                }
                Payload::ComponentExportSection(section) if depth == 1 => {
                    let exports = section.into_iter().map_while(Result::ok);
                    anatomy
                        .exports
                        .extend(exports.map(|export| export.name.name.to_owned()));
                }
                // A core module that nobody made a component of.
                Payload::ImportSection(section) if depth == 1 => {
                    let imports = section.into_imports().map_while(Result::ok);
                    anatomy
                        .imports
                        .extend(imports.map(|import| format!("{}.{}", import.module, import.name)));
                }
                _ => {}
            }
        }
        anatomy
    }
}

fn length(range: &Range<usize>) -> u64 {
    range.len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Anatomy {
        Anatomy::read(&wat::parse_str(text).expect("a component"))
    }

    #[test]
    fn a_component_is_taken_apart() {
        let anatomy = read(
            r#"(component
                (import "a:b/c@1.0.0" (instance))
                (core module $m
                    (memory (export "m") 3)
                    (data (i32.const 0) "twelve bytes")
                    (func $named (export "f") (result i32) i32.const 7)))"#,
        );
        assert_eq!(anatomy.imports, ["a:b/c@1.0.0"]);
        assert_eq!((anatomy.modules, anatomy.memory_at_start), (1, 3 << 16));
        assert!(anatomy.has_function_names);
        assert!(anatomy.sizes.code > 0 && anatomy.sizes.data >= 12, "{anatomy:?}");
    }

    #[test]
    fn of_a_file_that_breaks_off_what_comes_before_is_told() {
        let whole =
            wat::parse_str(r#"(component (import "a:b/c" (instance)) (core module (memory 1)))"#).expect("a component");
        let cut = Anatomy::read(&whole[..whole.len() - 3]);
        assert_eq!(cut.imports, ["a:b/c"]);
        assert_eq!(Anatomy::read(b"#!/bin/sh").modules, 0);
    }
}
