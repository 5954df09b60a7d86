//! The bindings in `sdk/` are what `wit/` says. They are kept in the repository so that nobody who builds a plugin has to
//! compile a WIT parser, or to have a generator, first.
#![allow(clippy::expect_used, reason = "a test")]
use std::path::{Path, PathBuf};

use wit_bindgen_core::wit_parser::Resolve;
use wit_bindgen_core::{Files, WorldGenerator};

const HEADER: &str =
    "// Generated from wit/vespid.wit; `VESPID_ACCEPT=1 cargo test -p xtask --test bindings` writes it anew.\n";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn generate(generator: &mut dyn WorldGenerator) -> Files {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(root().join("wit")).expect("wit/ is valid");
    let world = resolve.select_world(&[package], Some("plugin")).expect("its world");
    let mut files = Files::default();
    generator.generate(&mut resolve, world, &mut files).expect("bindings");
    files
}

/// The file has this content, or gets it with `VESPID_ACCEPT=1`.
#[track_caller]
fn check(file: &Path, expected: &[u8]) {
    if std::env::var_os("VESPID_ACCEPT").is_some() {
        std::fs::write(file, expected).expect("written");
    }
    let found = std::fs::read(file).unwrap_or_default();
    assert!(
        found == expected,
        "the interface has changed; `VESPID_ACCEPT=1` writes {} anew",
        file.display()
    );
}

#[test]
fn the_rust_bindings_are_those_of_the_interface() {
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    let options = wit_bindgen_rust::Opts {
        format: true,
        pub_export_macro: true,
        export_macro_name: Some("export_guest".to_owned()),
        generate_unused_types: true,
        runtime_path: Some("::wit_bindgen::rt".to_owned()),
        additional_derive_attributes: names(&["Default"]),
        additional_derive_ignore: names(&[
            "filter",
            "namespace-filter",
            "namespace-kind",
            "which-namespace",
            "pattern",
            "manifest",
            "metric",
            "metric-kind",
            "level",
            "restored",
            "row",
            "severity",
            "verdict",
        ]),
        ..Default::default()
    };
    let files = generate(&mut options.build());
    let (_, source) = files.iter().next().expect("one file");
    let source = [HEADER.as_bytes(), source].concat();
    check(&root().join("sdk/src/bindings/generated.rs"), &source);
}

#[test]
fn the_c_bindings_are_those_of_the_interface() {
    for (name, content) in generate(&mut *wit_bindgen_c::Opts::default().build()).iter() {
        let is_text = Path::new(name).extension().is_some_and(|extension| extension != "o");
        let header = if is_text { HEADER.as_bytes() } else { b"" };
        check(&root().join("sdk/c").join(name), &[header, content].concat());
    }
}
