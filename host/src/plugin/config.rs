//! A plugin's configuration file: what it says to the daemon, and keys that nobody knows, found before anything starts,
//! with the key that was probably meant.
use serde_json::{Map, Value};

#[cfg(test)]
pub(crate) use super::settings::LIMITS;
pub use super::settings::{Mode, Settings, split};

/// How unlike a known key may be and still be offered as what was meant.
const LIKENESS: f64 = 0.7;

/// What is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Not TOML, or not of a form that JSON has.
    #[error("{0}")]
    Syntax(String),
    /// A key that the schema does not have.
    #[error("unknown key `{path}`{}", hint(nearest.as_deref(), known))]
    UnknownKey {
        /// Where it is: `rules[2].acess`.
        path: String,
        /// The known key that it resembles.
        nearest: Option<String>,
        /// All that may stand there.
        known: Vec<String>,
    },
    /// A value of the wrong type, or out of range.
    #[error("{0}")]
    Value(String),
}

/// What to tell about a key that is not known: the nearest one if there is one, else all of them.
#[must_use]
pub fn hint(nearest: Option<&str>, known: &[impl AsRef<str>]) -> String {
    if let Some(nearest) = nearest {
        return format!("; did you mean `{nearest}`?");
    }
    if known.is_empty() {
        return "; no key may stand there".into();
    }
    let names: Vec<String> = known.iter().map(|name| format!("`{}`", name.as_ref())).collect();
    format!("; known are {}", names.join(", "))
}

/// The known key that `key` resembles most, if it resembles any.
pub fn nearest<'a>(key: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| {
            (
                strsim::jaro_winkler(&key.to_lowercase().replace('-', "_"), candidate),
                candidate,
            )
        })
        .filter(|(likeness, _)| *likeness >= LIKENESS)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// Checks the keys of a configuration against its JSON Schema: wherever `additionalProperties` is false, only
/// `properties` may stand, in nested objects, in arrays of objects and in maps of objects too. Values are the
/// plugin's own business.
///
/// # Errors
/// The first unknown key.
pub fn check_keys(schema: &Value, config: &Value) -> Result<(), ConfigError> {
    check(schema, config, "")
}

fn check(schema: &Value, config: &Value, path: &str) -> Result<(), ConfigError> {
    match config {
        Value::Object(object) => check_object(schema, object, path),
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items
                .into_iter()
                .try_for_each(|(at, item)| check(&schema["items"], item, &format!("{path}[{at}]")))
        }
        _ => Ok(()),
    }
}

fn check_object(schema: &Value, object: &Map<String, Value>, path: &str) -> Result<(), ConfigError> {
    let properties = schema["properties"].as_object();
    let rest = &schema["additionalProperties"];
    for (key, value) in object {
        let here = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        match properties.and_then(|properties| properties.get(key)) {
            Some(property) => check(property, value, &here)?,
            None if *rest == Value::Bool(false) => {
                let known: Vec<String> = properties.into_iter().flat_map(Map::keys).cloned().collect();
                let nearest = nearest(key, known.iter().map(String::as_str)).map(str::to_owned);
                return Err(ConfigError::UnknownKey {
                    path: here,
                    nearest,
                    known,
                });
            }
            None => check(rest, value, &here)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(config: &Value, expected: &str) {
        let schema = json!({
            "type": "object", "additionalProperties": false,
            "properties": {
                "burst_per_second": {"type": "integer"},
                "learning": {"additionalProperties": false, "properties": {"window_s": {}, "enabled": {}}},
                "rules": {"items": {"additionalProperties": false, "properties": {"path": {}, "access": {}}}},
                "teams": {"additionalProperties": {"additionalProperties": false, "properties": {"mail": {}}}},
                "anything": {"type": "object"},
            }
        });
        let found = check_keys(&schema, config).map_or_else(|error| error.to_string(), |()| "fine".into());
        assert_eq!(found, expected);
    }

    #[test]
    fn known_keys_are_fine_at_every_depth() {
        check(
            &json!({
                "burst_per_second": 3, "learning": {"window_s": 1}, "rules": [{"path": "/"}],
                "teams": {"a": {"mail": 1}}, "anything": {"x": {"y": 1}},
            }),
            "fine",
        );
    }

    #[test]
    fn an_unknown_key_is_named_with_the_one_that_was_meant() {
        check(
            &json!({"burst-per-sec": 3}),
            "unknown key `burst-per-sec`; did you mean `burst_per_second`?",
        );
        check(
            &json!({"learning": {"windows": 1}}),
            "unknown key `learning.windows`; did you mean `window_s`?",
        );
        check(
            &json!({"rules": [{"path": "/"}, {"acess": "r"}]}),
            "unknown key `rules[1].acess`; did you mean `access`?",
        );
        check(
            &json!({"teams": {"a": {"mial": 1}}}),
            "unknown key `teams.a.mial`; did you mean `mail`?",
        );
    }

    #[test]
    fn a_key_like_no_other_gets_the_whole_choice() {
        check(
            &json!({"learning": {"zzz": 1}}),
            "unknown key `learning.zzz`; known are `enabled`, `window_s`",
        );
    }
}
