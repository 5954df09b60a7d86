//! `sdk/src/bindings/generated.rs` is what `wit/` says. It is kept in the repository so that nobody who builds a plugin
//! has to compile a WIT parser first.
#![allow(clippy::expect_used, reason = "a test")]
use std::path::Path;

use wit_bindgen_core::wit_parser::Resolve;
use wit_bindgen_core::{Files, WorldGenerator};
use wit_bindgen_rust::Opts;

const HEADER: &str =
    "// Generated from wit/vespid.wit; `VESPID_ACCEPT=1 cargo test -p xtask --test bindings` writes it anew.\n";

fn generated(wit: &Path) -> String {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(wit).expect("wit/ is valid");
    let world = resolve.select_world(&[package], Some("plugin")).expect("its world");
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    let options = Opts {
        format: true,
        pub_export_macro: true,
        export_macro_name: Some("export_guest".to_owned()),
        generate_unused_types: true,
        runtime_path: Some("::wit_bindgen::rt".to_owned()),
        additional_derive_attributes: names(&["Default"]),
        additional_derive_ignore: names(&[
            "manifest",
            "metric",
            "metric-kind",
            "level",
            "restored",
            "row",
            "severity",
            "verdict",
        ]),
        ..Opts::default()
    };
    let mut files = Files::default();
    options
        .build()
        .generate(&mut resolve, world, &mut files)
        .expect("bindings");
    let (_, source) = files.iter().next().expect("one file");
    format!("{HEADER}{}", std::str::from_utf8(source).expect("source is text"))
}

#[test]
fn the_bindings_are_those_of_the_interface() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let file = root.join("sdk/src/bindings/generated.rs");
    let expected = generated(&root.join("wit"));
    if std::env::var_os("VESPID_ACCEPT").is_some() {
        std::fs::write(&file, &expected).expect("written");
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        found == expected,
        "the interface has changed; `VESPID_ACCEPT=1` writes {} anew",
        file.display()
    );
}
