//! Case files as their authors write them, right and wrong.
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]
use std::path::Path;

use serde_json::{Value, json};
use vespid_cases::{Case, Observed, Report, Sample, Scope, Style, accept, compare, junit};

const HEAD: &str = "recording = \"../fixtures/a.jsonl.zst\"\n";

fn parse(text: &str) -> Case {
    Case::parse(Path::new("cases/a.toml"), &format!("{HEAD}{text}")).expect(text)
}

#[track_caller]
fn refused(text: &str, expected: &str) {
    let error = Case::parse(Path::new("cases/a.toml"), &format!("{HEAD}{text}")).expect_err(text);
    assert_eq!(error.to_string(), format!("cases/a.toml:{expected}"));
}

fn verdict(rule: &str, message: &str) -> Value {
    json!({
        "time": "2026-01-01T00:00:00Z", "rule": rule, "severity": "warning", "message": message, "key": rule,
        "tags": ["T1059", "T1036"], "fields": {"folder": "/tmp"}, "process": {"pid": 7, "comm": "bash"},
        "ancestors": [{"pid": 3, "comm": "nginx"}, {"pid": 1, "comm": "init"}], "container": null,
    })
}

fn observed(verdicts: Vec<Value>) -> Observed {
    let sample = |result: &str, value| Sample {
        name: "execs".to_owned(),
        labels: vec![
            ("result".to_owned(), result.to_owned()),
            ("who".to_owned(), "me".to_owned()),
        ],
        value,
    };
    Observed {
        verdicts,
        samples: vec![sample("ok", 3.0), sample("error", 4.0), sample("ok", 0.5)],
        metrics: vec!["execs".to_owned(), "idle".to_owned()],
    }
}

/// What differs, as it is shown; empty if nothing does.
fn shown(text: &str, observed: &Observed, scope: Scope) -> String {
    let case = parse(text);
    let comparison = compare(&case, observed, scope);
    let mut out = String::new();
    comparison.show(&mut out, Style::Plain).expect("a string");
    assert_eq!(comparison.is_passed(), out.is_empty(), "{out}");
    out
}

fn differs(text: &str, verdicts: Vec<Value>) -> String {
    shown(text, &observed(verdicts), Scope::Whole)
}

#[test]
fn every_operator_and_every_depth() {
    let verdict = || vec![verdict("burst", "bash ran more than 50 programs")];
    for fitting in [
        "rule = \"burst\"",
        "message = { contains = \"more than\" }",
        "message = { starts_with = \"bash\", ends_with = \"programs\" }",
        "message = { matches = '\\b\\d+ programs$' }",
        "severity = { one_of = [\"error\", \"warning\"] }",
        "process = { pid = { min = 5, max = 7 } }",
        "process = { comm = \"bash\", pid = 7 }\nfields = { folder = { starts_with = \"/t\" } }",
        "container = { present = false }\nprocess = { present = true }",
        "tags = [\"T1059\", { starts_with = \"T10\" }]",
        "tags = { contains = \"T1036\" }",
        "ancestors = { contains = { comm = \"nginx\" } }",
        "ancestors = [{ comm = \"nginx\" }, { pid = 1 }]",
    ] {
        assert_eq!(differs(&format!("[[verdict]]\n{fitting}"), verdict()), "", "{fitting}");
    }
    for wrong in [
        "rule = \"bursts\"",
        "message = { contains = \"less\" }",
        "message = { starts_with = \"bash\", ends_with = \"x\" }",
        "message = { matches = '^\\d' }",
        "severity = { one_of = [\"error\"] }",
        "process = { pid = { max = 6 } }",
        "process = { comm = \"zsh\", pid = 7 }",
        "container = { id = \"a\" }",
        "tags = [\"T1059\"]",
        "ancestors = { contains = { comm = \"nginx\", pid = 1 } }",
    ] {
        assert_ne!(differs(&format!("[[verdict]]\n{wrong}"), verdict()), "", "{wrong}");
    }
}

#[test]
fn without_verdicts_in_the_case_none_may_come() {
    assert_eq!(differs("", vec![]), "");
    assert_eq!(
        differs("", vec![verdict("burst", "a\u{1b}[31m")]),
        "  + not expected: warning burst: a\\u{1b}[31m\n"
    );
}

#[test]
fn what_differs_is_set_beside_what_was_meant() {
    let rule = |rule: &str| format!("[[verdict]]\nrule = \"{rule}\"\nmessage = \"m\"\n");
    let case = [rule("a"), rule("b"), rule("c"), rule("d")].concat();
    let came = vec![
        verdict("a", "m"),
        verdict("x", "m"),
        verdict("c", "n"),
        verdict("d", "m"),
    ];
    assert_eq!(
        differs(&case, came),
        "    warning a: m\n  - expected, did not come: rule = \"b\", message = \"m\" (line 6)\n  + not expected: warning x: m\n  \
         ! warning c: n (line 9)\n      message\n        expected \"m\"\n        observed \"n\"\n    warning d: m\n"
    );
}

#[test]
fn a_native_run_is_not_asked_for_what_the_daemon_adds() {
    let text = "[[verdict]]\nrule = \"a\"\nprocess = { comm = \"zsh\" }\nfields = { folder = \"/tmp\" }";
    let came = observed(vec![verdict("a", "m")]);
    assert_eq!(shown(text, &came, Scope::Plugin), "");
    assert!(shown(text, &came, Scope::Whole).contains("process.comm"));
}

#[test]
fn metrics_are_added_up_over_what_their_labels_leave_open() {
    let metric = |text: &str| differs(&format!("[[metric]]\n{text}"), vec![]);
    assert_eq!(metric("name = \"execs\"\nvalue = 7.5"), "");
    assert_eq!(
        metric("name = \"execs\"\nlabels = { result = \"ok\" }\nmin = 3\nmax = 4"),
        ""
    );
    assert_eq!(metric("name = \"idle\"\nvalue = 0"), "");
    assert_eq!(
        metric("name = \"execs\"\nlabels = { result = \"ok\" }\nvalue = 3"),
        "  ! metric execs{result=\"ok\"}: expected 3, observed 3.5 (line 3)\n"
    );
    assert!(metric("name = \"exces\"\nvalue = 0").contains("the plugin has no metric `exces`; did you mean `execs`?"));
}

#[test]
fn what_is_wrong_is_said_with_its_line_and_what_would_be_right() {
    refused(
        "[[verdcit]]\nrule = \"a\"",
        "2: a case has no key `verdcit`; did you mean `verdict`?",
    );
    refused(
        "[verdict]\nrule = \"a\"",
        "2: write `[[verdict]]`, once for each verdict",
    );
    refused(
        "[[verdict]]\nrul = \"a\"",
        "3: a verdict has no key `rul`; did you mean `rule`?",
    );
    refused(
        "[[verdict]]\n\nmessage = { contians = \"a\" }",
        "4: there is no operator `contians` for `message`; did you mean `contains`?",
    );
    refused(
        "[[verdict]]\n[verdict.process]\ncom = \"a\"",
        "4: `process` has no key `com`; did you mean `comm`?",
    );
    refused(
        "[[verdict]]\nseverity = \"warn\"",
        "3: there is no severity `warn`; did you mean `warning`?",
    );
    refused(
        "[[verdict]]\nrule = [\"a\"]",
        "3: `rule` is one value, and cannot be a list",
    );
    refused(
        "[[verdict]]\ntags = \"T1\"",
        "3: `tags` is a list; write tags = [ … ], or { contains = … } for one element of it",
    );
    refused("compress = 0", "2: `compress` is 0; it must be more than 0");
    refused(
        "[swap]\nto = \"a.wasm\"",
        "2: `swap` needs `after`: the number of events before it",
    );
    refused(
        "[[metric]]\nname = \"a\"",
        "3: a metric needs `value`, or `min` or `max`",
    );
    refused(
        "[slice]\npid_tree = \"7\"",
        "3: `pid_tree` must be a whole number from 0 on, but is a string",
    );
    let bad = Case::parse(
        Path::new("a.toml"),
        &format!("{HEAD}[[verdict]]\nmessage = {{ matches = \"(\" }}"),
    );
    let bad = bad.expect_err("no expression").to_string();
    assert!(
        bad.starts_with("a.toml:3: `matches` is not a regular expression: "),
        "{bad}"
    );
    let bad = Case::parse(Path::new("a.toml"), "recording = \"x")
        .expect_err("no TOML")
        .to_string();
    assert!(bad.starts_with("a.toml:1: "), "{bad}");
    let bad = Case::parse(Path::new("a.toml"), "about = \"x\"")
        .expect_err("no recording")
        .to_string();
    assert!(bad.contains("`recording` is missing"), "{bad}");
}

#[test]
fn a_slice_is_the_same_in_a_file_and_on_a_command_line() {
    let case = parse("[slice]\nfrom = \"+1.5s\"\nkinds = [\"exec\", \"open\"]\npid_tree = 7");
    assert_eq!(
        case.slice.flags(),
        ["--from=+1.5s", "--kinds=exec,open", "--pid-tree=7"]
    );
}

#[test]
fn accepting_writes_what_differs_and_leaves_the_rest_alone() {
    let text = "# The head.\nrecording = \"r\" # kept\n\n# First.\n[[verdict]]\nrule = \"a\" # a's rule\nmessage = { contains = \"m\" }\n\n\
                # Gone.\n[[verdict]]\nrule = \"b\"\n\n# Third.\n[[verdict]]\nrule = \"c\"\nmessage = \"old\" # its words\n[verdict.process]\n\
                comm = \"zsh\"\n\n# Counted.\n[[metric]]\nname = \"execs\"\nmin = 100\n\n# The end.\n";
    let case = Case::parse(Path::new("a.toml"), text).expect("a case");
    let came = observed(vec![
        verdict("a", "m"),
        verdict("new", "say \"x\""),
        verdict("c", "new"),
    ]);
    let new = accept(text, &compare(&case, &came, Scope::Whole)).expect("TOML");
    assert_eq!(
        new,
        "# The head.\nrecording = \"r\" # kept\n\n# First.\n[[verdict]]\nrule = \"a\" # a's rule\nmessage = { contains = \"m\" }\n\n\
         [[verdict]]\nrule = \"new\"\nseverity = \"warning\"\nmessage = 'say \"x\"'\nkey = \"new\"\n\n\
         # Third.\n[[verdict]]\nrule = \"c\"\nmessage = \"new\" # its words\n[verdict.process]\ncomm = \"bash\"\n\n\
         # Counted.\n[[metric]]\nname = \"execs\"\nvalue = 7.5\n\n# The end.\n"
    );
    let again = Case::parse(Path::new("a.toml"), &new).expect("a case");
    assert!(compare(&again, &came, Scope::Whole).is_passed());
}

#[test]
fn accepting_into_a_file_without_verdicts_appends_them_and_no_verdicts_removes_all() {
    let text = "recording = \"r\"\n";
    let case = Case::parse(Path::new("a.toml"), text).expect("a case");
    let came = observed(vec![verdict("a", "m"), verdict("b", "n")]);
    let new = accept(text, &compare(&case, &came, Scope::Whole)).expect("TOML");
    let case = Case::parse(Path::new("a.toml"), &new).expect("a case");
    assert!(compare(&case, &came, Scope::Whole).is_passed(), "{new}");
    let none = observed(vec![]);
    assert_eq!(accept(&new, &compare(&case, &none, Scope::Whole)).expect("TOML"), text);
}

#[test]
fn junit_escapes_what_xml_cannot_hold() {
    let report = |name: &str, failure: Option<&str>| Report {
        name: name.to_owned(),
        file: format!("cases/{name}.toml"),
        time: std::time::Duration::from_millis(1_500),
        failure: failure.map(str::to_owned),
    };
    let xml = junit(
        "p",
        &[
            report("good", None),
            report("bad", Some("a < \"b\" & \u{1b}[31m\nmore")),
        ],
    );
    assert!(
        xml.contains(r#"<testsuite name="p" tests="2" failures="1" errors="0" time="3.000">"#),
        "{xml}"
    );
    assert!(
        xml.contains("<failure message=\"a &lt; &quot;b&quot; &amp; \u{fffd}[31m\">"),
        "{xml}"
    );
}
