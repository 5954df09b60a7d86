//! Each sentence of the module's documentation about several files and one name.
use super::desk::Desk;

const NOTHING: [&str; 0] = [];

#[test]
fn the_first_file_of_a_name_runs_and_the_other_is_told_which_it_is() {
    let desk = Desk::with(&[("b.wasm", "name=x version=2"), ("a.wasm", "name=x version=1")]);
    assert_eq!(desk.running(), ["active name=x version=1 < a.wasm"]);
    assert_eq!(desk.refused(), ["b.wasm: duplicate"]);
    assert!(desk.reason("b.wasm").contains("a.wasm"), "{}", desk.reason("b.wasm"));
}

#[test]
fn the_one_that_runs_stays_whatever_its_file_is_called() {
    let mut desk = Desk::with(&[("b.wasm", "name=x version=1")]);
    desk.write("a.wasm", "name=x version=2");
    assert_eq!(desk.look(), ["load a.wasm"]);
    assert_eq!(desk.running(), ["active name=x version=1 < b.wasm"]);
    assert_eq!(desk.look(), NOTHING, "a duplicate costs nothing as long as it is one");
    desk.write("b.wasm", "garbage");
    assert_eq!(
        desk.look(),
        ["load b.wasm", "load a.wasm"]
            .map(str::to_owned)
            .into_iter()
            .rev()
            .collect::<Vec<_>>()
    );
    assert_eq!(
        desk.running(),
        ["active name=x version=1 < b.wasm"],
        "a refusal stops nothing"
    );
    desk.rename("b.wasm", "c.wasm");
    assert_eq!(desk.look()[..2], ["load a.wasm", "swap active name=x version=2"]);
}

#[test]
fn when_the_first_goes_the_other_takes_over_with_its_state() {
    let mut desk = Desk::with(&[("a.wasm", "name=x version=1"), ("b.wasm", "name=x version=2")]);
    desk.remove("a.wasm");
    assert_eq!(desk.look(), ["load b.wasm", "swap active name=x version=2"]);
    desk.rename("b.wasm", "c.wasm");
    desk.write("a.wasm", "name=x version=3");
    assert_eq!(
        desk.look(),
        ["moved active x c.wasm", "load a.wasm"],
        "the one that runs stays"
    );
    desk.write("c.wasm", "name=y");
    assert_eq!(
        desk.look(),
        [
            "load a.wasm",
            "load c.wasm",
            "start active name=y",
            "swap active name=x version=3"
        ]
    );
    assert!(desk.refused().is_empty());
}

#[test]
fn a_duplicate_is_told_the_present_file_of_the_first() {
    let mut desk = Desk::with(&[("a.wasm", "name=x version=1"), ("c.wasm", "name=x version=2")]);
    desk.rename("a.wasm", "b.wasm");
    assert_eq!(desk.look(), ["moved active x b.wasm"]);
    assert!(desk.reason("c.wasm").contains("b.wasm"), "{}", desk.reason("c.wasm"));
    assert_eq!(desk.refusals(), 1);
}

#[test]
fn if_the_first_does_not_start_the_next_one_does() {
    let desk = Desk::with(&[
        ("a.wasm", "name=x fails"),
        ("b.wasm", "name=x version=2"),
        ("c.wasm", "name=x"),
    ]);
    assert_eq!(desk.running(), ["active name=x version=2 < b.wasm"]);
    assert_eq!(desk.refused(), ["a.wasm: start", "c.wasm: duplicate"]);
}

#[test]
fn files_that_exchange_names_lose_no_state() {
    let mut desk = Desk::with(&[("a.wasm", "name=x"), ("b.wasm", "name=y"), ("c.wasm", "name=z")]);
    desk.rename("a.wasm", "t");
    desk.rename("b.wasm", "a.wasm");
    desk.rename("t", "b.wasm");
    assert_eq!(desk.look(), ["moved active y a.wasm", "moved active x b.wasm"]);

    desk.write("a.wasm", "name=x version=2");
    desk.write("b.wasm", "name=z version=2");
    desk.write("c.wasm", "name=y version=2");
    let calls = desk.look();
    assert_eq!(
        calls.iter().filter(|call| call.starts_with("swap")).count(),
        3,
        "{calls:?}"
    );
    assert_eq!(calls.len(), 6, "{calls:?}");
    assert!(desk.refused().is_empty());
}

#[test]
fn one_that_cannot_get_its_new_name_keeps_the_old_one() {
    let mut desk = Desk::with(&[("a.wasm", "name=x"), ("b.wasm", "name=y"), ("c.wasm", "name=z")]);
    desk.write("a.wasm", "name=y version=2");
    desk.write("b.wasm", "name=z version=2");
    assert_eq!(desk.look(), ["load a.wasm", "load b.wasm"]);
    assert_eq!(
        desk.running(),
        [
            "active name=x < a.wasm",
            "active name=y < b.wasm",
            "active name=z < c.wasm"
        ]
    );
    desk.remove("c.wasm");
    let calls = desk.look();
    assert_eq!(
        calls,
        [
            "load a.wasm",
            "load b.wasm",
            "swap active name=z version=2",
            "swap active name=y version=2",
            "stop active x"
        ]
    );
}

#[test]
fn a_failure_in_a_circle_leaves_all_of_it_as_it_was() {
    let mut desk = Desk::with(&[("a.wasm", "name=x"), ("b.wasm", "name=y")]);
    desk.write("a.wasm", "name=y fails");
    desk.write("b.wasm", "name=x fails");
    desk.look();
    assert_eq!(desk.running(), ["active name=x < a.wasm", "active name=y < b.wasm"]);
    assert_eq!(desk.refused().len(), 2);
}

#[test]
fn a_file_renamed_over_another_takes_its_plugin_along() {
    let mut desk = Desk::with(&[("a.wasm", "name=x"), ("b.wasm", "name=y")]);
    desk.rename("b.wasm", "a.wasm");
    assert_eq!(desk.look(), ["moved active y a.wasm", "stop active x"]);
}

#[test]
fn whoever_waits_for_a_name_keeps_its_place() {
    let mut desk = Desk::with(&[("d.wasm", "name=x"), ("e.wasm", "name=x version=2")]);
    desk.rename("d.wasm", "a.wasm");
    desk.write("d.wasm", "name=y");
    desk.look();
    assert_eq!(desk.running(), ["active name=x < a.wasm", "active name=y < d.wasm"]);
    assert_eq!(desk.refused(), ["e.wasm: duplicate"]);
}
