//! What the plugin promises, near misses included.
use vespid_plugin::testing::{BatchBuilder, ContainerRow, Harness, Outcome, SECOND};

use super::*;

fn start(config: &str) -> Harness<ResourceUsage> {
    Harness::start(config).expect("a configuration")
}

#[test]
fn usage_is_counted_by_container() {
    let mut plugin = start("{}");
    let mut batch = BatchBuilder::new();
    let web = batch.described_container(ContainerRow {
        id: b"0123456789abcdef".to_vec(),
        pod: b"web-0".to_vec(),
        namespace: b"front".to_vec(),
        ..ContainerRow::default()
    });
    for _ in 0..2 {
        let used = batch.usage(SECOND).container(web).cgroup("/k").cpu(SECOND / 4);
        used.minor_faults(10).major_faults(1).switches(7, 3);
    }
    batch.usage(SECOND).cpu(SECOND);
    batch.usage(SECOND).cgroup("").cpu(SECOND / 2);
    plugin.batch(&batch);
    let web = ["0123456789ab", "front/web-0"];
    assert_eq!(plugin.value("cpu", web), Some(0.5));
    assert_eq!(plugin.value("cpu", ["host", ""]), Some(1.0));
    assert_eq!(plugin.value("cpu", ["unknown", ""]), Some(0.5));
    let of = |kind| [web[0], web[1], kind];
    assert_eq!(plugin.value("page_faults", of("minor")), Some(20.0));
    assert_eq!(plugin.value("page_faults", of("major")), Some(2.0));
    assert_eq!(plugin.value("context_switches", of("voluntary")), Some(14.0));
    assert_eq!(plugin.value("context_switches", of("involuntary")), Some(6.0));
    assert_eq!(plugin.value("cycles", web), None, "nobody counted them");
}

#[test]
fn what_the_hardware_counts_is_shown_where_it_counts() {
    let mut plugin = start("{}");
    let mut batch = BatchBuilder::new();
    batch.usage(SECOND).hardware(3_000, 2_000, 10);
    plugin.batch(&batch);
    let host = ["host", ""];
    assert_eq!(plugin.value("cycles", host), Some(3_000.0));
    assert_eq!(plugin.value("instructions", host), Some(2_000.0));
    assert_eq!(plugin.value("cache_misses", host), Some(10.0));
}

#[test]
fn containers_beyond_the_limit_are_other() {
    let mut plugin = start(r#"{"max_containers": 1}"#);
    let mut batch = BatchBuilder::new();
    for id in ["a", "b", "c"] {
        let container = batch.container(id, "");
        batch.usage(SECOND).container(container).cgroup("/k").cpu(SECOND);
    }
    plugin.batch(&batch);
    assert_eq!(plugin.value("cpu", ["a", ""]), Some(1.0));
    assert_eq!(plugin.value("cpu", ["other", ""]), Some(2.0));
}

/// A batch in which a container's program is killed so many times, once in so many seconds.
fn kills(times: u64, every: u64) -> BatchBuilder {
    let mut batch = BatchBuilder::new();
    let web = batch.container("0123456789abcdef", "shop");
    for number in 0..times {
        let hog = batch.process("/srv/hog").container(web).id();
        batch.at(number * every * SECOND).oom_kill(hog, 64 << 20);
    }
    batch
}

fn rules(outcome: &Outcome) -> Vec<&str> {
    outcome.verdicts.iter().map(|verdict| verdict.rule.as_str()).collect()
}

#[test]
fn a_kill_is_reported_once_and_repetitions_are_counted() {
    let mut plugin = start("{}");
    let said = plugin.batch(&kills(3, 10));
    assert_eq!(rules(&said), ["oom-kill"]);
    let message = &said.verdicts[0].message;
    assert!(
        message.starts_with("hog (pid ")
            && message.ends_with(") in container 0123456789ab, which had 64 MiB, was killed for want of memory"),
        "{message}"
    );
    let said = plugin.tick(400 * SECOND);
    assert_eq!(rules(&said), ["oom-kill-repeated"]);
    assert!(said.verdicts[0].message.starts_with("2 more times: hog"));
    assert_eq!(plugin.value("oom_kills", ["0123456789ab", ""]), Some(3.0));
}

#[test]
fn a_container_that_is_killed_again_and_again_is_reported_once() {
    let mut plugin = start("{}");
    assert_eq!(
        rules(&plugin.batch(&kills(3, 1_000))),
        ["oom-kill"; 3],
        "three are within the limit"
    );
    let mut plugin = start("{}");
    let said = plugin.batch(&kills(6, 600));
    let again = rules(&said).iter().filter(|rule| **rule == "oom-kill-again").count();
    assert_eq!(again, 1);
    let mut plugin = start(r#"{"again": {"limit": 0}}"#);
    assert!(!rules(&plugin.batch(&kills(6, 600))).contains(&"oom-kill-again"));
}

#[test]
fn kills_far_apart_are_accidents() {
    let mut plugin = start("{}");
    let said = plugin.batch(&kills(6, 2_000));
    assert!(!rules(&said).contains(&"oom-kill-again"), "{:?}", rules(&said));
}

#[test]
fn an_excepted_program_is_counted_and_not_reported() {
    let mut plugin = start(r#"{"except": ["hog"]}"#);
    assert_eq!(rules(&plugin.batch(&kills(5, 10))), [""; 0]);
    assert_eq!(plugin.value("oom_kills", ["0123456789ab", ""]), Some(5.0));
}

#[test]
fn the_shipped_configuration_is_the_default() {
    let shipped: Config = toml::from_str(include_str!("../resource-usage.toml")).expect("TOML");
    assert_eq!(shipped, Config::default());
}
