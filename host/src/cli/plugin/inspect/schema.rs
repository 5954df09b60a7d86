//! A configuration's JSON Schema as rows for people: each key with its type, its default and what it means.
use serde_json::Value;

/// How deep objects are followed.
const DEPTH: usize = 8;

/// What one key of a configuration may be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// Where it is: `scan.ports`, `rules[].path`, `by_name.*.limit`.
    pub(super) path: String,
    /// Its type, in words.
    pub(super) kind: String,
    /// Its default as JSON; empty if it has none.
    pub(super) default: String,
    /// What it means.
    pub(super) description: String,
}

/// The keys of a schema, those of nested objects after the key that they are in.
pub(super) fn keys(schema: &Value) -> Vec<Key> {
    let mut keys = Vec::new();
    let mut walk = Walk {
        root: schema,
        keys: &mut keys,
    };
    walk.object(schema, "", Some(&schema["default"]), DEPTH);
    keys
}

struct Walk<'a> {
    root: &'a Value,
    keys: &'a mut Vec<Key>,
}

impl<'a> Walk<'a> {
    /// `defaults` is the default of the whole object, which has those of its keys in it.
    fn object(&mut self, schema: &'a Value, path: &str, defaults: Option<&Value>, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else { return };
        let schema = self.resolve(schema);
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let place = if path.is_empty() {
                name.clone()
            } else {
                format!("{path}.{name}")
            };
            let resolved = self.resolve(property);
            let text = |key: &str| property[key].as_str().or(resolved[key].as_str());
            let default = [&property["default"], &resolved["default"]]
                .into_iter()
                .find(|value| !value.is_null())
                .or_else(|| defaults?.get(name));
            self.keys.push(Key {
                path: place.clone(),
                kind: self.kind(property, DEPTH),
                default: match default {
                    // Its keys have theirs.
                    Some(Value::Object(_)) if resolved["properties"].is_object() => String::new(),
                    Some(default) => default.to_string(),
                    None => String::new(),
                },
                description: text("description").unwrap_or_default().replace('\n', " "),
            });
            self.inside(property, &place, default, depth);
        }
    }

    fn inside(&mut self, schema: &'a Value, path: &str, default: Option<&Value>, depth: usize) {
        let schema = self.resolve(schema);
        self.object(schema, path, default, depth);
        if schema["items"].is_object() {
            self.object(&schema["items"], &format!("{path}[]"), None, depth);
        }
        if schema["additionalProperties"].is_object() {
            self.object(&schema["additionalProperties"], &format!("{path}.*"), None, depth);
        }
        for variant in variants(schema) {
            self.object(variant, path, default, depth);
        }
    }

    fn kind(&self, schema: &Value, depth: usize) -> String {
        let Some(depth) = depth.checked_sub(1) else {
            return "any".to_owned();
        };
        let schema = self.resolve_any(schema);
        if let Some(constant) = schema.get("const") {
            return constant.to_string();
        }
        if let Some(values) = schema["enum"].as_array() {
            return joined(values.iter().map(Value::to_string));
        }
        let variants: Vec<String> = variants(schema).map(|variant| self.kind(variant, depth)).collect();
        if !variants.is_empty() {
            return joined(variants.into_iter());
        }
        match &schema["type"] {
            Value::Array(kinds) => joined(
                kinds
                    .iter()
                    .filter_map(Value::as_str)
                    .map(|kind| self.one_kind(schema, kind, depth)),
            ),
            Value::String(kind) => self.one_kind(schema, kind, depth),
            _ => "any".to_owned(),
        }
    }

    fn one_kind(&self, schema: &Value, kind: &str, depth: usize) -> String {
        match kind {
            "array" => format!("list of {}", self.kind(&schema["items"], depth)),
            "object" if schema["properties"].is_object() => "table".to_owned(),
            "object" => format!("table of {}", self.kind(&schema["additionalProperties"], depth)),
            "integer" | "number" => format!("{kind}{}", range(schema)),
            kind => kind.to_owned(),
        }
    }

    fn resolve(&self, schema: &'a Value) -> &'a Value {
        self.target(schema).unwrap_or(schema)
    }

    fn resolve_any<'b>(&'b self, schema: &'b Value) -> &'b Value {
        self.target(schema).unwrap_or(schema)
    }

    /// What a reference within the schema refers to.
    fn target(&self, schema: &Value) -> Option<&'a Value> {
        self.root.pointer(schema["$ref"].as_str()?.strip_prefix('#')?)
    }
}

fn variants(schema: &Value) -> impl Iterator<Item = &Value> {
    ["anyOf", "oneOf", "allOf"]
        .into_iter()
        .filter_map(|key| schema[key].as_array())
        .flatten()
}

fn joined(kinds: impl Iterator<Item = String>) -> String {
    kinds.collect::<Vec<_>>().join(" or ")
}

/// Bounds that say more than a machine's number type.
fn range(schema: &Value) -> String {
    let bound = |key: &str| schema[key].as_f64().filter(|bound| bound.abs() < 1e9);
    match (bound("minimum"), bound("maximum")) {
        (Some(min), Some(max)) => format!(" {min} to {max}"),
        (Some(min), None) => format!(" from {min}"),
        (None, Some(max)) => format!(" up to {max}"),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lines(schema: &Value) -> Vec<String> {
        keys(schema)
            .into_iter()
            .map(|key| format!("{}: {} = {} ({})", key.path, key.kind, key.default, key.description))
            .collect()
    }

    #[test]
    fn nested_keys_follow_the_key_that_they_are_in() {
        let schema = json!({
            "type": "object",
            "properties": {
                "limit": {"type": "integer", "minimum": 0, "maximum": 255, "default": 7, "description": "How many.\nAt most."},
                "rules": {"type": "array", "items": {"$ref": "#/$defs/Rule"}, "default": []},
                "scan": {"type": "object", "properties": {"ports": {"type": "integer"}}, "default": {"ports": 20}},
            },
            "$defs": {"Rule": {"type": "object", "properties": {"path": {"type": ["string", "null"]}}}},
        });
        assert_eq!(
            lines(&schema),
            [
                "limit: integer 0 to 255 = 7 (How many. At most.)",
                "rules: list of table = [] ()",
                "rules[].path: string or null =  ()",
                "scan: table =  ()",
                "scan.ports: integer = 20 ()",
            ]
        );
    }

    #[test]
    fn a_schema_that_refers_to_itself_comes_to_an_end() {
        let schema = json!({"properties": {"next": {"$ref": "#"}}});
        assert_eq!(keys(&schema).len(), DEPTH);
        let schema = json!({"properties": {"list": {"$ref": "#/$defs/L"}}, "$defs": {"L": {"type": "array", "items": {"$ref": "#/$defs/L"}}}});
        assert!(keys(&schema)[0].kind.starts_with("list of list of"));
    }

    #[test]
    fn no_schema_has_no_keys() {
        assert_eq!(keys(&json!({})), []);
        assert_eq!(keys(&json!({"properties": 7})), []);
    }
}
