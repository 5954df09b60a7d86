//! What is expected of a value.
use std::fmt;

use regex_lite::Regex;
use serde_json::Value as Json;

/// What is expected of a value.
#[derive(Clone, Debug)]
pub enum Pattern {
    /// Exactly this.
    Exact(Json),
    /// A text with this in it, or a list with such an element.
    Contains(Box<Pattern>),
    /// A text that begins so.
    StartsWith(String),
    /// A text that ends so.
    EndsWith(String),
    /// A text in which this is found.
    Matches(Regex),
    /// One of these.
    OneOf(Vec<Json>),
    /// A number of at least, and at most.
    Range(Option<f64>, Option<f64>),
    /// That it is there, or is not: not null, not empty.
    Present(bool),
    /// All of these operators.
    All(Vec<Pattern>),
    /// An object in which these keys are as expected.
    Keys(Vec<(String, Pattern)>),
    /// A list of as many elements, each as expected.
    List(Vec<Pattern>),
}

impl Pattern {
    /// Where `value` is not as expected: paths below `path`, with what was expected and what was found.
    pub(crate) fn differences<'a>(
        &'a self,
        path: &str,
        value: &'a Json,
        out: &mut Vec<(String, &'a Pattern, &'a Json)>,
    ) {
        match self {
            Pattern::Keys(keys) => {
                for (key, pattern) in keys {
                    let here = if path.is_empty() {
                        key.clone()
                    } else {
                        format!("{path}.{key}")
                    };
                    pattern.differences(&here, value.get(key).unwrap_or(&Json::Null), out);
                }
            }
            Pattern::List(patterns) if value.as_array().is_some_and(|items| items.len() == patterns.len()) => {
                for (at, pattern) in patterns.iter().enumerate() {
                    pattern.differences(&format!("{path}[{at}]"), value.get(at).unwrap_or(&Json::Null), out);
                }
            }
            _ if self.fits(value) => {}
            _ => out.push((path.to_owned(), self, value)),
        }
    }

    /// Whether `value` is as expected.
    #[must_use]
    pub fn fits(&self, value: &Json) -> bool {
        let text = value.as_str();
        match self {
            Pattern::Exact(exact) => is_equal(exact, value),
            Pattern::Contains(part) => match value {
                Json::Array(items) => items.iter().any(|item| part.fits(item)),
                _ => text
                    .zip(part.exact_text())
                    .is_some_and(|(text, part)| text.contains(part)),
            },
            Pattern::StartsWith(start) => text.is_some_and(|text| text.starts_with(start)),
            Pattern::EndsWith(end) => text.is_some_and(|text| text.ends_with(end)),
            Pattern::Matches(regex) => text.is_some_and(|text| regex.is_match(text)),
            Pattern::OneOf(choice) => choice.iter().any(|one| is_equal(one, value)),
            Pattern::Range(min, max) => value
                .as_f64()
                .is_some_and(|number| min.is_none_or(|min| number >= min) && max.is_none_or(|max| number <= max)),
            Pattern::Present(present) => *present != is_absent(value),
            Pattern::All(patterns) => patterns.iter().all(|pattern| pattern.fits(value)),
            Pattern::Keys(keys) => keys
                .iter()
                .all(|(key, pattern)| pattern.fits(value.get(key).unwrap_or(&Json::Null))),
            Pattern::List(patterns) => value.as_array().is_some_and(|items| {
                items.len() == patterns.len() && patterns.iter().zip(items).all(|(pattern, item)| pattern.fits(item))
            }),
        }
    }

    pub(crate) fn exact_text(&self) -> Option<&str> {
        match self {
            Pattern::Exact(exact) => exact.as_str(),
            _ => None,
        }
    }
}

fn is_absent(value: &Json) -> bool {
    match value {
        Json::Null => true,
        Json::String(text) => text.is_empty(),
        Json::Array(items) => items.is_empty(),
        Json::Object(keys) => keys.is_empty(),
        Json::Bool(_) | Json::Number(_) => false,
    }
}

/// As numbers, 1 and 1.0 are one.
fn is_equal(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(x), Json::Number(y)) => x == y || x.as_f64() == y.as_f64(),
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_equal(a, b)),
        _ => a == b,
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, items: &[String], between: &str| f.write_str(&items.join(between));
        match self {
            Pattern::Exact(exact) => write!(f, "{exact}"),
            Pattern::Contains(part) => write!(f, "something with {part} in it"),
            Pattern::StartsWith(start) => write!(f, "something that starts with {start:?}"),
            Pattern::EndsWith(end) => write!(f, "something that ends with {end:?}"),
            Pattern::Matches(regex) => write!(f, "something that matches {:?}", regex.as_str()),
            Pattern::OneOf(choice) => {
                write!(f, "one of ")?;
                list(f, &choice.iter().map(ToString::to_string).collect::<Vec<_>>(), ", ")
            }
            Pattern::Range(Some(min), Some(max)) => write!(f, "a number from {min} to {max}"),
            Pattern::Range(Some(min), None) => write!(f, "a number of at least {min}"),
            Pattern::Range(None, Some(max)) => write!(f, "a number of at most {max}"),
            Pattern::Range(None, None) => write!(f, "a number"),
            Pattern::Present(true) => write!(f, "anything"),
            Pattern::Present(false) => write!(f, "nothing"),
            Pattern::All(patterns) => list(
                f,
                &patterns.iter().map(ToString::to_string).collect::<Vec<_>>(),
                " and ",
            ),
            Pattern::Keys(keys) => {
                let keys: Vec<String> = keys.iter().map(|(key, pattern)| format!("{key} = {pattern}")).collect();
                write!(f, "{{ {} }}", keys.join(", "))
            }
            Pattern::List(patterns) => {
                write!(f, "[")?;
                list(f, &patterns.iter().map(ToString::to_string).collect::<Vec<_>>(), ", ")?;
                write!(f, "]")
            }
        }
    }
}
