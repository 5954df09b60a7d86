//! A configuration from the daemon, refused with words that help.
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The JSON Schema of a configuration. Whatever it refers to is written where it is used, so that a reader needs to
/// follow no references.
pub(crate) fn schema<C: JsonSchema>() -> Schema {
    let inline = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    inline.into_generator().into_root_schema_for::<C>()
}

/// Reads a configuration. Nothing at all is read as `{}`.
pub(crate) fn parse<C: DeserializeOwned + JsonSchema>(json: &str) -> Result<C, String> {
    let json = if json.trim().is_empty() { "{}" } else { json };
    let value: Value = serde_json::from_str(json).map_err(|cause| format!("the configuration is no JSON: {cause}"))?;
    if !value.is_object() {
        return Err("the configuration is not an object".to_owned());
    }
    refuse_unknown_keys(&value, schema::<C>().as_value(), "")?;
    serde_path_to_error::deserialize(value).map_err(|error| match error.path().to_string() {
        path if path == "." => error.inner().to_string(),
        path => format!("`{path}`: {}", error.inner()),
    })
}

/// Serde would find an unknown key too, but says neither where it is nor which key was meant.
fn refuse_unknown_keys(value: &Value, schema: &Value, at: &str) -> Result<(), String> {
    match value {
        Value::Object(object) => {
            let Some(known) = schema.get("properties").and_then(Value::as_object) else {
                return Ok(());
            };
            for (key, value) in object {
                let path = if at.is_empty() {
                    key.clone()
                } else {
                    format!("{at}.{key}")
                };
                match known.get(key) {
                    Some(schema) => refuse_unknown_keys(value, schema, &path)?,
                    None => return Err(unknown(&path, key, known)),
                }
            }
            Ok(())
        }
        Value::Array(items) => {
            let Some(schema) = schema.get("items") else {
                return Ok(());
            };
            let mut items = items.iter().enumerate();
            items.try_for_each(|(i, item)| refuse_unknown_keys(item, schema, &format!("{at}[{i}]")))
        }
        _ => Ok(()),
    }
}

fn unknown(path: &str, key: &str, known: &Map<String, Value>) -> String {
    format!(
        "unknown key `{path}`{}",
        did_you_mean(key, known.keys().map(String::as_str))
    )
}

/// What to say behind "unknown such-and-such": the nearest name if one is near, else all of them.
///
/// ```
/// use vespid_plugin::did_you_mean;
///
/// let known = ["execs", "opens"];
/// assert_eq!(did_you_mean("exec", known.into_iter()), "; did you mean `execs`?");
/// ```
pub fn did_you_mean<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let nearest = known
        .clone()
        .map(|known| (strsim::damerau_levenshtein(name, known), known))
        .min();
    match nearest {
        Some((distance, nearest)) if distance <= 1 + nearest.len() / 3 => format!("; did you mean `{nearest}`?"),
        _ => format!("; known are {}", known.collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;

    /// The whole.
    #[derive(Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
    #[serde(default, deny_unknown_fields)]
    struct Config {
        /// How many.
        threshold: u32,
        /// The parts.
        rules: Vec<Rule>,
    }

    #[derive(Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
    #[serde(default, deny_unknown_fields)]
    struct Rule {
        /// What.
        path: String,
    }

    fn refusal(json: &str) -> String {
        parse::<Config>(json).unwrap_err()
    }

    #[test]
    fn nothing_is_the_default() {
        assert_eq!(parse::<Config>(""), Ok(Config::default()));
        assert_eq!(parse::<Config>("{}"), Ok(Config::default()));
    }

    #[test]
    fn an_unknown_key_names_the_nearest() {
        assert_eq!(
            refusal(r#"{"treshold": 1}"#),
            "unknown key `treshold`; did you mean `threshold`?"
        );
        assert_eq!(
            refusal(r#"{"rules": [{}, {"pth": ""}]}"#),
            "unknown key `rules[1].pth`; did you mean `path`?"
        );
        assert_eq!(
            refusal(r#"{"colour": 1}"#),
            "unknown key `colour`; known are rules, threshold"
        );
    }

    #[test]
    fn a_wrong_type_names_the_key() {
        assert_eq!(
            refusal(r#"{"rules": [{"path": 7}]}"#),
            "`rules[0].path`: invalid type: integer `7`, expected a string"
        );
        assert_eq!(refusal("[]"), "the configuration is not an object");
    }

    #[test]
    fn the_schema_says_what_serde_does() {
        let schema = schema::<Config>();
        let schema = schema.as_value();
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["properties"]["threshold"]["description"], "How many.");
        assert_eq!(schema["properties"]["threshold"]["default"], 0);
        assert_eq!(schema["properties"]["rules"]["items"]["additionalProperties"], false);
    }
}
