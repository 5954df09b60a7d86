//! What `vespid doctor` says to people and to programs, with privileges and without.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "tests")]
use std::process::{Command, Output};

use serde_json::Value;

#[path = "support/mod.rs"]
mod support;
use support::{is_live, vespid};

fn doctor(words: &[&str]) -> Output {
    vespid().arg("doctor").args(words).output().expect("vespid runs")
}

/// The same without any capability, by way of a program that gives them up.
fn powerless(words: &[&str]) -> Output {
    let vespid = vespid();
    let mut setpriv = Command::new("setpriv");
    setpriv
        .args(["--bounding-set", "-all", "--inh-caps", "-all", "--no-new-privs"])
        .arg(vespid.get_program())
        .arg("doctor")
        .args(words);
    setpriv.output().expect("setpriv runs")
}

fn parse(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn check<'a>(survey: &'a Value, name: &str) -> &'a Value {
    let mut checks = survey["checks"].as_array().expect("checks").iter();
    let found = checks.find(|check| check["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {survey:#}"))
}

#[test]
fn a_program_is_told_what_was_tried_and_what_it_came_to() {
    if !is_live() {
        return;
    }
    let output = doctor(&["--json"]);
    assert_eq!(output.status.code(), Some(0));
    let survey = parse(&output);
    assert_eq!(survey["usable"], true);
    for (name, topic) in [
        ("kernel types", "kernel"),
        ("capabilities", "permissions"),
        ("tp_btf", "programs"),
        ("vespid_exec", "probes"),
        ("memory limit", "node"),
        ("wall clock", "node"),
    ] {
        assert_eq!(check(&survey, name)["topic"], topic, "{name}");
    }
    // What is refused without a loss is a note, whatever this kernel makes of it.
    let fentry = check(&survey, "fentry");
    assert!(fentry["level"] == "fine" || fentry["level"] == "note", "{fentry}");
    assert_eq!(fentry["usable"], fentry["level"] == "fine");
    let dear = check(&survey, "vespid_sys_exit")["cost"].as_str().expect("a cost");
    assert!(dear.starts_with("high"), "{dear}");
    let lost = survey["checks"]
        .as_array()
        .expect("checks")
        .iter()
        .any(|check| check["level"] == "loss");
    assert_eq!(doctor(&["--strict", "--quiet"]).status.code(), Some(i32::from(lost)));
}

#[test]
fn without_privileges_each_capability_that_is_missing_is_named_with_a_remedy() {
    if Command::new("setpriv").arg("--version").output().is_err() {
        eprintln!("SKIPPED: setpriv is not installed");
        return;
    }
    let output = powerless(&["--json"]);
    let survey = parse(&output);
    assert_eq!(
        (output.status.code(), &survey["usable"]),
        (Some(3), &Value::Bool(false))
    );
    let bpf = check(&survey, "capabilities");
    assert_eq!(bpf["found"], "missing CAP_BPF and CAP_PERFMON");
    assert!(
        bpf["remedy"]
            .as_str()
            .expect("text")
            .contains("setcap cap_bpf,cap_perfmon+ep")
    );
    let proc = check(&survey, "capabilities for /proc");
    assert_eq!(proc["found"], "missing CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH");

    let page = String::from_utf8(powerless(&[]).stdout).expect("text");
    let mut lines = page.lines().skip(1);
    assert_eq!(lines.next(), Some("It cannot run here."));
    let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("no {text}: {page}"));
    assert!(at("Lost, and what to do") < at("missing CAP_BPF") && at("missing CAP_BPF") < at("\nKernel\n"));
}
