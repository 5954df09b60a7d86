//! Plugins in other languages than Rust: from `vespid plugin new` to passed cases, and the shipped examples. Without the
//! language's tools a test is skipped aloud, unless `VESPID_REQUIRE_TOOLS` is set.
#![allow(
    clippy::expect_used,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test's panic is its report"
)]
use std::fs;
use std::path::Path;
use std::process::Output;

mod support;

fn vespid(folder: &Path, args: &[&str]) -> Output {
    support::vespid().current_dir(folder).args(args).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8([output.stdout.as_slice(), output.stderr.as_slice()].concat()).unwrap()
}

/// Builds the project, or says which tool is missing.
fn build(folder: &Path) -> bool {
    let built = vespid(folder, &["plugin", "build"]);
    if built.status.success() {
        return true;
    }
    let said = said(&built);
    let is_required = std::env::var_os("VESPID_REQUIRE_TOOLS").is_some();
    assert!(said.contains("is missing") && !is_required, "{said}");
    eprintln!("SKIPPED: {said}");
    false
}

fn passes(folder: &Path) {
    let tested = vespid(folder, &["plugin", "test"]);
    assert!(tested.status.success(), "{}", said(&tested));
}

fn a_new_project_passes_and_refuses_a_relative_folder(language: &str) {
    let folder = tempfile::tempdir().unwrap();
    let made = vespid(folder.path(), &["plugin", "new", "port-watch", "--lang", language]);
    assert!(made.status.success(), "{}", said(&made));
    let project = folder.path().join("port-watch");
    if !build(&project) {
        return;
    }
    passes(&project);
    let case = project.join("cases/program-in-a-temporary-folder.toml");
    let text = fs::read_to_string(&case).unwrap();
    fs::write(&case, format!("{text}\n[config]\nfolders = [\"tmp\"]\n")).unwrap();
    let refused = vespid(&project, &["plugin", "test"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("absolute paths"), "{}", said(&refused));
}

/// A copy, so that nothing is built in the work tree.
fn the_example_passes(name: &str) {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("examples").join(name);
    copy(&examples.join(name), &project);
    copy(&examples.join("../sdk/c"), &folder.path().join("sdk/c"));
    copy(&examples.join("../wit"), &folder.path().join("wit"));
    if build(&project) {
        passes(&project);
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn a_new_plugin_in_c_passes_its_cases() {
    a_new_project_passes_and_refuses_a_relative_folder("c");
}

#[test]
fn a_new_plugin_in_python_passes_its_cases() {
    a_new_project_passes_and_refuses_a_relative_folder("python");
}

#[test]
fn a_new_plugin_in_javascript_passes_its_cases() {
    a_new_project_passes_and_refuses_a_relative_folder("js");
}

#[test]
fn the_example_in_c_passes_its_cases() {
    the_example_passes("ssh-ports");
}

#[test]
fn the_example_in_python_passes_its_cases() {
    the_example_passes("beacons");
}

#[test]
fn the_example_in_javascript_passes_its_cases() {
    the_example_passes("secret-search");
}
