//! Files that do not become plugins, and what their owners read.
use std::path::Path;

use vespid::plugin::{Limits, Plugin, Why};

use crate::support::{engine, zoo_file};

#[track_caller]
fn refuse(bytes: &[u8], limits: &Limits, expected: &[&str]) -> Why {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("strange.wasm");
    std::fs::write(&file, bytes).expect("a file");
    let refusal = Plugin::load(engine(), &file, limits).err().expect("it is refused");
    let message = refusal.to_string();
    for part in ["strange.wasm is not loaded"].iter().chain(expected) {
        assert!(message.contains(part), "{message}");
    }
    refusal.why
}

#[track_caller]
fn refuse_wat(text: &str, expected: &[&str]) -> Why {
    refuse(&wat::parse_str(text).expect("valid text"), &Limits::default(), expected)
}

#[test]
fn a_file_that_is_something_else() {
    refuse(b"#!/bin/sh\n", &Limits::default(), &["is not WebAssembly"]);
    refuse(b"", &Limits::default(), &["is not WebAssembly"]);
}

#[test]
fn a_core_module_is_told_how_to_become_a_component() {
    refuse_wat(
        "(module)",
        &["core module", "wasm-component-ld", "wasm-tools component new"],
    );
}

#[test]
fn a_damaged_component() {
    let bytes = std::fs::read(zoo_file()).expect("the zoo");
    refuse(
        &bytes[..bytes.len() / 2],
        &Limits::default(),
        &["not valid WebAssembly"],
    );
}

#[test]
fn a_component_that_is_no_plugin() {
    refuse_wat("(component)", &["does not export `vespid:plugin/guest`"]);
}

#[test]
fn another_interface_version_is_named_with_those_that_are_known() {
    let why = refuse_wat(
        r#"(component (instance $i) (export "vespid:plugin/guest@0.9.0" (instance $i)))"#,
        &["interface version 0.9.0", "this daemon runs 0.1.0"],
    );
    assert!(matches!(why, Why::Version { found } if found == "0.9.0"));
}

#[test]
fn wasi_is_refused_by_name_with_the_target_to_use() {
    refuse_wat(
        r#"(component
            (import "vespid:plugin/events@0.1.0" (instance (type $t u32) (export "x" (type (eq $t)))))
            (import "wasi:cli/environment@0.2.6" (instance (export "initial-cwd" (func))))
            (instance $i) (export "vespid:plugin/guest@0.1.0" (instance $i)))"#,
        &[
            "`wasi:cli/environment@0.2.6`",
            "no access to the system",
            "wasm32-unknown-unknown",
        ],
    );
}

#[test]
fn any_other_import_is_refused_by_name() {
    for import in [
        "acme:db/store@1.0.0",
        "vespid:plugin/http@0.1.0",
        "vespid:plugin/log@0.9.0",
    ] {
        refuse_wat(
            &format!(
                r#"(component
                    (import "{import}" (instance (export "get" (func))))
                    (instance $i) (export "vespid:plugin/guest@0.1.0" (instance $i)))"#
            ),
            &[&format!("imports `{import}`"), "nothing but `vespid:plugin/log`"],
        );
    }
    refuse_wat(
        r#"(component
            (import "vespid:plugin/events@0.1.0" (instance (export "handle" (type (sub resource)))))
            (instance $i) (export "vespid:plugin/guest@0.1.0" (instance $i)))"#,
        &["imports `vespid:plugin/events@0.1.0`"],
    );
}

#[test]
fn a_right_name_with_wrong_functions_behind_it() {
    let why = refuse_wat(
        r#"(component (instance $i) (export "vespid:plugin/guest@0.1.0" (instance $i)))"#,
        &["not those of the interface", "WIT files"],
    );
    assert!(matches!(why, Why::Interface(_)));
}

#[test]
fn a_file_over_the_limit_is_not_even_parsed() {
    let limits = Limits {
        file_bytes: 1_000,
        ..Limits::default()
    };
    refuse(
        &std::fs::read(zoo_file()).expect("the zoo"),
        &limits,
        &["more than 1000 bytes"],
    );
}

#[test]
fn a_file_that_cannot_be_read() {
    let refusal = Plugin::load(engine(), Path::new("/nowhere/zoo.wasm"), &Limits::default())
        .err()
        .expect("no such file");
    assert!(
        refusal
            .to_string()
            .starts_with("/nowhere/zoo.wasm is not loaded: No such file"),
        "{refusal}"
    );
}

#[test]
fn the_zoo_is_a_plugin() {
    let zoo = Plugin::load(engine(), &zoo_file(), &Limits::default()).expect("it is one");
    assert_eq!(
        (zoo.identity.name.as_str(), zoo.identity.version.as_str()),
        ("zoo", "1.2.3")
    );
    assert_eq!((zoo.identity.interface, zoo.identity.digest.len()), ("0.1.0", 64));
}
