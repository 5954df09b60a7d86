//! The shipped list with one thing changed at a time.
use std::fmt;

use super::*;

/// What was changed.
pub(super) struct What<'a> {
    pub(super) kind: &'static str,
    place: &'a str,
    text: String,
}

impl fmt::Display for What<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {}", self.place, self.kind, self.text)
    }
}

/// Calls `judge` with each change, the key that it is about (none if several may be), and the configuration; for each
/// rule first with none.
pub(super) fn each(shipped: &Value, mut judge: impl FnMut(&What<'_>, Option<&str>, &Value)) {
    let groups = shipped["groups"].as_object().expect("groups");
    for (name, patterns) in groups {
        for (kind, text, changed) in lists(patterns) {
            let mut config = shipped.clone();
            config["groups"][name] = changed;
            let place = format!("@{name}");
            judge(
                &What {
                    kind,
                    place: &place,
                    text,
                },
                None,
                &config,
            );
        }
    }
    let rules = shipped["rules"].as_array().expect("rules");
    for (number, rule) in rules.iter().enumerate() {
        let key = rule["key"].as_str().expect("a key");
        let place = format!("rule {} ({key})", number + 1);
        let mut with = |kind: &'static str, text: String, changed: Value| {
            // Only the rules of this key: the others say nothing under it.
            let mut rules: Vec<Value> = rules.to_vec();
            rules[number] = changed;
            let rules: Vec<&Value> = rules.iter().filter(|rule| rule["key"] == key).collect();
            let config = json!({"rules": rules, "groups": groups});
            judge(
                &What {
                    kind,
                    place: &place,
                    text,
                },
                Some(key),
                &config,
            );
        };
        with("nothing", String::new(), rule.clone());
        for field in ["path", "prefix", "glob", "except", "only", "tags"] {
            let list = match &rule[field] {
                Value::Null => continue,
                Value::String(one) => json!([one]),
                list => list.clone(),
            };
            for (kind, text, changed) in lists(&list) {
                let mut rule = rule.clone();
                rule[field] = changed;
                with(kind, format!("{field} {text}"), rule);
            }
        }
        let access = rule["access"].as_str().expect("letters");
        for letter in "rwxalsd".chars() {
            let changed: String = match access.contains(letter) {
                true => access.chars().filter(|other| *other != letter).collect(),
                false => format!("{access}{letter}"),
            };
            let mut rule = rule.clone();
            rule["access"] = changed.clone().into();
            with("access letter", changed, rule);
        }
        for (field, words) in [
            ("severity", &["info", "notice", "warning", "error", "critical"][..]),
            ("results", &["success", "failed", "both"]),
            ("processes", &["host", "container", "both"]),
        ] {
            for word in words.iter().filter(|word| rule[field] != **word) {
                let mut rule = rule.clone();
                rule[field] = (*word).into();
                with(field, (*word).to_owned(), rule);
            }
        }
        for (from, to) in [("path", "prefix"), ("glob", "prefix")] {
            let Some(list) = rule[from].as_array() else { continue };
            for place in list
                .iter()
                .filter_map(Value::as_str)
                .filter(|place| !place.contains(['*', '{']))
            {
                let mut rule = rule.clone();
                let mut there = rule[to].as_array().cloned().unwrap_or_default();
                there.push(place.into());
                rule[to] = there.into();
                with("a file as a beginning", place.to_owned(), rule);
            }
        }
    }
}

/// A list with one entry, one alternative, or one star less, or one folder's slash.
fn lists(list: &Value) -> Vec<(&'static str, String, Value)> {
    let list: Vec<&str> = list
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut out = Vec::new();
    for (at, entry) in list.iter().enumerate() {
        let mut fewer = list.clone();
        fewer.remove(at);
        out.push(("entry", (*entry).to_owned(), json!(fewer)));
        let with = |changed: String| {
            let mut list: Vec<&str> = list.clone();
            list[at] = &changed;
            json!(list)
        };
        for changed in without_alternatives(entry) {
            out.push(("alternative", format!("{entry} → {changed}"), with(changed)));
        }
        for changed in without_stars(entry) {
            out.push(("star", format!("{entry} → {changed}"), with(changed)));
        }
        if let Some(changed) = entry.strip_suffix('/').filter(|rest| !rest.is_empty()) {
            out.push(("slash", (*entry).to_owned(), with(changed.to_owned())));
        }
    }
    out
}

/// Braces do not nest in the shipped list.
fn without_alternatives(pattern: &str) -> Vec<String> {
    let mut out = Vec::new();
    for (open, _) in pattern.match_indices('{') {
        let close = open + pattern[open..].find('}').expect("a closing brace");
        let choices: Vec<&str> = pattern[open + 1..close].split(',').collect();
        for left_out in 0..choices.len() {
            let mut kept = choices.clone();
            kept.remove(left_out);
            let kept = match &kept[..] {
                [one] => (*one).to_owned(),
                several => format!("{{{}}}", several.join(",")),
            };
            out.push(format!("{}{kept}{}", &pattern[..open], &pattern[close + 1..]));
        }
    }
    out
}

fn without_stars(pattern: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut from = 0;
    while let Some(star) = pattern[from..].find('*').map(|at| from + at) {
        let len = pattern[star..].bytes().take_while(|byte| *byte == b'*').count();
        from = star + len;
        out.push(format!("{}{}", &pattern[..star], &pattern[from..]));
    }
    out
}
