use super::*;
use crate::plugin::config::{LIMITS, split};

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(Path::new("vespid.toml"), text).map_err(|error| error.to_string())
}

#[test]
fn the_defaults_are_a_valid_configuration() {
    assert_eq!(parse(DEFAULT), Ok(Config::default()));
    assert_eq!(parse(""), Ok(Config::default()));
}

#[test]
fn one_key_changes_one_thing() {
    let config = parse("[http]\nlisten = \"127.0.0.1:1\"").expect("valid");
    assert_eq!(config.http.listen.port(), 1);
    assert_eq!(config.batch, Config::default().batch);
}

#[test]
fn a_mistyped_key_is_named_with_its_nearest() {
    let error = parse("[http]\nlissten = \"127.0.0.1:1\"").expect_err("no such key");
    assert!(
        error.contains("no key `http.lissten`; did you mean `http.listen`?"),
        "{error}"
    );
    let error = parse("colour = 1").expect_err("no such key");
    assert!(error.contains("no key `colour` ("), "{error}");
}

#[test]
fn a_value_that_does_not_fit_is_named() {
    for (text, part) in [
        (
            "[kernel]\nring_bytes = \"8M\"",
            "`kernel.ring_bytes` must be of type integer, but is of type string",
        ),
        ("[kernel]\nring_bytes = 1000000", "must be a power of two"),
        ("[kernel]\nring_bytes = -1", "vespid.toml: "),
        ("[batch]\nmax_events = 0", "batch.max_events is 0"),
        ("[batch]\nmax_age_ms = 0", "batch.max_age_ms is 0"),
        ("[plugins]\nrescan_s = 0", "plugins.rescan_s is 0"),
        (
            "[plugins.limits]\ndeadline_ms = 0",
            "`plugins.limits.deadline_ms` is 0; it must be from 1",
        ),
        (
            "[plugins.limits]\nmemory = 1",
            "no key `plugins.limits.memory`; did you mean `plugins.limits.memory_bytes`?",
        ),
        ("[http]\nlisten = \"localhost\"", "invalid socket address"),
        ("[log]\nformat = \"xml\"", "xml"),
        ("[http", "is not valid TOML"),
    ] {
        let error = parse(text).expect_err(text);
        assert!(error.contains(part), "{text}: {error}");
    }
}

#[test]
fn the_defaults_of_limits_are_those_of_the_program() {
    assert_eq!(Config::default().plugins.settings(), Settings::default());
    let defaults: Table = toml::from_str(DEFAULT).expect("TOML");
    let limits = defaults["plugins"]["limits"].as_table().expect("a table");
    let (_, own) = split(&format!("[vespid.limits]\n{limits}"), &Settings::default()).expect("the same keys");
    assert_eq!(own, serde_json::json!({}));
    assert_eq!(limits.len(), LIMITS, "a limit has no default, or is not shown");
}

#[test]
fn limits_are_for_all_plugins() {
    let config = parse("[plugins.limits]\nmemory_bytes = 2097152\nseries_idle_s = 5").expect("valid");
    let settings = config.plugins.settings();
    assert_eq!(settings.limits.memory_bytes, 2 << 20);
    assert_eq!(settings.series.idle, Duration::from_secs(5));
    assert_eq!(settings.limits.failures, Settings::default().limits.failures);
}

#[test]
fn an_empty_path_is_none() {
    let config = parse("[plugins]\ncache = \"\"\n[state]\ndirectory = \"\"\n[control]\nsocket = \"\"").expect("valid");
    assert_eq!(
        (config.plugins.cache, config.state.directory, config.control.socket),
        (None, None, None)
    );
    let socket = Config::default().control.socket;
    assert_eq!(socket.as_deref(), Some(Path::new("/run/vespid/control.sock")));
}
